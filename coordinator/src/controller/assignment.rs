//! Where new replicas go, racks included, and whether a new topic may be as it is asked for.
//! Pure: the random numbers are handed in, the brokers and existing topics too. Any broker that creates topics uses this.
//! Source: contract 3.11; `AdminUtils` and `AdminZkClient` in Kafka 3.9.

use std::collections::{BTreeMap, BTreeSet};

use zk_schema::{BrokerId, TopicName};

/// Replicas of each partition.
pub type Assignments = BTreeMap<i32, Vec<BrokerId>>;

/// A broker that may get replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: BrokerId,
    /// Its rack.
    pub rack: Option<String>,
}

/// Where the walk over the brokers begins: both numbers below the number of brokers. Random for new topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Position of the first partition's leader.
    pub index: usize,
    /// How far its first follower stands behind it.
    pub shift: usize,
}

impl Start {
    /// Takes two random numbers down to the number of brokers.
    #[must_use]
    pub const fn from_random(index: u64, shift: u64, brokers: usize) -> Self {
        let brokers = if brokers == 0 { 1 } else { brokers as u64 };
        #[expect(clippy::cast_possible_truncation, reason = "below the number of brokers")]
        let start = Self { index: (index % brokers) as usize, shift: (shift % brokers) as usize };
        start
    }
}

/// Why replicas cannot be placed, or a topic not be created as asked. The text is Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// INVALID_PARTITIONS
    #[error("{0}")]
    InvalidPartitions(String),
    /// INVALID_REPLICATION_FACTOR
    #[error("{0}")]
    InvalidReplicationFactor(String),
    /// INVALID_REPLICA_ASSIGNMENT
    #[error("{0}")]
    InvalidReplicaAssignment(String),
    /// BROKER_NOT_AVAILABLE
    #[error("{0}")]
    BrokerNotAvailable(String),
    /// Some brokers have a rack and some do not. Kafka has no code for it: UNKNOWN_SERVER_ERROR.
    #[error("Not all brokers have rack information for replica rack aware assignment.")]
    RacksIncomplete,
    /// UNKNOWN_SERVER_ERROR: the topic has no partition 0 to go by.
    #[error("{0}")]
    NoFirstPartition(String),
    /// INVALID_TOPIC_EXCEPTION
    #[error("{0}")]
    InvalidTopic(String),
    /// TOPIC_ALREADY_EXISTS
    #[error("{0}")]
    TopicExists(String),
}

/// Places the replicas of a new topic.
///
/// # Errors
/// If the numbers are not positive, there are too few brokers, or only some of them have a rack.
pub fn place(
    brokers: &[Candidate],
    partitions: i32,
    replication_factor: i32,
    start: Start,
) -> Result<Assignments, Error> {
    place_from(brokers, partitions, replication_factor, start, 0)
}

fn place_from(
    brokers: &[Candidate],
    partitions: i32,
    replication_factor: i32,
    start: Start,
    first_partition: i32,
) -> Result<Assignments, Error> {
    if partitions <= 0 {
        return Err(Error::InvalidPartitions("Number of partitions must be larger than 0.".to_owned()));
    }
    let replicas = usize::try_from(replication_factor)
        .ok()
        .filter(|&replicas| 0 < replicas)
        .ok_or_else(|| Error::InvalidReplicationFactor("Replication factor must be larger than 0.".to_owned()))?;
    if brokers.len() < replicas {
        return Err(Error::InvalidReplicationFactor(format!(
            "Replication factor: {replication_factor} larger than available brokers: {}.",
            brokers.len()
        )));
    }
    let partitions = first_partition..first_partition.saturating_add(partitions);
    if brokers.iter().all(|broker| broker.rack.is_none()) {
        Ok(without_racks(brokers, partitions, replicas, start))
    } else {
        let racks: Option<BTreeMap<BrokerId, &str>> =
            brokers.iter().map(|broker| Some((broker.id, broker.rack.as_deref()?))).collect();
        Ok(across_racks(&racks.ok_or(Error::RacksIncomplete)?, partitions, replicas, start))
    }
}

fn without_racks(
    brokers: &[Candidate],
    partitions: std::ops::Range<i32>,
    replicas: usize,
    start: Start,
) -> Assignments {
    let mut ids: Vec<BrokerId> = brokers.iter().map(|broker| broker.id).collect();
    ids.sort_unstable();
    let mut shift = start.shift;
    let mut assignments = Assignments::new();
    for partition in partitions {
        let position = usize::try_from(partition).unwrap_or(0);
        if 0 < position && position.is_multiple_of(ids.len()) {
            shift += 1;
        }
        let first = (position + start.index) % ids.len();
        let followers = (0..replicas - 1).map(|step| ids[follower(first, shift, step, ids.len())]);
        assignments.insert(partition, std::iter::once(ids[first]).chain(followers).collect());
    }
    assignments
}

fn across_racks(
    racks: &BTreeMap<BrokerId, &str>,
    partitions: std::ops::Range<i32>,
    replicas: usize,
    start: Start,
) -> Assignments {
    let ids = alternating_racks(racks);
    let rack_count = racks.values().collect::<BTreeSet<_>>().len();
    let mut shift = start.shift;
    let mut assignments = Assignments::new();
    for partition in partitions {
        let position = usize::try_from(partition).unwrap_or(0);
        if 0 < position && position.is_multiple_of(ids.len()) {
            shift += 1;
        }
        let first = (position + start.index) % ids.len();
        let mut chosen = vec![ids[first]];
        let mut used_racks = BTreeSet::from([racks[&ids[first]]]);
        let mut step = 0;
        while chosen.len() < replicas {
            let id = ids[follower(first, shift * rack_count, step, ids.len())];
            step += 1;
            let rack_is_free = !used_racks.contains(racks[&id]) || used_racks.len() == rack_count;
            let broker_is_free = !chosen.contains(&id) || chosen.len() == ids.len();
            if rack_is_free && broker_is_free {
                chosen.push(id);
                used_racks.insert(racks[&id]);
            }
        }
        assignments.insert(partition, chosen);
    }
    assignments
}

/// Brokers taken from each rack in turn, racks by name, brokers by id.
fn alternating_racks(racks: &BTreeMap<BrokerId, &str>) -> Vec<BrokerId> {
    let mut by_rack: BTreeMap<&str, std::collections::VecDeque<BrokerId>> = BTreeMap::new();
    for (&id, &rack) in racks {
        by_rack.entry(rack).or_default().push_back(id);
    }
    let mut ids = Vec::with_capacity(racks.len());
    while ids.len() < racks.len() {
        ids.extend(by_rack.values_mut().filter_map(std::collections::VecDeque::pop_front));
    }
    ids
}

/// Position of the follower `step` places behind the leader at `first`; never the leader's own.
const fn follower(first: usize, shift: usize, step: usize, brokers: usize) -> usize {
    let distance = 1 + (shift + step) % (brokers - 1);
    (first + distance) % brokers
}

/// Places the replicas of partitions added to a topic, so that they continue its pattern.
/// `existing` is the topic as it is; `total` is the number of partitions it shall have; `manual` gives the replicas of the new
/// partitions when the client chose them, first new partition first.
///
/// # Errors
/// If the number does not grow, partition 0 is missing, or the client's choice does not fit.
pub fn extend(
    topic: &str,
    existing: &Assignments,
    brokers: &[Candidate],
    total: i32,
    manual: Option<&[Vec<BrokerId>]>,
) -> Result<Assignments, Error> {
    let current = i32::try_from(existing.len()).unwrap_or(i32::MAX);
    if total < current {
        return Err(Error::InvalidPartitions(format!(
            "Topic currently has {current} partitions, which is higher than the requested {total}."
        )));
    }
    if total == current {
        return Err(Error::InvalidPartitions(format!("Topic already has {current} partitions.")));
    }
    let first = existing.get(&0).ok_or_else(|| {
        Error::NoFirstPartition(format!(
            "Unexpected existing replica assignment for topic '{topic}', partition id 0 is missing."
        ))
    })?;
    if let Some(manual) = manual {
        return chosen_by_client(manual, current, total, first.len(), brokers);
    }
    let mut ids: Vec<BrokerId> = brokers.iter().map(|broker| broker.id).collect();
    ids.sort_unstable();
    let head = first.first().copied().unwrap_or(BrokerId::NONE);
    let index = ids.iter().position(|&id| head <= id).unwrap_or(0);
    let replication_factor = i32::try_from(first.len()).unwrap_or(i32::MAX);
    place_from(brokers, total - current, replication_factor, Start { index, shift: index }, current)
}

fn chosen_by_client(
    manual: &[Vec<BrokerId>],
    current: i32,
    total: i32,
    replication_factor: usize,
    brokers: &[Candidate],
) -> Result<Assignments, Error> {
    let invalid = |message: String| Err(Error::InvalidReplicaAssignment(message));
    let known: BTreeSet<BrokerId> = brokers.iter().map(|broker| broker.id).collect();
    let unknown: BTreeSet<i32> = manual.iter().flatten().filter(|id| !known.contains(id)).map(|id| id.0).collect();
    if !unknown.is_empty() {
        return invalid(format!("Unknown broker(s) in replica assignment: {}.", listed(unknown)));
    }
    let increment = total - current;
    if usize::try_from(increment) != Ok(manual.len()) {
        return invalid(format!(
            "Increasing the number of partitions by {increment} but {} assignments provided.",
            manual.len()
        ));
    }
    let assignments: Assignments = (current..total).zip(manual.iter().cloned()).collect();
    for (partition, replicas) in &assignments {
        if replicas.is_empty() {
            return invalid(format!("Cannot have replication factor of 0 for partition id {partition}."));
        }
        if has_duplicates(replicas) {
            let replicas = listed(replicas.iter().map(|id| id.0));
            return invalid(format!(
                "Duplicate brokers not allowed in replica assignment: {replicas} for partition id {partition}."
            ));
        }
    }
    let bad: Vec<(i32, usize)> = assignments
        .iter()
        .filter(|(_, replicas)| replicas.len() != replication_factor)
        .map(|(&partition, replicas)| (partition, replicas.len()))
        .collect();
    if !bad.is_empty() {
        let partitions = listed(bad.iter().map(|(partition, _)| *partition));
        let factors = listed(bad.iter().map(|(_, factor)| *factor));
        return invalid(format!(
            "Inconsistent replication factor between partitions, partition 0 has {replication_factor} while partitions [{partitions}] have replication factors [{factors}], respectively."
        ));
    }
    Ok(assignments)
}

/// Checks a topic that is to be created: its name, that it is new, and the replicas chosen for it.
/// `existing` are all topics there are (also those on their way out); `being_deleted` says whether this one is queued for
/// deletion. Configurations are checked elsewhere.
///
/// # Errors
/// What is wrong, with Kafka's code and text.
pub fn validate_new_topic<'a>(
    name: &str,
    assignments: &Assignments,
    existing: impl IntoIterator<Item = &'a TopicName>,
    being_deleted: bool,
) -> Result<(), Error> {
    TopicName::validate(name).map_err(Error::InvalidTopic)?;
    if being_deleted {
        return Err(Error::TopicExists(format!("Topic '{name}' is marked for deletion.")));
    }
    let mut colliding = Vec::new();
    for topic in existing {
        if topic.as_str() == name {
            return Err(Error::TopicExists(format!("Topic '{name}' already exists.")));
        }
        if collide(name, topic.as_str()) {
            colliding.push(topic.as_str());
        }
    }
    if !colliding.is_empty() {
        let colliding = colliding.join(", ");
        return Err(Error::InvalidTopic(format!("Topic '{name}' collides with existing topics: {colliding}")));
    }
    validate_assignments(assignments)
}

fn validate_assignments(assignments: &Assignments) -> Result<(), Error> {
    let invalid = |message: &str| Err(Error::InvalidReplicaAssignment(message.to_owned()));
    let factors: BTreeSet<usize> = assignments.values().map(Vec::len).collect();
    if factors.len() != 1 {
        return invalid("All partitions should have the same number of replicas");
    }
    if assignments.values().any(|replicas| has_duplicates(replicas)) {
        let text = assignments.iter().map(|(partition, replicas)| {
            format!("{partition} -> ArrayBuffer({})", listed(replicas.iter().map(|id| id.0)))
        });
        return invalid(&format!("Duplicate replica assignment found: Map({})", listed(text)));
    }
    let is_sequence = assignments.keys().zip(0..).all(|(&partition, expected)| partition == expected);
    if !is_sequence {
        return invalid("partitions should be a consecutive 0-based integer sequence");
    }
    Ok(())
}

/// Whether metrics could not tell the two apart: they turn `.` into `_`.
#[must_use]
pub fn collide(one: &str, other: &str) -> bool {
    let unified = |name: &str| name.replace('.', "_");
    one.contains(['.', '_']) && unified(one) == unified(other)
}

fn has_duplicates(replicas: &[BrokerId]) -> bool {
    replicas.iter().collect::<BTreeSet<_>>().len() != replicas.len()
}

fn listed(items: impl IntoIterator<Item = impl ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(racks: &[(i32, Option<&str>)]) -> Vec<Candidate> {
        racks.iter().map(|(id, rack)| Candidate { id: BrokerId(*id), rack: rack.map(str::to_owned) }).collect()
    }

    fn plain(count: i32) -> Vec<Candidate> {
        (0..count).map(|id| Candidate { id: BrokerId(id), rack: None }).collect()
    }

    fn numbers(assignments: &Assignments) -> Vec<Vec<i32>> {
        assignments.values().map(|replicas| replicas.iter().map(|id| id.0).collect()).collect()
    }

    const FIRST: Start = Start { index: 0, shift: 0 };

    #[test]
    fn replicas_walk_round_the_brokers() {
        // The table in the documentation of Kafka's AdminUtils: 5 brokers, 10 partitions, 3 replicas.
        let placed = place(&plain(5), 10, 3, FIRST).unwrap();
        let expected = [
            [0, 1, 2],
            [1, 2, 3],
            [2, 3, 4],
            [3, 4, 0],
            [4, 0, 1],
            [0, 2, 3],
            [1, 3, 4],
            [2, 4, 0],
            [3, 0, 1],
            [4, 1, 2],
        ];
        assert_eq!(numbers(&placed), expected);
    }

    #[test]
    fn one_broker_takes_everything() {
        assert_eq!(numbers(&place(&plain(1), 3, 1, FIRST).unwrap()), [[0], [0], [0]]);
    }

    #[test]
    fn racks_alternate() {
        // Also from that documentation: racks of brokers 0-5 are 1, 3, 3, 2, 2, 1.
        let racks = [(0, "1"), (1, "3"), (2, "3"), (3, "2"), (4, "2"), (5, "1")];
        let brokers = brokers(&racks.map(|(id, rack)| (id, Some(rack))));
        let placed = place(&brokers, 7, 3, FIRST).unwrap();
        let expected = [[0, 3, 1], [3, 1, 5], [1, 5, 4], [5, 4, 2], [4, 2, 0], [2, 0, 3], [0, 4, 2]];
        assert_eq!(numbers(&placed), expected);
    }

    #[test]
    fn more_replicas_than_racks_share_racks() {
        let brokers = brokers(&[(0, Some("a")), (1, Some("a")), (2, Some("b"))]);
        for replicas in place(&brokers, 6, 3, Start { index: 1, shift: 2 }).unwrap().into_values() {
            assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 3);
        }
    }

    #[test]
    fn some_brokers_without_a_rack_are_an_error() {
        let brokers = brokers(&[(0, Some("a")), (1, None)]);
        assert_eq!(place(&brokers, 1, 1, FIRST), Err(Error::RacksIncomplete));
    }

    #[test]
    fn impossible_numbers_are_refused_in_kafkas_words() {
        let error = |partitions, replicas| place(&plain(2), partitions, replicas, FIRST).unwrap_err().to_string();
        assert_eq!(error(0, 1), "Number of partitions must be larger than 0.");
        assert_eq!(error(1, 0), "Replication factor must be larger than 0.");
        assert_eq!(error(1, 3), "Replication factor: 3 larger than available brokers: 2.");
    }

    #[test]
    fn added_partitions_continue_the_pattern() {
        let whole = place(&plain(5), 10, 3, FIRST).unwrap();
        let existing: Assignments = whole.iter().take(4).map(|(p, r)| (*p, r.clone())).collect();
        let added = extend("t", &existing, &plain(5), 10, None).unwrap();
        assert_eq!(added.keys().copied().collect::<Vec<_>>(), [4, 5, 6, 7, 8, 9]);
        // Kafka begins with the shift at the start index, here 0, and raises it at partition 5.
        assert_eq!(added[&4], whole[&4]);
        assert_eq!(added[&5], whole[&5]);
    }

    #[test]
    fn added_partitions_may_be_chosen_by_the_client() {
        let existing = Assignments::from([(0, vec![BrokerId(0), BrokerId(1)])]);
        let choose = |lists: &[&[i32]]| {
            let manual: Vec<Vec<BrokerId>> = lists.iter().map(|l| l.iter().map(|&id| BrokerId(id)).collect()).collect();
            extend("t", &existing, &plain(3), 2, Some(&manual))
        };
        assert_eq!(numbers(&choose(&[&[2, 1]]).unwrap()), [[2, 1]]);
        assert!(choose(&[&[2, 9]]).is_err());
        assert!(choose(&[&[2, 2]]).is_err());
        assert!(choose(&[&[2]]).is_err());
        assert!(choose(&[&[2, 1], &[0, 1]]).is_err());
    }

    #[test]
    fn a_topic_name_must_not_collide_in_metrics() {
        let existing = [TopicName::new("a.b")];
        let assignments = Assignments::from([(0, vec![BrokerId(0)])]);
        let validate = |name: &str| validate_new_topic(name, &assignments, &existing, false);
        assert!(matches!(validate("a_b"), Err(Error::InvalidTopic(_))));
        assert!(matches!(validate("a.b"), Err(Error::TopicExists(_))));
        assert!(matches!(validate("a b"), Err(Error::InvalidTopic(_))));
        assert_eq!(validate("ab"), Ok(()));
    }

    #[test]
    fn partitions_of_a_new_topic_count_from_zero_and_are_alike() {
        let validate = |assignments: Assignments| validate_new_topic("t", &assignments, &[], false).is_ok();
        let (b0, b1) = (BrokerId(0), BrokerId(1));
        assert!(validate(Assignments::from([(0, vec![b0]), (1, vec![b1])])));
        assert!(!validate(Assignments::from([(0, vec![b0]), (2, vec![b1])])));
        assert!(!validate(Assignments::from([(0, vec![b0]), (1, vec![b1, b0])])));
        assert!(!validate(Assignments::from([(0, vec![b0, b0])])));
    }
}
