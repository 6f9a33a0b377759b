//! Whole clusters for tests: start, stop, kill and pause brokers and ZooKeepers of either make, run real clients, wait for facts.
//! Knows processes and files only; what a cluster should do is said by the tests.

pub mod apache;
pub mod cache;
pub mod clients;
pub mod cluster;
pub mod faults;
pub mod load;
pub mod process;
pub mod wait;

pub use cluster::{BrokerKind, Cluster, ClusterBuilder, ZooKeeperKind};
pub use wait::wait_until;
