//! Every property there is: its type, default, bounds and meaning, in rows that the broker, DescribeConfigs and
//! the documentation all read. Nothing outside this crate parses a property or knows a default.
//! Knows nothing of ZooKeeper, the wire or the disk beyond the configuration file itself.

pub mod alter;
pub mod broker;
pub mod docs;
pub mod dynamic;
pub mod effective;
pub mod error;
pub mod listeners;
pub mod metadata_version;
pub mod properties_file;
mod providers;
pub mod quota;
pub mod sources;
pub mod table;
pub mod topic;
pub mod value;

pub use broker::{BrokerConfig, broker_row, broker_rows};
pub use effective::{ConfigSource, Described, Synonym};
pub use error::Error;
pub use listeners::Listener;
pub use metadata_version::MetadataVersion;
pub use quota::{ClientQuota, IpQuota, client_quota_rows, ip_quota_rows};
pub use sources::{Given, Origin};
pub use table::{Check, Effect, Importance, Row, Texts, UpdateMode};
pub use topic::{TopicConfig, topic_row, topic_rows};
pub use value::{
    ClassName, CleanupPolicy, ClientAuth, CompressionType, ConfigType, Password, SecurityProtocol, TimestampType,
};
