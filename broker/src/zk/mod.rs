//! The ZooKeeper gateway: one session kept alive, typed reads and guarded writes, watches turned into signals.
//! The only module that names the ZooKeeper client. Decides nothing about the cluster.
//! Source: contract 1.1; `KafkaZkClient`, `ZooKeeperClient`.

mod batch;
mod cluster;
mod configs;
mod consumer_offsets;
mod election;
mod error;
mod notifications;
mod producer_ids;
mod registration;
mod request;
mod session;
mod topics;
mod watches;

pub use batch::{Action, Found, Guard, Read, Write};
pub use election::Election;
pub use error::Error;
pub use notifications::Notifications;
pub use request::{MultiOutcome, Node, Op, Stat};
pub use session::{Settings, State, Status, StatusWatcher, Zk};
pub use watches::{Interest, Signal, Watching};
