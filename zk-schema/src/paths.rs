//! The whole tree on one screen: every znode Kafka keeps, who writes it, how long it lives and who watches it.
//! Builds paths and takes names apart; never looks at a node's content. Source: contract 1.1 and 1.2, `kafka.zk.ZkData`.
//!
//! ```text
//! path                                      written by                       lives       watched by
//! /controller                               election winner                  ephemeral   all brokers
//! /controller_epoch                         election winner                  persistent  nobody (guard of writes)
//! /cluster/id                               first broker                     persistent  nobody
//! /brokers/ids/N                            broker N                         ephemeral   controller: children, data
//! /brokers/seqid                            brokers without an id            persistent  nobody
//! /brokers/topics/T                         topic creator, then controller   persistent  controller: children, data
//! /brokers/topics/T/partitions/P/state      controller (old: leader)         persistent  nobody
//! /config/<type>/<name>                     whoever changes configs          persistent  nobody (notifications)
//! /config/changes/config_change_<seq>       the same, after the change       sequential  all brokers: children
//! /admin/delete_topics/T                    DeleteTopics, tools              persistent  controller: children
//! /admin/reassign_partitions                old tools; controller            persistent  controller: existence, data
//! /admin/preferred_replica_election         old tools; controller deletes    persistent  controller: existence
//! /isr_change_notification/isr_change_<seq> leader, old inter-broker version sequential  controller: children
//! /log_dir_event_notification/log_dir_...   broker with a failed directory   sequential  controller: children
//! /latest_producer_id_block                 controller (old: coordinators)   persistent  nobody
//! /feature                                  controller                       persistent  all brokers: existence, data
//! /kafka-acl/<Type>/<name>                  authorizer of any broker         persistent  nobody (notifications)
//! /kafka-acl-changes/acl_changes_<seq>      the same                         sequential  all brokers: children
//! /kafka-acl-extended/prefixed/<Type>/<n>   the same                         persistent  nobody (notifications)
//! /kafka-acl-extended-changes/acl_changes_  the same                         sequential  all brokers: children
//! /delegation_token/tokens/<id>             any broker                       persistent  nobody (notifications)
//! /delegation_token/token_changes/token_... the same                         sequential  brokers with tokens on
//! /consumers/G/offsets/T/P                  OffsetCommit v0                  persistent  nobody
//! /migration                                KRaft controller only            persistent  nobody
//! ```

use crate::{BrokerId, TopicName, TopicPartition};

/// Who is the controller; ephemeral.
pub const CONTROLLER: &str = "/controller";
/// How many controllers there have been.
pub const CONTROLLER_EPOCH: &str = "/controller_epoch";
/// The cluster's id.
pub const CLUSTER_ID: &str = "/cluster/id";
/// Parent of the live brokers.
pub const BROKERS: &str = "/brokers";
/// Parent of the live brokers' ephemeral nodes.
pub const BROKER_IDS: &str = "/brokers/ids";
/// Its data version makes broker ids.
pub const BROKER_SEQUENCE: &str = "/brokers/seqid";
/// Parent of the topics.
pub const TOPICS: &str = "/brokers/topics";
/// Parent of all configs.
pub const CONFIG: &str = "/config";
/// Parent of config change notifications.
pub const CONFIG_CHANGES: &str = "/config/changes";
/// What a config change notification's name starts with.
pub const CONFIG_CHANGE_PREFIX: &str = "config_change_";
/// Parent of administrative requests.
pub const ADMIN: &str = "/admin";
/// Parent of the topics to be deleted.
pub const DELETE_TOPICS: &str = "/admin/delete_topics";
/// Reassignment asked for by old tools.
pub const REASSIGN_PARTITIONS: &str = "/admin/reassign_partitions";
/// Preferred leader election asked for by old tools.
pub const PREFERRED_REPLICA_ELECTION: &str = "/admin/preferred_replica_election";
/// Parent of ISR change notifications.
pub const ISR_CHANGES: &str = "/isr_change_notification";
/// What an ISR change notification's name starts with.
pub const ISR_CHANGE_PREFIX: &str = "isr_change_";
/// Parent of log directory failure notifications.
pub const LOG_DIR_EVENTS: &str = "/log_dir_event_notification";
/// What a log directory failure notification's name starts with.
pub const LOG_DIR_EVENT_PREFIX: &str = "log_dir_event_";
/// The last block of producer ids given out.
pub const PRODUCER_ID_BLOCK: &str = "/latest_producer_id_block";
/// Finalized features.
pub const FEATURE: &str = "/feature";
/// Parent of literal ACLs.
pub const ACLS: &str = "/kafka-acl";
/// Parent of literal ACL change notifications.
pub const ACL_CHANGES: &str = "/kafka-acl-changes";
/// Parent of prefixed ACLs' parent.
pub const EXTENDED_ACLS: &str = "/kafka-acl-extended";
/// Parent of prefixed ACLs.
pub const PREFIXED_ACLS: &str = "/kafka-acl-extended/prefixed";
/// Parent of prefixed ACL change notifications.
pub const EXTENDED_ACL_CHANGES: &str = "/kafka-acl-extended-changes";
/// What an ACL change notification's name starts with, in both stores.
pub const ACL_CHANGE_PREFIX: &str = "acl_changes_";
/// Parent of delegation tokens and their notifications.
pub const DELEGATION_TOKEN: &str = "/delegation_token";
/// Parent of delegation tokens.
pub const DELEGATION_TOKENS: &str = "/delegation_token/tokens";
/// Parent of delegation token change notifications.
pub const DELEGATION_TOKEN_CHANGES: &str = "/delegation_token/token_changes";
/// What a delegation token change notification's name starts with.
pub const DELEGATION_TOKEN_CHANGE_PREFIX: &str = "token_change_";
/// Parent of offsets committed by version 0 of OffsetCommit.
pub const CONSUMERS: &str = "/consumers";
/// State of a migration to KRaft.
pub const MIGRATION: &str = "/migration";

/// Paths every broker makes sure of at start, with null data and all parents.
pub const PERSISTENT: [&str; 14] = [
    CONSUMERS,
    BROKER_IDS,
    TOPICS,
    CONFIG_CHANGES,
    DELETE_TOPICS,
    BROKER_SEQUENCE,
    ISR_CHANGES,
    PRODUCER_ID_BLOCK,
    LOG_DIR_EVENTS,
    "/config/topics",
    "/config/clients",
    "/config/users",
    "/config/brokers",
    "/config/ips",
];

/// Whether only its creator may read the node once ACLs are set: it holds passwords or credentials.
#[must_use]
pub fn is_sensitive(path: &str) -> bool {
    ["/config/users", "/config/brokers", DELEGATION_TOKENS].iter().any(|root| path.starts_with(root))
}

/// A live broker's registration.
#[must_use]
pub fn broker(id: BrokerId) -> String {
    format!("{BROKER_IDS}/{id}")
}

/// A topic's assignment.
#[must_use]
pub fn topic(topic: &TopicName) -> String {
    format!("{TOPICS}/{topic}")
}

/// Parent of a topic's partitions.
#[must_use]
pub fn partitions(topic: &TopicName) -> String {
    format!("{TOPICS}/{topic}/partitions")
}

/// Parent of one partition's state.
#[must_use]
pub fn partition(partition: &TopicPartition) -> String {
    format!("{TOPICS}/{}/partitions/{}", partition.topic, partition.partition)
}

/// One partition's leader and ISR.
#[must_use]
pub fn partition_state(partition: &TopicPartition) -> String {
    format!("{TOPICS}/{}/partitions/{}/state", partition.topic, partition.partition)
}

/// A topic's config overrides.
#[must_use]
pub fn topic_config(topic: &TopicName) -> String {
    format!("{CONFIG}/topics/{topic}")
}

/// The request to delete a topic.
#[must_use]
pub fn delete_topic(topic: &TopicName) -> String {
    format!("{DELETE_TOPICS}/{topic}")
}

/// A delegation token.
#[must_use]
pub fn delegation_token(token_id: &str) -> String {
    format!("{DELEGATION_TOKENS}/{token_id}")
}

/// An offset committed by version 0 of OffsetCommit.
#[must_use]
pub fn consumer_offset(group: &str, partition: &TopicPartition) -> String {
    format!("{CONSUMERS}/{group}/offsets/{}/{}", partition.topic, partition.partition)
}

/// The path to hand to a sequential create below `parent`; ZooKeeper appends ten digits.
#[must_use]
pub fn sequential(parent: &str, prefix: &str) -> String {
    format!("{parent}/{prefix}")
}

/// The number a sequential node's name ends with, if its name starts with `prefix`.
#[must_use]
pub fn sequence_number(name: &str, prefix: &str) -> Option<i64> {
    name.strip_prefix(prefix)?.parse().ok()
}

/// Parent of a path; `None` for the root and for anything that is no absolute path.
#[must_use]
pub fn parent(path: &str) -> Option<&str> {
    match path.rfind('/')? {
        0 if path.len() == 1 => None,
        0 => Some("/"),
        at => path.get(..at),
    }
}

/// Which node below `/brokers/topics` a path is; tells apart the events of a recursive watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BelowTopics {
    /// `/brokers/topics` itself.
    Root,
    /// A topic's assignment.
    Topic(TopicName),
    /// A partition's state.
    State(TopicPartition),
    /// The nodes in between, and anything unknown.
    Other,
}

/// Takes apart a path at or below `/brokers/topics`; `None` if it is elsewhere.
#[must_use]
pub fn below_topics(path: &str) -> Option<BelowTopics> {
    let rest = path.strip_prefix(TOPICS)?;
    if rest.is_empty() {
        return Some(BelowTopics::Root);
    }
    let mut names = rest.strip_prefix('/')?.split('/');
    let topic = TopicName::new(names.next()?);
    Some(match (names.next(), names.next(), names.next(), names.next()) {
        (None, ..) => BelowTopics::Topic(topic),
        (Some("partitions"), Some(partition), Some("state"), None) => match partition.parse() {
            Ok(partition) => BelowTopics::State(TopicPartition { topic, partition }),
            Err(_) => BelowTopics::Other,
        },
        _ => BelowTopics::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_topics_are_told_apart() {
        let t = TopicPartition::new("t", 3);
        assert_eq!(below_topics("/brokers/topics"), Some(BelowTopics::Root));
        assert_eq!(below_topics(&topic(&t.topic)), Some(BelowTopics::Topic(t.topic.clone())));
        assert_eq!(below_topics(&partition_state(&t)), Some(BelowTopics::State(t.clone())));
        assert_eq!(below_topics(&partition(&t)), Some(BelowTopics::Other));
        assert_eq!(below_topics("/brokers/ids/1"), None);
        assert_eq!(below_topics("/brokers/topicsy"), None);
    }

    #[test]
    fn a_sequence_number_is_read_from_a_name() {
        assert_eq!(sequence_number("config_change_0000000123", CONFIG_CHANGE_PREFIX), Some(123));
        assert_eq!(sequence_number("other_1", CONFIG_CHANGE_PREFIX), None);
    }

    #[test]
    fn parents_end_at_the_root() {
        assert_eq!(parent("/a/b"), Some("/a"));
        assert_eq!(parent("/a"), Some("/"));
        assert_eq!(parent("/"), None);
    }

    #[test]
    fn only_nodes_with_secrets_are_sensitive() {
        assert!(is_sensitive("/config/users/alice"));
        assert!(is_sensitive("/config/brokers/1"));
        assert!(!is_sensitive("/config/topics/t"));
    }
}
