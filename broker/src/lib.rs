//! The Kafka broker: it serves clients and peers, keeps partitions on disk and agrees with other brokers in ZooKeeper.
//! Modules are listed from the ground up; each uses only those above it here, which `tests/layers.rs` checks. The
//! blank lines between them keep the formatter from sorting them by name.

pub mod clock;

pub mod metrics;

pub mod zk;

pub mod net;

pub mod metadata;

pub mod replica;

pub mod purgatory;

pub mod shell;

pub mod broker;

pub mod api;

pub mod server;
