//! A small Kafka client: connections, metadata, and calls to the right broker. Brokers use it to reach their peers, the
//! command-line tools for everything. Speaks only the wire protocol; knows nothing of the server.

pub mod admin;
pub mod assignor;
pub mod cluster;
pub mod connection;
pub mod consumer;
pub mod error;
#[cfg(test)]
mod fake;
pub mod offsets;
pub mod partitioner;
pub mod producer;

pub use admin::Admin;
pub use cluster::{ClusterClient, Config};
pub use connection::Connection;
pub use error::Error;
