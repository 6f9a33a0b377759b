//! Shares partitions out among the members of a group: Kafka's range assignor. Pure.
//! Source: `RangeAssignor` in Kafka 3.9, without its rack-aware part.

use std::collections::{BTreeMap, BTreeSet};

/// A member as its subscription tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Member id.
    pub id: String,
    /// `group.instance.id` of a static member: orders members that have one before those that have none.
    pub instance_id: Option<String>,
    /// Topics it wants.
    pub topics: BTreeSet<String>,
}

/// For each topic, cuts its partitions into as many runs as it has subscribers; the first ones get one more.
/// Every member has an entry, if an empty one.
#[must_use]
pub fn range(members: &[Member], partition_counts: &BTreeMap<String, i32>) -> BTreeMap<String, Vec<(String, i32)>> {
    let mut shares: BTreeMap<String, Vec<(String, i32)>> =
        members.iter().map(|member| (member.id.clone(), Vec::new())).collect();
    for (topic, count) in partition_counts {
        let mut subscribers: Vec<&Member> = members.iter().filter(|member| member.topics.contains(topic)).collect();
        subscribers.sort_by_key(|member| (member.instance_id.is_none(), member.instance_id.clone(), member.id.clone()));
        let Ok(subscriber_count) = i32::try_from(subscribers.len()) else { continue };
        if subscriber_count == 0 {
            continue;
        }
        let (each, extra) = (count / subscriber_count, count % subscriber_count);
        let mut start = 0;
        for (index, member) in (0..).zip(subscribers) {
            let end = start + each + i32::from(index < extra);
            if let Some(share) = shares.get_mut(&member.id) {
                share.extend((start..end).map(|partition| (topic.clone(), partition)));
            }
            start = end;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, topics: &[&str]) -> Member {
        Member {
            id: id.to_owned(),
            instance_id: None,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        }
    }

    #[test]
    fn the_first_members_get_the_partitions_left_over() {
        let counts = [("t".to_owned(), 5)].into();
        let shares = range(&[member("b", &["t"]), member("a", &["t"]), member("c", &[])], &counts);
        let indexes = |id: &str| shares[id].iter().map(|(_, partition)| *partition).collect::<Vec<_>>();
        assert_eq!(indexes("a"), [0, 1, 2]);
        assert_eq!(indexes("b"), [3, 4]);
        assert!(indexes("c").is_empty());
    }
}
