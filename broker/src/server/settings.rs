//! What the parts of a broker are told, read off its configuration. Starts nothing.

use std::time::Duration;

use config::BrokerConfig;
use coordinator::controller::{ControllerConfig, Protocol};
use zk_schema::BrokerId;

use crate::shell::controller;
use crate::zk;

/// How to reach ZooKeeper.
pub(super) fn zookeeper(config: &BrokerConfig) -> zk::Settings {
    let ms = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0).max(1));
    zk::Settings {
        session_timeout: ms(config.zookeeper_session_timeout_ms),
        connection_timeout: ms(config.zookeeper_connection_timeout_ms()),
        max_in_flight_requests: usize::try_from(config.zookeeper_max_in_flight_requests).unwrap_or(1),
        set_acl: config.zookeeper_set_acl,
        ..zk::Settings::new(config.zookeeper_connect())
    }
}

/// What the controller's decider needs to know of this broker's configuration.
pub(super) fn decider(broker: BrokerId, config: &BrokerConfig) -> ControllerConfig {
    let ibp = config.ibp();
    ControllerConfig {
        broker_id: broker,
        protocol: Protocol {
            feature_versioning: ibp.has_feature_versioning(),
            feature_node_v2: ibp.has_second_feature_node(),
            alter_partition: ibp.has_alter_partition(),
            topic_ids: ibp.has_topic_ids(),
            leader_recovery: ibp.has_leader_recovery_state(),
        },
        delete_topic_enable: config.delete_topic_enable,
        unclean_leader_election_enable: config.unclean_leader_election_enable,
        auto_leader_rebalance_enable: config.auto_leader_rebalance_enable,
        leader_imbalance_check_interval_ms: 1000 * config.leader_imbalance_check_interval_seconds,
        leader_imbalance_per_broker_percentage: config.leader_imbalance_per_broker_percentage,
    }
}

/// What the controller's shell needs to know.
pub(super) fn controller(broker: BrokerId, config: &BrokerConfig) -> controller::Settings {
    controller::Settings {
        decider: decider(broker, config),
        ibp: config.ibp(),
        inter_broker_listener: config.inter_broker_listener_name(),
        control_plane_listener: config.control_plane_listener_name(),
        request_timeout: Duration::from_millis(u64::try_from(config.controller_socket_timeout_ms).unwrap_or(30_000)),
    }
}
