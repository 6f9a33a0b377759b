//! A one-node server that speaks ZooKeeper's client protocol, round the model of `zk-schema`.
//! For a first user, quick tests and small installations; an ensemble it is not. Knows nothing of Kafka.
//!
//! The way of a request: `connection` cuts and decodes frames, `core` asks the model under one lock and hands the
//! transaction to `disk::Log`, the reply waits in the connection's `outbox` until its transaction is synced. The log's
//! thread syncs everything that came meanwhile at once, so a sync is shared by as many requests as are under way.

mod admin;
mod clock;
pub mod config;
mod connection;
mod core;
pub mod daemon;
mod disk;
mod jute;
mod outbox;
mod protocol;
mod server;
mod stats;
mod words;

pub use config::Config;
pub use server::{Error, Server};
