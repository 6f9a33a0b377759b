//! Every metric: its name, kind, unit, labels and meaning. A new one starts with a row here.

use super::{Kind, Metric};

macro_rules! metrics {
    ($($metric:ident: $kind:ident $name:literal [$($label:literal),*] $unit:literal, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $metric: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                unit: $unit,
                labels: &[$($label),*],
                meaning: $meaning,
            };
        )*

        /// All of them.
        pub static ALL: &[&Metric] = &[$(&$metric),*];
    };
}

metrics! {
    REQUESTS: Counter "kafka_network_requestmetrics_requests_total" ["request", "version"] "requests",
        "Requests answered, by API and version";
    TOTAL_TIME: Histogram "kafka_network_requestmetrics_totaltimems" ["request"] "milliseconds",
        "Time from the arrival of a request to its answer";
    REQUEST_BYTES: Histogram "kafka_network_requestmetrics_requestbytes" ["request"] "bytes",
        "Size of requests";
    DEPRECATED_REQUESTS: Counter "kafka_network_requestmetrics_deprecatedrequests_total" ["request", "version"] "requests",
        "Requests in versions that are going to be dropped";
    CONNECTIONS: Gauge "kafka_server_socket_server_metrics_connection_count" [] "connections",
        "Open connections";

    BYTES_IN: Counter "kafka_server_brokertopicmetrics_bytesin_total" [] "bytes",
        "Record bytes produced by clients";
    BYTES_OUT: Counter "kafka_server_brokertopicmetrics_bytesout_total" [] "bytes",
        "Record bytes fetched by consumers";
    REPLICATION_BYTES_OUT: Counter "kafka_server_brokertopicmetrics_replicationbytesout_total" [] "bytes",
        "Record bytes fetched by followers";
    REPLICATION_BYTES_IN: Counter "kafka_server_brokertopicmetrics_replicationbytesin_total" [] "bytes",
        "Record bytes fetched from leaders";
    MESSAGES_IN: Counter "kafka_server_brokertopicmetrics_messagesin_total" [] "records",
        "Records produced by clients";

    LEADER_COUNT: Gauge "kafka_server_replicamanager_leadercount" [] "partitions",
        "Partitions led by this broker";
    PARTITION_COUNT: Gauge "kafka_server_replicamanager_partitioncount" [] "partitions",
        "Partitions hosted by this broker";
    OFFLINE_REPLICA_COUNT: Gauge "kafka_server_replicamanager_offlinereplicacount" [] "partitions",
        "Partitions on failed log directories";
    UNDER_REPLICATED_PARTITIONS: Gauge "kafka_server_replicamanager_underreplicatedpartitions" [] "partitions",
        "Partitions led by this broker with fewer replicas in sync than assigned; should be 0";
    UNDER_MIN_ISR_PARTITION_COUNT: Gauge "kafka_server_replicamanager_underminisrpartitioncount" [] "partitions",
        "Partitions led by this broker that refuse acks=all; should be 0";
    AT_MIN_ISR_PARTITION_COUNT: Gauge "kafka_server_replicamanager_atminisrpartitioncount" [] "partitions",
        "Partitions led by this broker that the loss of one replica would make refuse acks=all";
    REASSIGNING_PARTITIONS: Gauge "kafka_server_replicamanager_reassigningpartitions" [] "partitions",
        "Partitions led by this broker that are being moved";

    ACTIVE_CONTROLLER_COUNT: Gauge "kafka_controller_kafkacontroller_activecontrollercount" [] "controllers",
        "1 on the controller, 0 elsewhere; the sum over the cluster should be 1";
    OFFLINE_PARTITIONS_COUNT: Gauge "kafka_controller_kafkacontroller_offlinepartitionscount" [] "partitions",
        "Partitions without a leader, on the controller; should be 0";
    ACTIVE_BROKER_COUNT: Gauge "kafka_controller_kafkacontroller_activebrokercount" [] "brokers",
        "Live brokers, on the controller";
    GLOBAL_TOPIC_COUNT: Gauge "kafka_controller_kafkacontroller_globaltopiccount" [] "topics",
        "Topics, on the controller";
    GLOBAL_PARTITION_COUNT: Gauge "kafka_controller_kafkacontroller_globalpartitioncount" [] "partitions",
        "Partitions, on the controller";

    BROKER_STATE: Gauge "kafka_server_kafkaserver_brokerstate" [] "state",
        "1 starting, recovery included, 3 running, 6 handing leadership away, 7 stopping";
    ZOOKEEPER_EXPIRES: Counter "kafka_server_sessionexpirelistener_zookeeperexpires_total" [] "sessions",
        "ZooKeeper sessions lost";
    ZOOKEEPER_DISCONNECTS: Counter "kafka_server_sessionexpirelistener_zookeeperdisconnects_total" [] "disconnects",
        "Connections to ZooKeeper lost";
    FETCH_SESSIONS: Gauge "kafka_server_fetchsessioncache_numincrementalfetchsessions" [] "sessions",
        "Fetch sessions kept";
    FETCH_SESSION_PARTITIONS: Gauge "kafka_server_fetchsessioncache_numincrementalfetchpartitionscached" [] "partitions",
        "Partitions in fetch sessions";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_metrics_share_a_name_and_counters_end_in_total() {
        let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        }
    }
}
