//! The nouns every crate shares: ids, epochs and offsets, each a type of its own so that two cannot be swapped.
//! Holds no behaviour beyond construction, order and text form.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $inner {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

number! {
    /// `broker.id` of one broker; never negative once registered.
    BrokerId(i32)
}
number! {
    /// The czxid of `/brokers/ids/N`: changes with every registration. `-1` means unknown or not checked.
    BrokerEpoch(i64)
}
number! {
    /// Number in `/controller_epoch`; grows by one with every controller election. First is 1.
    ControllerEpoch(i32)
}
number! {
    /// Grows by one with every change of leader or ISR the controller orders. `-1` is "none", `-2` "being deleted".
    LeaderEpoch(i32)
}
number! {
    /// The zkVersion of the partition's `state` znode.
    PartitionEpoch(i32)
}
number! {
    /// A znode's data version (`Stat.version`).
    ZkVersion(i32)
}
number! {
    /// Id of an idempotent or transactional producer; `-1` is none.
    ProducerId(i64)
}
number! {
    /// Epoch of a producer id; `-1` is none.
    ProducerEpoch(i16)
}
number! {
    /// Generation of a consumer group; `-1` is none.
    GenerationId(i32)
}

impl LeaderEpoch {
    /// No epoch known.
    pub const NONE: Self = Self(-1);
    /// The topic is being deleted (StopReplica).
    pub const DURING_DELETE: Self = Self(-2);
}

impl BrokerEpoch {
    /// Unknown, or not to be checked.
    pub const NONE: Self = Self(-1);
}

impl BrokerId {
    /// "No broker": a partition without a leader.
    pub const NONE: Self = Self(-1);
}

impl ProducerId {
    /// Not an idempotent producer.
    pub const NONE: Self = Self(-1);
}

/// Position of a record in its partition. Bare because arithmetic on it is everywhere; names say which offset.
pub type Offset = i64;

/// A topic's name: cheap to clone, ordered and hashed as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Takes the name as it is; see [`TopicName::validate`] for Kafka's rules.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks Kafka's rules for topic names: 1-249 of `[A-Za-z0-9._-]`, neither `.` nor `..`.
    ///
    /// # Errors
    /// What is wrong, in Kafka's words.
    pub fn validate(name: &str) -> Result<(), String> {
        const LEGAL: &str = "ASCII alphanumerics, '.', '_' and '-'";
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() {
            Err("Topic name is invalid: the empty string is not allowed".to_owned())
        } else if name == "." || name == ".." {
            Err(format!("Topic name is invalid: '{name}' is not allowed"))
        } else if name.len() > 249 {
            Err(format!("Topic name is invalid: the length of '{name}' is longer than the max allowed length 249"))
        } else if !name.chars().all(legal) {
            Err(format!("Topic name is invalid: '{name}' contains one or more characters other than {LEGAL}"))
        } else {
            Ok(())
        }
    }

    /// Whether clients may not write here: `__consumer_offsets` and `__transaction_state`.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        matches!(self.as_str(), CONSUMER_OFFSETS | TRANSACTION_STATE)
    }
}

/// The topic that keeps groups and committed offsets.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// The topic that keeps transactions.
pub const TRANSACTION_STATE: &str = "__transaction_state";

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TopicName {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for TopicName {
    fn from(name: String) -> Self {
        Self(Arc::from(name))
    }
}

/// One partition of one topic. Shown as `topic-0`, like its directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic.
    pub topic: TopicName,
    /// Partition index, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: impl Into<TopicName>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A topic's UUID, written as URL-safe base64 without padding (22 characters). Zero means "no id known".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub Uuid);

impl TopicId {
    /// No id known.
    pub const ZERO: Self = Self(Uuid::nil());

    /// A usable random id made of 16 random bytes; `None` when Kafka's generator would draw again:
    /// reserved values (0 to 99) and those whose text starts with `-`.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Option<Self> {
        // Version 4, as Java's UUID.randomUUID.
        let id = Self(uuid::Builder::from_random_bytes(bytes).into_uuid());
        let usable = id.0.as_u128() >= 100 && !id.to_string().starts_with('-');
        usable.then_some(id)
    }

    /// Whether an id is known.
    #[must_use]
    pub fn is_known(self) -> bool {
        self != Self::ZERO
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 16 bytes of URL-safe base64.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not a UUID in URL-safe base64 of 22 characters")]
pub struct InvalidTopicId(String);

impl FromStr for TopicId {
    type Err = InvalidTopicId;

    fn from_str(text: &str) -> Result<Self, InvalidTopicId> {
        let invalid = || InvalidTopicId(text.to_owned());
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| invalid())?;
        let bytes: [u8; 16] = bytes.try_into().map_err(|_| invalid())?;
        Ok(Self(Uuid::from_bytes(bytes)))
    }
}

/// `Uuid` of a topic in its wire form.
impl From<Uuid> for TopicId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

/// Java's `String.hashCode` over UTF-16 code units, then Kafka's `Utils.abs`: which partition of an internal topic
/// coordinates a group or transactional id.
///
/// Source: `GroupMetadataManager.partitionFor`, `TransactionStateManager.partitionFor`.
#[must_use]
pub fn coordinator_partition(id: &str, partition_count: i32) -> i32 {
    let hash = id.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % partition_count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_ids_round_trip_as_base64() {
        let id: TopicId = "Yo3Nyt7LQn6QBlkFqkTDLQ".parse().unwrap();
        assert_eq!(id.to_string(), "Yo3Nyt7LQn6QBlkFqkTDLQ");
        assert!("short".parse::<TopicId>().is_err());
    }

    #[test]
    fn groups_hash_as_javas_strings_do() {
        // "console-consumer-1".hashCode() % 50 in Java.
        assert_eq!(coordinator_partition("", 50), 0);
        assert_eq!(coordinator_partition("abc", 50), 96354 % 50);
    }

    #[test]
    fn topic_names_follow_kafkas_rules() {
        assert!(TopicName::validate("a.b_c-9").is_ok());
        for bad in ["", ".", "..", "a b", "ü", &"x".repeat(250)] {
            assert!(TopicName::validate(bad).is_err(), "{bad}");
        }
    }
}
