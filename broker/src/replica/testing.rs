//! The vocabulary of tests that need hosted partitions: broker 1 over a directory of its own, and a controller's orders.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use config::{BrokerConfig, TopicConfig};
use partition_log::{LogConfig, LogManager, LogManagerConfig, Origin, VerificationGuard};
use record::{BatchBuilder, BatchOptions};
use tempfile::TempDir;
use uuid::Uuid;
use wire::ErrorCode;
use wire::messages::UpdateMetadataRequest;
use wire::messages::update_metadata_request::{
    UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState, UpdateMetadataTopicState,
};
use wire::text;
use zk_schema::types::{BrokerId, ControllerEpoch, LeaderEpoch, Offset, PartitionEpoch, TopicId, TopicPartition};

use super::*;
use crate::metadata;

pub(crate) const NOW: i64 = 1_700_000_000_000;
pub(crate) const US: BrokerId = BrokerId(1);

pub(crate) type Overrides = Arc<Mutex<BTreeMap<String, String>>>;

/// Broker 1 and what it hosts.
pub(crate) struct Host {
    pub replicas: Arc<ReplicaManager>,
    pub metadata: Arc<metadata::Cache>,
    /// Overrides of every topic's configuration.
    pub overrides: Overrides,
    _dir: TempDir,
}

impl Host {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let broker = BrokerConfig::for_tests();
        let mut settings = LogManagerConfig::from_broker(&broker, NOW);
        settings.log_dirs = vec![dir.path().to_owned()];
        let overrides = Overrides::default();
        let (known, base) = (Arc::clone(&overrides), BrokerConfig::for_tests());
        let topic_configs: TopicConfigs =
            Arc::new(move |_: &str| TopicConfig::resolve(&base, &known.lock().unwrap()).unwrap());
        let logs = LogManager::open(settings, &|topic| LogConfig::from(&topic_configs(topic))).unwrap();
        let metadata = Arc::new(metadata::Cache::default());
        let replicas = ReplicaManager::new(US, &broker, Arc::new(logs), Arc::clone(&metadata), topic_configs);
        let host = Self { replicas: Arc::new(replicas), metadata, overrides, _dir: dir };
        host.know_brokers(&[1, 2, 3]);
        host
    }

    pub fn set_topic_config(&self, key: &str, value: &str) {
        self.overrides.lock().unwrap().insert(key.to_owned(), value.to_owned());
        self.replicas.update_topic_config("t");
    }

    pub fn know_brokers(&self, ids: &[i32]) {
        self.update(ids, &[]);
    }

    /// What UpdateMetadata would tell.
    pub fn update(&self, brokers: &[i32], partitions: &[&PartitionOrder]) {
        let broker = |id: &i32| {
            let endpoint =
                UpdateMetadataEndpoint::default().with_host(text("host")).with_port(9000 + id).with_listener(text("L"));
            UpdateMetadataBroker::default().with_id((*id).into()).with_endpoints(vec![endpoint])
        };
        let topic = |order: &&PartitionOrder| {
            let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0.into()).collect();
            let state = UpdateMetadataPartitionState::default()
                .with_partition_index(order.partition.partition)
                .with_leader(order.leader.0.into())
                .with_leader_epoch(order.leader_epoch.0)
                .with_isr(ids(&order.isr))
                .with_replicas(ids(&order.replicas));
            UpdateMetadataTopicState::default()
                .with_topic_name(wire::messages::TopicName(text(order.partition.topic.as_str())))
                .with_topic_id(order.topic_id.unwrap_or(TopicId::ZERO).0)
                .with_partition_states(vec![state])
        };
        let request = UpdateMetadataRequest::default()
            .with_live_brokers(brokers.iter().map(broker).collect())
            .with_topic_states(partitions.iter().map(topic).collect());
        self.metadata.update(&request);
    }

    /// Orders one partition, and tells metadata of it.
    pub fn apply(&self, order: PartitionOrder) -> ErrorCode {
        self.update(&[1, 2, 3], &[&order]);
        let answers = self.replicas.apply(order.controller_epoch, vec![order], NOW).unwrap();
        assert_eq!(answers.len(), 1);
        answers[0].1
    }

    /// A partition of `t` led alone.
    pub fn lead_alone(&self, index: i32) -> Arc<Partition> {
        self.lead(PartitionOrder { partition: TopicPartition::new("t", index), ..order(0, 1, &[1], &[1]) })
    }

    pub fn lead(&self, order: PartitionOrder) -> Arc<Partition> {
        let id = order.partition.clone();
        assert_eq!(self.apply(order), ErrorCode::None);
        self.replicas.partition(id.topic.as_str(), id.partition).unwrap()
    }

    pub fn append(&self, id: &TopicPartition, records: Bytes, acks: Acks) -> Result<Appended, Error> {
        let options = AppendOptions {
            acks,
            origin: Origin::Client,
            produce_version: Some(9),
            internal_topics_allowed: false,
            now_ms: NOW,
            wall_ms: NOW,
        };
        let entry = (id.clone(), records, VerificationGuard::NONE);
        let outcome = self.replicas.append([entry], &options).pop().unwrap();
        outcome.result.map(|(_, appended)| appended)
    }
}

pub(crate) fn topic_id() -> TopicId {
    TopicId(Uuid::from_u128(7))
}

pub(crate) fn id() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// "`t-0`: broker `leader` leads under this epoch."
pub(crate) fn order(leader_epoch: i32, leader: i32, isr: &[i32], replicas: &[i32]) -> PartitionOrder {
    PartitionOrder {
        partition: id(),
        topic_id: Some(topic_id()),
        controller_epoch: ControllerEpoch(1),
        leader: BrokerId(leader),
        leader_epoch: LeaderEpoch(leader_epoch),
        isr: isr.iter().copied().map(BrokerId).collect(),
        partition_epoch: PartitionEpoch(leader_epoch),
        replicas: replicas.iter().copied().map(BrokerId).collect(),
        adding_replicas: Vec::new(),
        removing_replicas: Vec::new(),
        is_new: true,
        leader_recovery_state: 0,
    }
}

/// A batch of so many records of 100 bytes.
pub(crate) fn batch(count: usize) -> Bytes {
    batch_with(BatchOptions::default(), count)
}

pub(crate) fn batch_with(options: BatchOptions, count: usize) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for _ in 0..count {
        builder.append(NOW, Some(b"key"), Some(&[b'x'; 100]), &[]).unwrap();
    }
    builder.build().unwrap()
}

pub(crate) fn consumer(fetch_offset: Offset) -> ReadRequest {
    let reader = Reader::Consumer { read_committed: false, only_leader: true };
    ReadRequest {
        reader,
        fetch_offset,
        max_bytes: 1 << 20,
        min_one_batch: true,
        current_leader_epoch: None,
        last_fetched_epoch: None,
        log_start_offset: -1,
        now_ms: NOW,
        is_again: false,
    }
}

pub(crate) fn follower(broker: i32, fetch_offset: Offset, now_ms: i64) -> ReadRequest {
    ReadRequest { reader: Reader::Follower(BrokerId(broker)), log_start_offset: 0, now_ms, ..consumer(fetch_offset) }
}
