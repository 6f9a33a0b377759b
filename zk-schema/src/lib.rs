//! What the cluster agrees on: the nouns all crates share, and every znode's path and JSON.
//! Never opens a socket, never knows Kafka's wire protocol.

mod java_order;
pub mod json;
#[cfg(feature = "model")]
pub mod model;
pub mod nodes;
pub mod paths;
pub mod sanitize;
pub mod types;

pub use types::{
    BrokerEpoch, BrokerId, CONSUMER_OFFSETS, ControllerEpoch, GenerationId, LeaderEpoch, Offset, PartitionEpoch,
    ProducerEpoch, ProducerId, TRANSACTION_STATE, TopicId, TopicName, TopicPartition, ZkVersion, coordinator_partition,
};
