//! Facts about the group coordinator's shell, over real logs in a temporary directory.

use std::sync::Condvar;

use bytes::Bytes;
use config::TopicConfig;
use coordinator::group::{
    CommitOffsets, CommittedOffset, FetchOffsets, GroupId, Join, Joined, MemberId, Protocol, Sync,
};
use coordinator::time::Timestamp;
use partition_log::{AppendContext, LogConfig, LogManager, LogManagerConfig};
use uuid::Uuid;
use wire::ErrorCode;
use zk_schema::types::{GenerationId, Offset};

use super::*;
use crate::shell::coordinator_log::Appended;

const RECORDED: &[u8] = include_bytes!("../../../tests/data/consumer_offsets.log");

/// One replica's logs, which this broker leads unless told otherwise.
struct Logs {
    manager: LogManager,
    _directory: tempfile::TempDir,
    faults: Mutex<Faults>,
    /// Held open while reading is allowed.
    gate: (Mutex<bool>, Condvar),
}

#[derive(Default)]
struct Faults {
    append: Option<ErrorCode>,
    never_commits: bool,
    corrupt_reads: usize,
}

impl Logs {
    fn new() -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut config = LogManagerConfig::from_broker(&config(&[]), 0);
        config.log_dirs = vec![directory.path().to_owned()];
        let manager = LogManager::open(config, &|_| LogConfig::from(&topic_config())).unwrap();
        let gate = (Mutex::new(true), Condvar::new());
        Arc::new(Self { manager, _directory: directory, faults: Mutex::default(), gate })
    }

    fn log(&self, partition: &TopicPartition) -> Arc<partition_log::Log> {
        self.manager.get_or_create(partition, None, &topic_config(), true).unwrap()
    }

    fn open_gate(&self, open: bool) {
        *self.gate.0.lock().unwrap() = open;
        self.gate.1.notify_all();
    }
}

impl CoordinatorLog for Logs {
    fn append(&self, partition: &TopicPartition, batch: Bytes, _: i16) -> Result<Appended, ErrorCode> {
        let faults = self.faults.lock().unwrap();
        if let Some(error) = faults.append {
            return Err(error);
        }
        let log = self.log(partition);
        let info = log.append_as_leader(batch, LeaderEpoch(0), &AppendContext::coordinator(0)).unwrap();
        log.update_high_watermark(info.log_end_offset);
        let never = faults.never_commits;
        let committed = Box::pin(async move {
            if never {
                futures::future::pending::<()>().await;
            }
            Ok(())
        });
        Ok(Appended { base_offset: info.first_offset, committed })
    }

    fn offsets(&self, partition: &TopicPartition) -> Option<(Offset, Offset)> {
        let offsets = self.log(partition);
        Some((offsets.log_start_offset(), offsets.log_end_offset()))
    }

    fn read(&self, partition: &TopicPartition, offset: Offset, max_bytes: usize) -> Result<Bytes, ErrorCode> {
        let closed = self.gate.1.wait_while(self.gate.0.lock().unwrap(), |open| !*open).unwrap();
        drop(closed);
        let mut faults = self.faults.lock().unwrap();
        if faults.corrupt_reads > 0 {
            faults.corrupt_reads -= 1;
            return Err(ErrorCode::CorruptMessage);
        }
        let log = self.log(partition);
        let read = log.read(offset, max_bytes, true, log.log_end_offset()).unwrap();
        Ok(read.slice.read_to_bytes().unwrap())
    }
}

fn topic_config() -> TopicConfig {
    TopicConfig::resolve(&config(&[]), &BTreeMap::new()).unwrap()
}

fn config(changes: &[(&str, &str)]) -> BrokerConfig {
    let given = [("zookeeper.connect", "localhost:2181"), ("group.initial.rebalance.delay.ms", "0")];
    let all = given.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    BrokerConfig::from_map(all.collect()).unwrap()
}

fn coordinator_with(logs: &Arc<Logs>, changes: &[(&str, &str)]) -> GroupCoordinator {
    GroupCoordinator::new(&config(changes), Arc::new(Clock::new()), Arc::clone(logs) as Arc<dyn CoordinatorLog>)
}

/// A coordinator of one partition, which it leads.
fn coordinator(logs: &Arc<Logs>) -> GroupCoordinator {
    let coordinator = coordinator_with(logs, &[]);
    coordinator.set_partition_count(1);
    coordinator.elected(0, LeaderEpoch(0));
    coordinator
}

fn offset(offset: Offset) -> CommittedOffset {
    CommittedOffset {
        offset,
        leader_epoch: Some(LeaderEpoch(3)),
        metadata: Arc::from("note"),
        commit_timestamp: Clock::new().now(),
        expire_timestamp: None,
    }
}

fn commit(group: &str, at: Offset) -> Request {
    Request::CommitOffsets(CommitOffsets {
        group: GroupId::new(group),
        member: MemberId::new(""),
        instance: None,
        generation: GenerationId(-1),
        offsets: BTreeMap::from([(TopicPartition::new("t", 0), offset(at))]),
    })
}

/// Asks again while the coordinator is loading.
async fn ask(coordinator: &GroupCoordinator, request: Request) -> Reply {
    loop {
        let reply = coordinator.ask(request.clone()).await.unwrap();
        if reply != request.clone().refuse(Error::CoordinatorLoadInProgress) {
            return reply;
        }
        tokio::task::yield_now().await;
    }
}

async fn committed(coordinator: &GroupCoordinator, group: &str, at: Offset) -> Result<(), Error> {
    match ask(coordinator, commit(group, at)).await {
        Reply::CommitOffsets(outcome) => outcome.into_values().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn fetched(coordinator: &GroupCoordinator, group: &str) -> Result<BTreeMap<i32, Offset>, Error> {
    let fetch = FetchOffsets { group: GroupId::new(group), partitions: None, require_stable: true };
    match ask(coordinator, Request::FetchOffsets(fetch)).await {
        Reply::FetchOffsets(Ok(offsets)) => {
            Ok(offsets.into_iter().map(|(key, found)| (key.partition, found.unwrap().unwrap().offset)).collect())
        }
        Reply::FetchOffsets(Err(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

fn join(group: &str) -> Request {
    Request::Join(Join {
        group: GroupId::new(group),
        member: MemberId::new(""),
        instance: None,
        require_known_member_id: false,
        can_skip_assignment: true,
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 60_000,
        protocol_type: Arc::from("consumer"),
        protocols: vec![Protocol { name: Arc::from("range"), metadata: Bytes::new() }],
        reason: None,
        uuid: Uuid::new_v4(),
    })
}

async fn joined(coordinator: &GroupCoordinator, group: &str) -> Joined {
    match ask(coordinator, join(group)).await {
        Reply::Join(Ok(joined)) => joined,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn committed_offsets_survive_a_change_of_leaders() {
    let logs = Logs::new();
    let coordinator = coordinator(&logs);
    assert_eq!(committed(&coordinator, "g", 42).await, Ok(()));
    coordinator.resigned(0, Some(LeaderEpoch(1)));
    assert_eq!(fetched(&coordinator, "g").await, Err(Error::NotCoordinator));
    coordinator.elected(0, LeaderEpoch(2));
    assert_eq!(fetched(&coordinator, "g").await, Ok(BTreeMap::from([(0, 42)])));
    coordinator.stop().await;
    assert_eq!(fetched(&coordinator, "g").await, Err(Error::NotCoordinator));
}

#[tokio::test]
async fn orders_that_come_late_have_no_effect() {
    let logs = Logs::new();
    let coordinator = coordinator(&logs);
    coordinator.resigned(0, Some(LeaderEpoch(5)));
    coordinator.elected(0, LeaderEpoch(4));
    assert_eq!(fetched(&coordinator, "g").await, Err(Error::NotCoordinator));
    coordinator.elected(0, LeaderEpoch(6));
    coordinator.resigned(0, Some(LeaderEpoch(5)));
    assert_eq!(fetched(&coordinator, "g").await, Ok(BTreeMap::new()));
    coordinator.resigned(0, None);
    assert_eq!(fetched(&coordinator, "g").await, Err(Error::NotCoordinator));
}

#[tokio::test]
async fn groups_of_partitions_led_elsewhere_are_refused() {
    let logs = Logs::new();
    let coordinator = coordinator_with(&logs, &[]);
    assert_eq!(coordinator.partition_for("g"), 103 % 50);
    coordinator.elected(0, LeaderEpoch(0));
    assert_eq!(committed(&coordinator, "g", 1).await, Err(Error::NotCoordinator));
}

#[tokio::test]
async fn a_group_lives_through_join_sync_and_a_change_of_leaders() {
    let logs = Logs::new();
    let coordinator = coordinator(&logs);
    let joined = joined(&coordinator, "g").await;
    assert_eq!(joined.generation, GenerationId(1));
    let sync = Request::Sync(Sync {
        group: GroupId::new("g"),
        generation: joined.generation,
        member: joined.member.clone(),
        instance: None,
        protocol_type: None,
        protocol: None,
        assignments: BTreeMap::from([(joined.member.clone(), Bytes::from_static(b"all"))]),
    });
    let assignment = |reply: Reply| match reply {
        Reply::Sync(outcome) => outcome.map(|synced| synced.assignment),
        other => panic!("{other:?}"),
    };
    assert_eq!(assignment(ask(&coordinator, sync.clone()).await), Ok(Bytes::from_static(b"all")));
    coordinator.resigned(0, None);
    coordinator.elected(0, LeaderEpoch(1));
    fetched(&coordinator, "g").await.unwrap();
    assert_eq!(assignment(ask(&coordinator, sync).await), Ok(Bytes::from_static(b"all")));
    let census = coordinator.census().await;
    assert_eq!(census.groups, BTreeMap::from([(StateName::Stable, 1)]));
}

#[tokio::test]
async fn whoever_waits_is_answered_when_the_partition_is_given_up() {
    let logs = Logs::new();
    let coordinator = Arc::new(coordinator(&logs));
    joined(&coordinator, "g").await;
    let other = Arc::clone(&coordinator);
    // The first member never joins again, so the second waits.
    let waiting = tokio::spawn(async move { other.ask(join("g")).await.unwrap() });
    let gathering = BTreeSet::from([StateName::PreparingRebalance]);
    while coordinator.list(Some(&gathering)).await.unwrap().0.is_empty() {
        tokio::task::yield_now().await;
    }
    coordinator.resigned(0, None);
    match waiting.await.unwrap() {
        Reply::Join(Err(refused)) => assert_eq!(refused.error, Error::NotCoordinator),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn while_a_partition_loads_clients_are_told_to_wait() {
    let logs = Logs::new();
    committed(&coordinator(&logs), "g", 42).await.unwrap();
    logs.open_gate(false);
    let coordinator = coordinator(&logs);
    let reply = coordinator.ask(commit("g", 43)).await.unwrap();
    assert_eq!(reply, commit("g", 43).refuse(Error::CoordinatorLoadInProgress));
    assert_eq!(coordinator.list(None).await, Ok((Vec::new(), Some(Error::CoordinatorLoadInProgress))));
    coordinator.transaction_ended(0, ProducerId(1), true).await;
    logs.open_gate(true);
    assert_eq!(fetched(&coordinator, "g").await, Ok(BTreeMap::from([(0, 42)])));
}

#[tokio::test]
async fn a_partition_can_be_given_up_while_it_loads() {
    let logs = Logs::new();
    committed(&coordinator(&logs), "g", 42).await.unwrap();
    logs.open_gate(false);
    let coordinator = coordinator(&logs);
    coordinator.resigned(0, None);
    coordinator.elected(0, LeaderEpoch(1));
    logs.open_gate(true);
    assert_eq!(fetched(&coordinator, "g").await, Ok(BTreeMap::from([(0, 42)])));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_is_read_again() {
    let logs = Logs::new();
    committed(&coordinator(&logs), "g", 42).await.unwrap();
    logs.faults.lock().unwrap().corrupt_reads = 2;
    let coordinator = coordinator(&logs);
    while coordinator.list(None).await.unwrap().1.is_some() {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert_eq!(fetched(&coordinator, "g").await, Ok(BTreeMap::from([(0, 42)])));
}

#[tokio::test]
async fn append_errors_are_told_in_a_groups_words() {
    let logs = Logs::new();
    let coordinator = coordinator(&logs);
    for (error, told) in [
        (ErrorCode::NotEnoughReplicas, Error::CoordinatorNotAvailable),
        (ErrorCode::NotLeaderOrFollower, Error::NotCoordinator),
        (ErrorCode::MessageTooLarge, Error::InvalidCommitOffsetSize),
    ] {
        logs.faults.lock().unwrap().append = Some(error);
        assert_eq!(committed(&coordinator, "g", 42).await, Err(told));
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_not_replicated_in_time_is_told_so() {
    let logs = Logs::new();
    let coordinator = coordinator(&logs);
    logs.faults.lock().unwrap().never_commits = true;
    assert_eq!(committed(&coordinator, "g", 42).await, Err(Error::RequestTimedOut));
    assert_eq!(fetched(&coordinator, "g").await, Ok(BTreeMap::new()));
}

#[tokio::test]
async fn groups_of_every_partition_are_listed() {
    let logs = Logs::new();
    let coordinator = coordinator_with(&logs, &[]);
    coordinator.set_partition_count(2);
    for partition in 0..2 {
        coordinator.elected(partition, LeaderEpoch(0));
    }
    for group in ["a", "b", "c"] {
        committed(&coordinator, group, 1).await.unwrap();
    }
    let (mut groups, error) = coordinator.list(None).await.unwrap();
    groups.sort_by(|a, b| a.group.cmp(&b.group));
    assert_eq!(groups.iter().map(|one| one.group.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(error, None);
}

#[tokio::test]
async fn offsets_of_deleted_partitions_are_forgotten() {
    let logs = Logs::new();
    let coordinator = coordinator(&logs);
    committed(&coordinator, "g", 42).await.unwrap();
    coordinator.partitions_deleted(&BTreeSet::from([TopicPartition::new("t", 0)])).await;
    assert_eq!(fetched(&coordinator, "g").await, Ok(BTreeMap::new()));
}

/// Puts a Kafka broker's own batches into our log.
fn put_recorded(logs: &Logs) {
    let log = logs.log(&TopicPartition::new(CONSUMER_OFFSETS, 0));
    log.append_as_follower(Bytes::from_static(RECORDED), 0).unwrap();
    log.update_high_watermark(log.log_end_offset());
}

#[tokio::test]
async fn what_a_kafka_broker_wrote_is_loaded() {
    let logs = Logs::new();
    put_recorded(&logs);
    // The recording is from a day when nothing in it was too old.
    let coordinator = coordinator_with(&logs, &[("offsets.retention.minutes", "2147483647")]);
    coordinator.set_partition_count(1);
    coordinator.elected(0, LeaderEpoch(0));
    assert_eq!(fetched(&coordinator, "static").await, Ok(BTreeMap::from([(0, 20), (1, 0)])));
    assert_eq!(fetched(&coordinator, "dynamic").await, Ok(BTreeMap::new()), "deleted at the end");
    match ask(&coordinator, Request::Describe(GroupId::new("static"))).await {
        Reply::Describe(Ok(described)) => {
            assert_eq!(described.state, StateName::Stable);
            assert_eq!(described.members[0].instance.as_ref().unwrap().as_str(), "inst-1");
            assert_eq!(&*described.members[0].client_host, "/127.0.0.1");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn batches_are_written_byte_for_byte_as_kafka_does() {
    let format = stored::Format { ibp: config(&[]).ibp(), compression: Codec::None.into() };
    let mut compared = 0;
    for batch in record::batches(Bytes::from_static(RECORDED)) {
        let batch = batch.unwrap();
        let decode = |record: record::Record| {
            stored::decode(record.key.as_ref().unwrap(), record.value.as_ref()).unwrap().unwrap()
        };
        let records: Vec<_> = batch.records().unwrap().map(|record| decode(record.unwrap())).collect();
        let written = format.batch(&records, None, Timestamp(batch.max_timestamp())).unwrap();
        // Offset and leader epoch are put in by the log; the checksum covers neither.
        assert_eq!(written[8..12], batch.bytes()[8..12]);
        assert_eq!(written[16..], batch.bytes()[16..]);
        compared += 1;
    }
    assert_eq!(compared, 8);
}
