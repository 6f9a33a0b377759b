//! The broker rows: every property a Kafka 3.9 broker knows, with type, default, bounds, importance, update
//! mode and whether its effect is built. A table and nothing else; what is derived is in `broker.rs`.
//! Source: `AbstractKafkaConfig.CONFIG_DEF` and `DynamicBrokerConfig` in Kafka 3.9.

use crate::metadata_version::MetadataVersion;
use crate::table::{Check, properties};
use crate::value::{ClassName, CleanupPolicy, ClientAuth, CompressionType, Password, SecurityProtocol, TimestampType};

properties! {
    /// Every broker property, typed. A field is its property with `.` and `-` as `_`.
    pub struct BrokerConfig;

    // ZooKeeper.
    /// The ZooKeeper servers as host:port pairs between commas, with an optional chroot path after the last one.
    /// Required.
    zookeeper_connect: Option<String> = "zookeeper.connect", null, Check::Any, High, ReadOnly, Built;
    /// How long ZooKeeper keeps a silent broker's session, in milliseconds. When it ends, the broker counts as
    /// gone.
    zookeeper_session_timeout_ms: i32 = "zookeeper.session.timeout.ms", "18000", Check::Any, High, ReadOnly, Built;
    /// How long to wait for the first connection to ZooKeeper, in milliseconds. Not set means
    /// zookeeper.session.timeout.ms.
    zookeeper_connection_timeout_ms: Option<i32> = "zookeeper.connection.timeout.ms", null,
        Check::Any, High, ReadOnly, Built;
    /// Most requests sent to ZooKeeper and not yet answered.
    zookeeper_max_in_flight_requests: i32 = "zookeeper.max.in.flight.requests", "10",
        Check::AtLeast(1), High, ReadOnly, Built;
    /// Whether nodes written to ZooKeeper are closed to everybody but the brokers.
    zookeeper_set_acl: bool = "zookeeper.set.acl", "false", Check::Any, High, ReadOnly, WouldWeaken;
    /// Whether to speak TLS to ZooKeeper.
    zookeeper_ssl_client_enable: bool = "zookeeper.ssl.client.enable", "false",
        Check::Any, Medium, ReadOnly, WouldWeaken;
    /// Class that connects to ZooKeeper; Kafka wants org.apache.zookeeper.ClientCnxnSocketNetty for TLS. Accepted
    /// and not needed here.
    zookeeper_client_cnxn_socket: Option<String> = "zookeeper.clientCnxnSocket", null,
        Check::Any, Medium, ReadOnly, Never;
    /// Key store with the certificate shown to ZooKeeper.
    zookeeper_ssl_keystore_location: Option<String> = "zookeeper.ssl.keystore.location", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// Password of that key store.
    zookeeper_ssl_keystore_password: Option<Password> = "zookeeper.ssl.keystore.password", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// Format of that key store: JKS, PKCS12 or PEM. Not set means by file name.
    zookeeper_ssl_keystore_type: Option<String> = "zookeeper.ssl.keystore.type", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// Trust store with the authorities that may sign ZooKeeper's certificate.
    zookeeper_ssl_truststore_location: Option<String> = "zookeeper.ssl.truststore.location", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// Password of that trust store.
    zookeeper_ssl_truststore_password: Option<Password> = "zookeeper.ssl.truststore.password", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// Format of that trust store: JKS, PKCS12 or PEM. Not set means by file name.
    zookeeper_ssl_truststore_type: Option<String> = "zookeeper.ssl.truststore.type", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// TLS version to open the negotiation with ZooKeeper.
    zookeeper_ssl_protocol: String = "zookeeper.ssl.protocol", "TLSv1.2", Check::Any, Low, ReadOnly, NotYet;
    /// TLS versions allowed towards ZooKeeper. Not set means zookeeper.ssl.protocol alone.
    zookeeper_ssl_enabled_protocols: Option<Vec<String>> = "zookeeper.ssl.enabled.protocols", null,
        Check::Any, Low, ReadOnly, NotYet;
    /// Cipher suites allowed towards ZooKeeper. Not set means the library's own choice.
    zookeeper_ssl_cipher_suites: Option<Vec<String>> = "zookeeper.ssl.cipher.suites", null,
        Check::Any, Low, ReadOnly, NotYet;
    /// HTTPS checks that ZooKeeper's certificate names its host; empty checks nothing.
    zookeeper_ssl_endpoint_identification_algorithm: String = "zookeeper.ssl.endpoint.identification.algorithm", "HTTPS",
        Check::Any, Low, ReadOnly, NotYet;
    /// Whether to consult revocation lists for ZooKeeper's certificate.
    zookeeper_ssl_crl_enable: bool = "zookeeper.ssl.crl.enable", "false", Check::Any, Low, ReadOnly, NotYet;
    /// Whether to ask the authority by OCSP about ZooKeeper's certificate.
    zookeeper_ssl_ocsp_enable: bool = "zookeeper.ssl.ocsp.enable", "false", Check::Any, Low, ReadOnly, NotYet;

    // Identity.
    /// Number of this broker, unique in the cluster. -1 lets ZooKeeper hand one out above reserved.broker.max.id.
    broker_id: i32 = "broker.id", "-1", Check::Any, High, ReadOnly, Built;
    /// Whether a broker without a number gets one from ZooKeeper.
    broker_id_generation_enable: bool = "broker.id.generation.enable", "true", Check::Any, Medium, ReadOnly, Built;
    /// Highest number that may be written into broker.id by hand.
    reserved_broker_max_id: i32 = "reserved.broker.max.id", "1000", Check::AtLeast(0), Medium, ReadOnly, Built;
    /// Name of the rack this broker stands in, used to spread replicas, for example RACK1 or us-east-1d.
    broker_rack: Option<String> = "broker.rack", null, Check::Any, Medium, ReadOnly, Built;
    /// Version spoken between brokers. Keep the old one until every broker of a rolling upgrade runs the new
    /// software.
    inter_broker_protocol_version: MetadataVersion = "inter.broker.protocol.version", "3.9-IV0",
        Check::Any, Medium, ReadOnly, Built;
    /// Record format written to logs. Ignored from inter.broker.protocol.version 3.0 on.
    log_message_format_version: MetadataVersion = "log.message.format.version", "3.0-IV1",
        Check::Any, Medium, ReadOnly, Built;

    // Listeners.
    /// Where to listen, as name://host:port between commas. An empty host means every interface. Names must differ;
    /// ports must differ unless one host is IPv4 and the other IPv6.
    listeners: String = "listeners", "PLAINTEXT://:9092", Check::Any, High, PerBroker, Built;
    /// What clients and brokers are told to connect to. Not set means listeners. Unlike there, 0.0.0.0 is not
    /// allowed.
    advertised_listeners: Option<String> = "advertised.listeners", null, Check::Any, High, PerBroker, Built;
    /// Security protocol of each listener name, as name:protocol between commas.
    listener_security_protocol_map: String = "listener.security.protocol.map", "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
        Check::Any, Low, PerBroker, Built;
    /// Listener that brokers use among themselves. Not set means the one named by security.inter.broker.protocol;
    /// setting both is an error.
    inter_broker_listener_name: Option<String> = "inter.broker.listener.name", null,
        Check::Any, Medium, ReadOnly, Built;
    /// Security protocol that brokers use among themselves.
    security_inter_broker_protocol: SecurityProtocol = "security.inter.broker.protocol", "PLAINTEXT",
        Check::Any, Medium, ReadOnly, Built;
    /// Listener for requests of the controller alone. Not set means they share the inter-broker listener.
    control_plane_listener_name: Option<String> = "control.plane.listener.name", null,
        Check::Any, High, ReadOnly, NotYet;

    // Threads and network.
    /// Threads that read requests from and write responses to the network, for each listener.
    num_network_threads: i32 = "num.network.threads", "3", Check::AtLeast(1), High, ClusterWide, NotYet;
    /// Threads that process requests, disk work included.
    num_io_threads: i32 = "num.io.threads", "8", Check::AtLeast(1), High, ClusterWide, NotYet;
    /// Threads for background work.
    background_threads: i32 = "background.threads", "10", Check::AtLeast(1), High, ClusterWide, NotYet;
    /// Connections to each leader over which records are copied. More of them copy in parallel.
    num_replica_fetchers: i32 = "num.replica.fetchers", "1", Check::Any, High, ClusterWide, Built;
    /// Threads for each log directory that load logs at start and flush them at shutdown.
    num_recovery_threads_per_data_dir: i32 = "num.recovery.threads.per.data.dir", "1",
        Check::AtLeast(1), High, ClusterWide, Built;
    /// Threads that move replicas between log directories. Not set means one for each directory.
    num_replica_alter_log_dirs_threads: Option<i32> = "num.replica.alter.log.dirs.threads", null,
        Check::Any, High, ReadOnly, NotYet;
    /// Requests that may wait to be processed before the network threads stop reading.
    queued_max_requests: i32 = "queued.max.requests", "500", Check::AtLeast(1), High, ReadOnly, NotYet;
    /// Bytes of waiting requests before the network threads stop reading; -1 for no bound.
    queued_max_request_bytes: i64 = "queued.max.request.bytes", "-1", Check::Any, Medium, ReadOnly, Built;
    /// Send buffer of server sockets in bytes (SO_SNDBUF); -1 for the system's own.
    socket_send_buffer_bytes: i32 = "socket.send.buffer.bytes", "102400", Check::Any, High, ReadOnly, Built;
    /// Receive buffer of server sockets in bytes (SO_RCVBUF); -1 for the system's own.
    socket_receive_buffer_bytes: i32 = "socket.receive.buffer.bytes", "102400", Check::Any, High, ReadOnly, Built;
    /// Largest request in bytes. A longer one closes its connection.
    socket_request_max_bytes: i32 = "socket.request.max.bytes", "104857600", Check::AtLeast(1), High, ReadOnly, Built;
    /// Connections that may wait to be accepted; the system's own bound may be lower.
    socket_listen_backlog_size: i32 = "socket.listen.backlog.size", "50", Check::AtLeast(1), Medium, ReadOnly, Built;
    /// Most connections to this broker at one time. A listener's own bound counts as well. Connections between
    /// brokers always get in.
    max_connections: i32 = "max.connections", "2147483647", Check::AtLeast(0), Medium, ClusterWide, Built;
    /// Most connections from one address. 0 is allowed only with max.connections.per.ip.overrides.
    max_connections_per_ip: i32 = "max.connections.per.ip", "2147483647", Check::AtLeast(0), Medium, ClusterWide, Built;
    /// Bounds for single addresses or host names, as host:number between commas.
    max_connections_per_ip_overrides: String = "max.connections.per.ip.overrides", "",
        Check::Any, Medium, ClusterWide, Built;
    /// Most connections accepted in a second, over all listeners or for one by its prefix.
    max_connection_creation_rate: i32 = "max.connection.creation.rate", "2147483647",
        Check::AtLeast(0), Medium, ClusterWide, NotYet;
    /// Silence after which a connection is closed, in milliseconds.
    connections_max_idle_ms: i64 = "connections.max.idle.ms", "600000", Check::Any, Medium, ReadOnly, Built;
    /// How long a failed login waits for its answer, in milliseconds. Must be below connections.max.idle.ms.
    connection_failed_authentication_delay_ms: i32 = "connection.failed.authentication.delay.ms", "100",
        Check::AtLeast(0), Low, ReadOnly, NotYet;
    /// Longest life of a login before the client must log in again, in milliseconds; 0 for no bound.
    connections_max_reauth_ms: i64 = "connections.max.reauth.ms", "0", Check::Any, Medium, ReadOnly, WouldWeaken;
    /// How long the broker waits for the answer to a request of its own, in milliseconds.
    request_timeout_ms: i32 = "request.timeout.ms", "30000", Check::Any, High, ReadOnly, NotYet;
    /// How long the controller waits for a broker's answer, in milliseconds.
    controller_socket_timeout_ms: i32 = "controller.socket.timeout.ms", "30000", Check::Any, Medium, ReadOnly, Built;
    /// How long to wait for a connection to another broker, in milliseconds. Doubles with each failure.
    socket_connection_setup_timeout_ms: i64 = "socket.connection.setup.timeout.ms", "10000",
        Check::Any, Medium, ReadOnly, NotYet;
    /// Longest that socket.connection.setup.timeout.ms may grow to, in milliseconds.
    socket_connection_setup_timeout_max_ms: i64 = "socket.connection.setup.timeout.max.ms", "30000",
        Check::Any, Medium, ReadOnly, NotYet;
    /// Most partitions one request may describe.
    max_request_partition_size_limit: i32 = "max.request.partition.size.limit", "2000",
        Check::AtLeast(1), Medium, ReadOnly, NotYet;

    // Topics.
    /// Directory for logs. Used when log.dirs is not set.
    log_dir: String = "log.dir", "/tmp/kafka-logs", Check::Any, High, ReadOnly, Built;
    /// Directories for logs, between commas. Not set means log.dir.
    log_dirs: Option<String> = "log.dirs", null, Check::Any, High, ReadOnly, Built;
    /// Partitions of a topic created without a number.
    num_partitions: i32 = "num.partitions", "1", Check::AtLeast(1), Medium, ReadOnly, Built;
    /// Replicas of a topic created automatically or without a number.
    default_replication_factor: i32 = "default.replication.factor", "1", Check::Any, Medium, ReadOnly, Built;
    /// Whether asking for an unknown topic creates it.
    auto_create_topics_enable: bool = "auto.create.topics.enable", "true", Check::Any, High, ReadOnly, Built;
    /// Whether topics may be deleted. If not, deleting has no effect.
    delete_topic_enable: bool = "delete.topic.enable", "true", Check::Any, High, ReadOnly, Built;
    /// Whether the controller gives leadership back to preferred replicas from time to time.
    auto_leader_rebalance_enable: bool = "auto.leader.rebalance.enable", "true", Check::Any, High, ReadOnly, Built;
    /// Share of a broker's preferred leaderships, in percent, that may be elsewhere before they are moved back.
    leader_imbalance_per_broker_percentage: i32 = "leader.imbalance.per.broker.percentage", "10",
        Check::Any, High, ReadOnly, Built;
    /// Seconds between two looks for such an imbalance.
    leader_imbalance_check_interval_seconds: i64 = "leader.imbalance.check.interval.seconds", "300",
        Check::AtLeast(1), High, ReadOnly, Built;
    /// Whether a replica outside the ISR may lead when nobody else is left. Loses records.
    unclean_leader_election_enable: bool = "unclean.leader.election.enable", "false",
        Check::Any, High, ClusterWide, Built;
    /// Milliseconds between two looks for partitions that need an unclean election.
    unclean_leader_election_interval_ms: i64 = "unclean.leader.election.interval.ms", "300000",
        Check::AtLeast(1), Medium, ReadOnly, NotYet, internal true;
    /// Replicas that must be in sync for a write with acks=all to be accepted.
    min_insync_replicas: i32 = "min.insync.replicas", "1", Check::AtLeast(1), High, ClusterWide, Built;
    /// Largest record batch, compressed, in bytes.
    message_max_bytes: i32 = "message.max.bytes", "1048588", Check::AtLeast(0), High, ClusterWide, Built;
    /// Codec of stored batches; producer keeps what the producer chose.
    compression_type: CompressionType = "compression.type", "producer", Check::Any, High, ClusterWide, Built;
    /// Gzip level when compression.type is gzip; -1 for the codec's own.
    compression_gzip_level: i32 = "compression.gzip.level", "-1",
        Check::BetweenOr(1, 9, -1), Medium, ClusterWide, Built;
    /// LZ4 level when compression.type is lz4.
    compression_lz4_level: i32 = "compression.lz4.level", "9", Check::Between(1, 17), Medium, ClusterWide, Built;
    /// Zstandard level when compression.type is zstd.
    compression_zstd_level: i32 = "compression.zstd.level", "3",
        Check::Between(-131072, 22), Medium, ClusterWide, Built;

    // Replication.
    /// Longest a follower may go without catching up before it leaves the ISR, in milliseconds.
    replica_lag_time_max_ms: i64 = "replica.lag.time.max.ms", "30000", Check::Any, High, ReadOnly, Built;
    /// Bytes a follower asks of one partition. The first batch comes whole even if larger.
    replica_fetch_max_bytes: i32 = "replica.fetch.max.bytes", "1048576", Check::AtLeast(0), Medium, ReadOnly, Built;
    /// Bytes a follower asks of one fetch. The first batch comes whole even if larger.
    replica_fetch_response_max_bytes: i32 = "replica.fetch.response.max.bytes", "10485760",
        Check::AtLeast(0), Medium, ReadOnly, Built;
    /// Longest a leader holds back a follower's fetch, in milliseconds. Must not exceed replica.lag.time.max.ms.
    replica_fetch_wait_max_ms: i32 = "replica.fetch.wait.max.ms", "500", Check::Any, High, ReadOnly, Built;
    /// Bytes a leader waits for before it answers a follower's fetch.
    replica_fetch_min_bytes: i32 = "replica.fetch.min.bytes", "1", Check::Any, High, ReadOnly, Built;
    /// Pause after a failed fetch of a partition, in milliseconds.
    replica_fetch_backoff_ms: i32 = "replica.fetch.backoff.ms", "1000", Check::AtLeast(0), Medium, ReadOnly, Built;
    /// How long a follower waits for the leader's answer, in milliseconds. Must be at least
    /// replica.fetch.wait.max.ms.
    replica_socket_timeout_ms: i32 = "replica.socket.timeout.ms", "30000", Check::Any, High, ReadOnly, Built;
    /// Receive buffer of a follower's connection to its leader, in bytes.
    replica_socket_receive_buffer_bytes: i32 = "replica.socket.receive.buffer.bytes", "65536",
        Check::Any, High, ReadOnly, Built;
    /// Milliseconds between two writes of high watermarks to disk.
    replica_high_watermark_checkpoint_interval_ms: i64 = "replica.high.watermark.checkpoint.interval.ms", "5000",
        Check::Any, High, ReadOnly, Built;
    /// Class that lets a consumer read from a replica other than the leader. Kafka's rack-aware one is
    /// org.apache.kafka.common.replica.RackAwareReplicaSelector.
    replica_selector_class: Option<String> = "replica.selector.class", null, Check::Any, Medium, ReadOnly, NotYet;
    /// Most bytes answered to one fetch. The first batch comes whole even if larger.
    fetch_max_bytes: i32 = "fetch.max.bytes", "57671680", Check::AtLeast(1024), Medium, ReadOnly, Built;
    /// Incremental fetch sessions kept.
    max_incremental_fetch_session_cache_slots: i32 = "max.incremental.fetch.session.cache.slots", "1000",
        Check::AtLeast(0), Medium, ReadOnly, Built;
    /// Finished fetches that may linger in the fetch purgatory before it is cleaned.
    fetch_purgatory_purge_interval_requests: i32 = "fetch.purgatory.purge.interval.requests", "1000",
        Check::Any, Medium, ReadOnly, NotYet;
    /// Finished produces that may linger in the produce purgatory before it is cleaned.
    producer_purgatory_purge_interval_requests: i32 = "producer.purgatory.purge.interval.requests", "1000",
        Check::Any, Medium, ReadOnly, NotYet;
    /// Finished deletions that may linger in the DeleteRecords purgatory before it is cleaned.
    delete_records_purgatory_purge_interval_requests: i32 = "delete.records.purgatory.purge.interval.requests", "1",
        Check::Any, Medium, ReadOnly, NotYet;

    // Logs.
    /// Largest size of one log segment in bytes.
    log_segment_bytes: i32 = "log.segment.bytes", "1073741824", Check::AtLeast(14), High, ClusterWide, Built;
    /// Oldest age of a segment before a new one is begun, in milliseconds. Not set means log.roll.hours.
    log_roll_ms: Option<i64> = "log.roll.ms", null,
        Check::Any, High, ClusterWide, Built, synonyms ["log.roll.ms", "log.roll.hours"];
    /// Oldest age of a segment before a new one is begun, in hours.
    log_roll_hours: i32 = "log.roll.hours", "168",
        Check::AtLeast(1), High, ReadOnly, Built, synonyms ["log.roll.ms", "log.roll.hours"];
    /// Most that is taken off log.roll.ms at random, in milliseconds, so that segments do not roll together. Not
    /// set means log.roll.jitter.hours.
    log_roll_jitter_ms: Option<i64> = "log.roll.jitter.ms", null,
        Check::Any, High, ClusterWide, Built, synonyms ["log.roll.jitter.ms", "log.roll.jitter.hours"];
    /// Most that is taken off the roll time at random, in hours.
    log_roll_jitter_hours: i32 = "log.roll.jitter.hours", "0",
        Check::AtLeast(0), High, ReadOnly, Built, synonyms ["log.roll.jitter.ms", "log.roll.jitter.hours"];
    /// How long records are kept, in milliseconds; -1 for ever. Not set means log.retention.minutes.
    log_retention_ms: Option<i64> = "log.retention.ms", null,
        Check::Any, High, ClusterWide, Built, synonyms ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
    /// How long records are kept, in minutes. Not set means log.retention.hours.
    log_retention_minutes: Option<i32> = "log.retention.minutes", null,
        Check::Any, High, ReadOnly, Built, synonyms ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
    /// How long records are kept, in hours.
    log_retention_hours: i32 = "log.retention.hours", "168",
        Check::Any, High, ReadOnly, Built, synonyms ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
    /// Size of a partition beyond which its oldest segments are deleted, in bytes; -1 for no bound.
    log_retention_bytes: i64 = "log.retention.bytes", "-1", Check::Any, High, ClusterWide, Built;
    /// Milliseconds between two looks for segments to delete.
    log_retention_check_interval_ms: i64 = "log.retention.check.interval.ms", "300000",
        Check::AtLeast(1), Medium, ReadOnly, Built;
    /// What happens to old segments: delete, compact, or both.
    log_cleanup_policy: CleanupPolicy = "log.cleanup.policy", "delete", Check::Any, Medium, ClusterWide, Built;
    /// Largest size of an offset index in bytes.
    log_index_size_max_bytes: i32 = "log.index.size.max.bytes", "10485760",
        Check::AtLeast(4), Medium, ClusterWide, Built;
    /// Bytes of records between two entries of an offset index.
    log_index_interval_bytes: i32 = "log.index.interval.bytes", "4096", Check::AtLeast(0), Medium, ClusterWide, Built;
    /// Records appended to a partition before it is flushed to disk.
    log_flush_interval_messages: i64 = "log.flush.interval.messages", "9223372036854775807",
        Check::AtLeast(1), High, ClusterWide, Built;
    /// Longest a record stays unflushed, in milliseconds. Not set means log.flush.scheduler.interval.ms.
    log_flush_interval_ms: Option<i64> = "log.flush.interval.ms", null,
        Check::Any, High, ClusterWide, Built, synonyms ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"];
    /// Milliseconds between two looks for logs to flush.
    log_flush_scheduler_interval_ms: i64 = "log.flush.scheduler.interval.ms", "9223372036854775807",
        Check::Any, High, ReadOnly, Built;
    /// Milliseconds between two writes of the recovery points.
    log_flush_offset_checkpoint_interval_ms: i32 = "log.flush.offset.checkpoint.interval.ms", "60000",
        Check::AtLeast(0), High, ReadOnly, Built;
    /// Milliseconds between two writes of the log start offsets.
    log_flush_start_offset_checkpoint_interval_ms: i32 = "log.flush.start.offset.checkpoint.interval.ms", "60000",
        Check::AtLeast(0), High, ReadOnly, Built;
    /// Milliseconds a deleted segment's file stays before it is removed from disk.
    log_segment_delete_delay_ms: i64 = "log.segment.delete.delay.ms", "60000",
        Check::AtLeast(0), High, ClusterWide, Built;
    /// Whether a new segment's file takes its full size at once.
    log_preallocate: bool = "log.preallocate", "false", Check::Any, Medium, ClusterWide, Built;
    /// Whether a record carries the time it was created or the time it was appended.
    log_message_timestamp_type: TimestampType = "log.message.timestamp.type", "CreateTime",
        Check::Any, Medium, ClusterWide, Built;
    /// Most a record's timestamp may lie before the broker's clock, in milliseconds.
    log_message_timestamp_before_max_ms: i64 = "log.message.timestamp.before.max.ms", "9223372036854775807",
        Check::AtLeast(0), Medium, ClusterWide, Built;
    /// Most a record's timestamp may lie after the broker's clock, in milliseconds.
    log_message_timestamp_after_max_ms: i64 = "log.message.timestamp.after.max.ms", "9223372036854775807",
        Check::AtLeast(0), Medium, ClusterWide, Built;
    /// Most a record's timestamp may differ from the broker's clock, in milliseconds. Deprecated: used only where
    /// the two above are not set.
    log_message_timestamp_difference_max_ms: i64 = "log.message.timestamp.difference.max.ms", "9223372036854775807",
        Check::AtLeast(0), Medium, ClusterWide, Built;
    /// Whether records are converted for consumers that only read older formats.
    log_message_downconversion_enable: bool = "log.message.downconversion.enable", "true",
        Check::Any, Low, ClusterWide, Built;
    /// KRaft only: how long a broker waits for the controller to hear of a failed log directory, in milliseconds.
    log_dir_failure_timeout_ms: i64 = "log.dir.failure.timeout.ms", "30000", Check::AtLeast(1), Low, ReadOnly, Never;
    /// Milliseconds after the start before the periodic work on logs begins.
    log_initial_task_delay_ms: i64 = "log.initial.task.delay.ms", "30000",
        Check::AtLeast(0), Low, ReadOnly, Built, internal true;

    // Compaction.
    /// Whether logs are compacted. Needed by __consumer_offsets.
    log_cleaner_enable: bool = "log.cleaner.enable", "true", Check::Any, Medium, ReadOnly, NotYet;
    /// Threads that compact logs.
    log_cleaner_threads: i32 = "log.cleaner.threads", "1", Check::AtLeast(0), Medium, ClusterWide, NotYet;
    /// Memory for finding duplicate keys, in bytes, over all cleaner threads. Must be above 1 MiB for each.
    log_cleaner_dedupe_buffer_size: i64 = "log.cleaner.dedupe.buffer.size", "134217728",
        Check::Any, Medium, ClusterWide, NotYet;
    /// Memory for reading and writing while compacting, in bytes, over all cleaner threads.
    log_cleaner_io_buffer_size: i32 = "log.cleaner.io.buffer.size", "524288",
        Check::AtLeast(0), Medium, ClusterWide, NotYet;
    /// How full the table of keys may get, as a share. Fuller cleans more at once with more collisions.
    log_cleaner_io_buffer_load_factor: f64 = "log.cleaner.io.buffer.load.factor", "0.9",
        Check::Any, Medium, ClusterWide, NotYet;
    /// Most bytes read and written by compaction in a second, on average.
    log_cleaner_io_max_bytes_per_second: f64 = "log.cleaner.io.max.bytes.per.second", "1.7976931348623157E308",
        Check::Any, Medium, ClusterWide, NotYet;
    /// Pause when there is nothing to compact, in milliseconds.
    log_cleaner_backoff_ms: i64 = "log.cleaner.backoff.ms", "15000", Check::AtLeast(0), Medium, ClusterWide, NotYet;
    /// Share of a log that must be uncompacted before it is compacted.
    log_cleaner_min_cleanable_ratio: f64 = "log.cleaner.min.cleanable.ratio", "0.5",
        Check::RealBetween(0.0, 1.0), Medium, ClusterWide, NotYet;
    /// How long a deletion marker stays in a compacted log, in milliseconds.
    log_cleaner_delete_retention_ms: i64 = "log.cleaner.delete.retention.ms", "86400000",
        Check::AtLeast(0), Medium, ClusterWide, NotYet;
    /// Youngest a record may be to be compacted away, in milliseconds.
    log_cleaner_min_compaction_lag_ms: i64 = "log.cleaner.min.compaction.lag.ms", "0",
        Check::AtLeast(0), Medium, ClusterWide, NotYet;
    /// Oldest a record may get before its log is compacted, in milliseconds.
    log_cleaner_max_compaction_lag_ms: i64 = "log.cleaner.max.compaction.lag.ms", "9223372036854775807",
        Check::AtLeast(1), Medium, ClusterWide, NotYet;

    // Groups.
    /// Partitions of __consumer_offsets. Must not change once the topic exists.
    offsets_topic_num_partitions: i32 = "offsets.topic.num.partitions", "50", Check::AtLeast(1), High, ReadOnly, Built;
    /// Replicas of __consumer_offsets. Its creation waits for that many brokers.
    offsets_topic_replication_factor: i16 = "offsets.topic.replication.factor", "3",
        Check::AtLeast(1), High, ReadOnly, Built;
    /// Segment size of __consumer_offsets in bytes; small, so that it compacts and loads fast.
    offsets_topic_segment_bytes: i32 = "offsets.topic.segment.bytes", "104857600",
        Check::AtLeast(1), High, ReadOnly, Built;
    /// Codec of __consumer_offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    offsets_topic_compression_codec: i32 = "offsets.topic.compression.codec", "0", Check::Any, High, ReadOnly, Built;
    /// Minutes a group's offsets are kept after the group has emptied.
    offsets_retention_minutes: i32 = "offsets.retention.minutes", "10080", Check::AtLeast(1), High, ReadOnly, Built;
    /// Milliseconds between two looks for offsets that have expired.
    offsets_retention_check_interval_ms: i64 = "offsets.retention.check.interval.ms", "600000",
        Check::AtLeast(1), High, ReadOnly, Built;
    /// Bytes read at a time while loading offsets into memory.
    offsets_load_buffer_size: i32 = "offsets.load.buffer.size", "5242880", Check::AtLeast(1), High, ReadOnly, Built;
    /// How long a commit waits for the replicas of __consumer_offsets, in milliseconds.
    offsets_commit_timeout_ms: i32 = "offsets.commit.timeout.ms", "5000", Check::AtLeast(1), High, ReadOnly, Built;
    /// Acknowledgements before a commit is accepted; -1 for the whole ISR. Deprecated.
    offsets_commit_required_acks: i16 = "offsets.commit.required.acks", "-1", Check::Any, High, ReadOnly, Built;
    /// Longest metadata a client may store beside an offset, in bytes.
    offset_metadata_max_bytes: i32 = "offset.metadata.max.bytes", "4096", Check::Any, High, ReadOnly, Built;
    /// Shortest session a member may ask for, in milliseconds.
    group_min_session_timeout_ms: i32 = "group.min.session.timeout.ms", "6000", Check::Any, Medium, ReadOnly, Built;
    /// Longest session a member may ask for, in milliseconds.
    group_max_session_timeout_ms: i32 = "group.max.session.timeout.ms", "1800000", Check::Any, Medium, ReadOnly, Built;
    /// How long a new group waits for more members before its first rebalance, in milliseconds.
    group_initial_rebalance_delay_ms: i32 = "group.initial.rebalance.delay.ms", "3000",
        Check::Any, Medium, ReadOnly, Built;
    /// Most members of one group.
    group_max_size: i32 = "group.max.size", "2147483647", Check::AtLeast(1), Medium, ReadOnly, Built;

    // Transactions.
    /// Partitions of __transaction_state. Must not change once the topic exists.
    transaction_state_log_num_partitions: i32 = "transaction.state.log.num.partitions", "50",
        Check::AtLeast(1), High, ReadOnly, NotYet;
    /// Replicas of __transaction_state. Its creation waits for that many brokers.
    transaction_state_log_replication_factor: i16 = "transaction.state.log.replication.factor", "3",
        Check::AtLeast(1), High, ReadOnly, NotYet;
    /// min.insync.replicas of __transaction_state.
    transaction_state_log_min_isr: i32 = "transaction.state.log.min.isr", "2",
        Check::AtLeast(1), High, ReadOnly, NotYet;
    /// Segment size of __transaction_state in bytes.
    transaction_state_log_segment_bytes: i32 = "transaction.state.log.segment.bytes", "104857600",
        Check::AtLeast(1), High, ReadOnly, NotYet;
    /// Bytes read at a time while loading transactions into memory.
    transaction_state_log_load_buffer_size: i32 = "transaction.state.log.load.buffer.size", "5242880",
        Check::AtLeast(1), High, ReadOnly, NotYet;
    /// Longest transaction a producer may ask for, in milliseconds.
    transaction_max_timeout_ms: i32 = "transaction.max.timeout.ms", "900000", Check::AtLeast(1), High, ReadOnly, NotYet;
    /// How long an unused transactional id is remembered, in milliseconds.
    transactional_id_expiration_ms: i32 = "transactional.id.expiration.ms", "604800000",
        Check::AtLeast(1), High, ReadOnly, NotYet;
    /// Milliseconds between two looks for transactions that timed out.
    transaction_abort_timed_out_transaction_cleanup_interval_ms: i32 = "transaction.abort.timed.out.transaction.cleanup.interval.ms", "10000",
        Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Milliseconds between two looks for transactional ids that have expired.
    transaction_remove_expired_transaction_cleanup_interval_ms: i32 = "transaction.remove.expired.transaction.cleanup.interval.ms", "3600000",
        Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Whether a partition asks the coordinator if a transaction is open before it accepts its records.
    transaction_partition_verification_enable: bool = "transaction.partition.verification.enable", "true",
        Check::Any, Low, ClusterWide, NotYet;
    /// How long a partition remembers a silent producer's last sequence, in milliseconds.
    producer_id_expiration_ms: i32 = "producer.id.expiration.ms", "86400000",
        Check::AtLeast(1), Low, ClusterWide, Built;
    /// Milliseconds between two looks for producers to forget.
    producer_id_expiration_check_interval_ms: i32 = "producer.id.expiration.check.interval.ms", "600000",
        Check::AtLeast(1), Low, ReadOnly, Built, internal true;

    // Shutdown.
    /// Whether a stopping broker first hands its leaderships away.
    controlled_shutdown_enable: bool = "controlled.shutdown.enable", "true", Check::Any, Medium, ReadOnly, Built;
    /// How often a failed controlled shutdown is tried.
    controlled_shutdown_max_retries: i32 = "controlled.shutdown.max.retries", "3", Check::Any, Medium, ReadOnly, Built;
    /// Pause between two tries, in milliseconds.
    controlled_shutdown_retry_backoff_ms: i64 = "controlled.shutdown.retry.backoff.ms", "5000",
        Check::Any, Medium, ReadOnly, Built;

    // Quotas.
    /// Samples kept for client quotas.
    quota_window_num: i32 = "quota.window.num", "11", Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Length of each sample for client quotas, in seconds.
    quota_window_size_seconds: i32 = "quota.window.size.seconds", "1", Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Samples kept for replication quotas.
    replication_quota_window_num: i32 = "replication.quota.window.num", "11", Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Length of each sample for replication quotas, in seconds.
    replication_quota_window_size_seconds: i32 = "replication.quota.window.size.seconds", "1",
        Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Samples kept for the quota on moves between log directories.
    alter_log_dirs_replication_quota_window_num: i32 = "alter.log.dirs.replication.quota.window.num", "11",
        Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Length of each sample for the quota on moves between log directories, in seconds.
    alter_log_dirs_replication_quota_window_size_seconds: i32 = "alter.log.dirs.replication.quota.window.size.seconds", "1",
        Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Samples kept for the quota on changes asked of the controller.
    controller_quota_window_num: i32 = "controller.quota.window.num", "11", Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Length of each sample for the quota on changes asked of the controller, in seconds.
    controller_quota_window_size_seconds: i32 = "controller.quota.window.size.seconds", "1",
        Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Class that decides quotas of clients.
    client_quota_callback_class: Option<ClassName> = "client.quota.callback.class", null,
        Check::Any, Low, ReadOnly, NotYet;
    /// Most bytes a second that this broker sends for throttled replicas it leads. Only dynamic.
    leader_replication_throttled_rate: i64 = "leader.replication.throttled.rate", "9223372036854775807",
        Check::AtLeast(0), Medium, ClusterWide, NotYet, internal true;
    /// Most bytes a second that this broker copies for throttled replicas it follows. Only dynamic.
    follower_replication_throttled_rate: i64 = "follower.replication.throttled.rate", "9223372036854775807",
        Check::AtLeast(0), Medium, ClusterWide, NotYet, internal true;
    /// Most bytes a second moved between log directories. Only dynamic.
    replica_alter_log_dirs_io_max_bytes_per_second: i64 = "replica.alter.log.dirs.io.max.bytes.per.second", "9223372036854775807",
        Check::AtLeast(0), Medium, ClusterWide, NotYet, internal true;

    // Authorization.
    /// Class that decides who may do what. Kafka's own is kafka.security.authorizer.AclAuthorizer; empty allows
    /// everybody everything.
    authorizer_class_name: String = "authorizer.class.name", "", Check::Any, Low, ReadOnly, WouldWeaken;
    /// Principals that may do everything, as User:name between semicolons. Read by the authorizer.
    super_users: String = "super.users", "", Check::Any, Low, ReadOnly, WouldWeaken, internal true;
    /// Whether a resource without rules is open to everybody. Read by the authorizer.
    allow_everyone_if_no_acl_found: bool = "allow.everyone.if.no.acl.found", "false",
        Check::Any, Low, ReadOnly, NotYet, internal true;
    /// Class that turns a connection's login into a principal.
    principal_builder_class: ClassName = "principal.builder.class", "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
        Check::Any, Medium, PerBroker, WouldWeaken;
    /// Class that may refuse to create a topic.
    create_topic_policy_class_name: Option<ClassName> = "create.topic.policy.class.name", null,
        Check::Any, Low, ReadOnly, WouldWeaken;
    /// Class that may refuse to change a configuration.
    alter_config_policy_class_name: Option<ClassName> = "alter.config.policy.class.name", null,
        Check::Any, Low, ReadOnly, WouldWeaken;
    /// Classes that supply security algorithms.
    security_providers: Option<String> = "security.providers", null, Check::Any, Low, ReadOnly, NotYet;
    /// Listeners opened before the authorizer is ready.
    early_start_listeners: Option<String> = "early.start.listeners", null, Check::Any, High, ReadOnly, NotYet;

    // SASL.
    /// Mechanisms a client may log in with.
    sasl_enabled_mechanisms: Vec<String> = "sasl.enabled.mechanisms", "GSSAPI", Check::Any, Medium, PerBroker, NotYet;
    /// Mechanism that brokers log in with.
    sasl_mechanism_inter_broker_protocol: String = "sasl.mechanism.inter.broker.protocol", "GSSAPI",
        Check::Any, Medium, PerBroker, NotYet;
    /// Login module and its options, in JAAS format. Given for a listener and mechanism by prefix.
    sasl_jaas_config: Option<Password> = "sasl.jaas.config", null, Check::Any, Medium, PerBroker, NotYet;
    /// Class that logs the broker in.
    sasl_login_class: Option<ClassName> = "sasl.login.class", null, Check::Any, Medium, ReadOnly, NotYet;
    /// Class that answers the broker's login questions.
    sasl_login_callback_handler_class: Option<ClassName> = "sasl.login.callback.handler.class", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// Class that answers a mechanism's questions on the client side.
    sasl_client_callback_handler_class: Option<ClassName> = "sasl.client.callback.handler.class", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// Class that checks logins. Given for a listener and mechanism by prefix.
    sasl_server_callback_handler_class: Option<ClassName> = "sasl.server.callback.handler.class", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// Largest message of a login in bytes.
    sasl_server_max_receive_size: i32 = "sasl.server.max.receive.size", "524288", Check::Any, Medium, ReadOnly, NotYet;
    /// How long to wait for a connection to the login provider, in milliseconds. OAUTHBEARER only.
    sasl_login_connect_timeout_ms: Option<i32> = "sasl.login.connect.timeout.ms", null,
        Check::Any, Low, ReadOnly, NotYet;
    /// How long to wait for the login provider's answer, in milliseconds. OAUTHBEARER only.
    sasl_login_read_timeout_ms: Option<i32> = "sasl.login.read.timeout.ms", null, Check::Any, Low, ReadOnly, NotYet;
    /// Seconds before its end by which a login is renewed. OAUTHBEARER only.
    sasl_login_refresh_buffer_seconds: i16 = "sasl.login.refresh.buffer.seconds", "300",
        Check::Any, Medium, PerBroker, NotYet;
    /// Seconds a login is left alone before it is renewed. OAUTHBEARER only.
    sasl_login_refresh_min_period_seconds: i16 = "sasl.login.refresh.min.period.seconds", "60",
        Check::Any, Medium, PerBroker, NotYet;
    /// Share of a login's life after which it is renewed. OAUTHBEARER only.
    sasl_login_refresh_window_factor: f64 = "sasl.login.refresh.window.factor", "0.8",
        Check::Any, Medium, PerBroker, NotYet;
    /// Most added to that share at random. OAUTHBEARER only.
    sasl_login_refresh_window_jitter: f64 = "sasl.login.refresh.window.jitter", "0.05",
        Check::Any, Medium, PerBroker, NotYet;
    /// First pause after a failed login, in milliseconds. OAUTHBEARER only.
    sasl_login_retry_backoff_ms: i64 = "sasl.login.retry.backoff.ms", "100", Check::Any, Low, ReadOnly, NotYet;
    /// Longest pause after a failed login, in milliseconds. OAUTHBEARER only.
    sasl_login_retry_backoff_max_ms: i64 = "sasl.login.retry.backoff.max.ms", "10000",
        Check::Any, Low, ReadOnly, NotYet;
    /// Name that brokers run under in Kerberos.
    sasl_kerberos_service_name: Option<String> = "sasl.kerberos.service.name", null,
        Check::Any, Medium, PerBroker, NotYet;
    /// Path of kinit.
    sasl_kerberos_kinit_cmd: String = "sasl.kerberos.kinit.cmd", "/usr/bin/kinit",
        Check::Any, Medium, PerBroker, NotYet;
    /// Milliseconds between two tries to renew a Kerberos ticket.
    sasl_kerberos_min_time_before_relogin: i64 = "sasl.kerberos.min.time.before.relogin", "60000",
        Check::Any, Medium, PerBroker, NotYet;
    /// Rules that shorten Kerberos principals to user names.
    sasl_kerberos_principal_to_local_rules: Vec<String> = "sasl.kerberos.principal.to.local.rules", "DEFAULT",
        Check::Any, Medium, PerBroker, NotYet;
    /// Most added to the renewal time at random, as a share.
    sasl_kerberos_ticket_renew_jitter: f64 = "sasl.kerberos.ticket.renew.jitter", "0.05",
        Check::Any, Medium, PerBroker, NotYet;
    /// Share of a ticket's life after which it is renewed.
    sasl_kerberos_ticket_renew_window_factor: f64 = "sasl.kerberos.ticket.renew.window.factor", "0.8",
        Check::Any, Medium, PerBroker, NotYet;
    /// Difference between clocks that is forgiven when a token is checked, in seconds.
    sasl_oauthbearer_clock_skew_seconds: i32 = "sasl.oauthbearer.clock.skew.seconds", "30",
        Check::Any, Low, ReadOnly, NotYet;
    /// Audiences of which a token must name one.
    sasl_oauthbearer_expected_audience: Option<Vec<String>> = "sasl.oauthbearer.expected.audience", null,
        Check::Any, Low, ReadOnly, NotYet;
    /// Issuer a token must name.
    sasl_oauthbearer_expected_issuer: Option<String> = "sasl.oauthbearer.expected.issuer", null,
        Check::Any, Low, ReadOnly, NotYet;
    /// Milliseconds between two reads of the signing keys.
    sasl_oauthbearer_jwks_endpoint_refresh_ms: i64 = "sasl.oauthbearer.jwks.endpoint.refresh.ms", "3600000",
        Check::Any, Low, ReadOnly, NotYet;
    /// First pause after a failed read of the signing keys, in milliseconds.
    sasl_oauthbearer_jwks_endpoint_retry_backoff_ms: i64 = "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", "100",
        Check::Any, Low, ReadOnly, NotYet;
    /// Longest pause after a failed read of the signing keys, in milliseconds.
    sasl_oauthbearer_jwks_endpoint_retry_backoff_max_ms: i64 = "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", "10000",
        Check::Any, Low, ReadOnly, NotYet;
    /// Where the signing keys are.
    sasl_oauthbearer_jwks_endpoint_url: Option<String> = "sasl.oauthbearer.jwks.endpoint.url", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// Claim that holds the scope.
    sasl_oauthbearer_scope_claim_name: String = "sasl.oauthbearer.scope.claim.name", "scope",
        Check::Any, Low, ReadOnly, NotYet;
    /// Claim that holds the subject.
    sasl_oauthbearer_sub_claim_name: String = "sasl.oauthbearer.sub.claim.name", "sub",
        Check::Any, Low, ReadOnly, NotYet;
    /// Where tokens are issued.
    sasl_oauthbearer_token_endpoint_url: Option<String> = "sasl.oauthbearer.token.endpoint.url", null,
        Check::Any, Medium, ReadOnly, NotYet;

    // TLS.
    /// Key store with this broker's certificate and key.
    ssl_keystore_location: Option<String> = "ssl.keystore.location", null, Check::Any, Medium, PerBroker, NotYet;
    /// Password of the key store.
    ssl_keystore_password: Option<Password> = "ssl.keystore.password", null, Check::Any, Medium, PerBroker, NotYet;
    /// Format of the key store: JKS, PKCS12 or PEM.
    ssl_keystore_type: String = "ssl.keystore.type", "JKS", Check::Any, Medium, PerBroker, NotYet;
    /// Private key in PEM, instead of a key store file.
    ssl_keystore_key: Option<Password> = "ssl.keystore.key", null, Check::Any, Medium, PerBroker, NotYet;
    /// Certificate chain in PEM, instead of a key store file.
    ssl_keystore_certificate_chain: Option<Password> = "ssl.keystore.certificate.chain", null,
        Check::Any, Medium, PerBroker, NotYet;
    /// Password of the private key.
    ssl_key_password: Option<Password> = "ssl.key.password", null, Check::Any, Medium, PerBroker, NotYet;
    /// Trust store with the authorities that may sign a client's certificate.
    ssl_truststore_location: Option<String> = "ssl.truststore.location", null, Check::Any, Medium, PerBroker, NotYet;
    /// Password of the trust store.
    ssl_truststore_password: Option<Password> = "ssl.truststore.password", null, Check::Any, Medium, PerBroker, NotYet;
    /// Format of the trust store: JKS, PKCS12 or PEM.
    ssl_truststore_type: String = "ssl.truststore.type", "JKS", Check::Any, Medium, PerBroker, NotYet;
    /// Trusted certificates in PEM, instead of a trust store file.
    ssl_truststore_certificates: Option<Password> = "ssl.truststore.certificates", null,
        Check::Any, Medium, PerBroker, NotYet;
    /// Whether a client must, may or need not show a certificate.
    ssl_client_auth: ClientAuth = "ssl.client.auth", "none", Check::Any, Medium, PerBroker, WouldWeaken;
    /// TLS version to open the negotiation with.
    ssl_protocol: String = "ssl.protocol", "TLSv1.3", Check::Any, Medium, PerBroker, NotYet;
    /// TLS versions allowed.
    ssl_enabled_protocols: Vec<String> = "ssl.enabled.protocols", "TLSv1.2,TLSv1.3",
        Check::Any, Medium, PerBroker, NotYet;
    /// Cipher suites allowed. Empty means the library's own choice.
    ssl_cipher_suites: Vec<String> = "ssl.cipher.suites", "", Check::Any, Medium, PerBroker, NotYet;
    /// https checks that a server's certificate names its host; empty checks nothing.
    ssl_endpoint_identification_algorithm: String = "ssl.endpoint.identification.algorithm", "https",
        Check::Any, Low, PerBroker, NotYet;
    /// Rules that turn a certificate's distinguished name into a user name.
    ssl_principal_mapping_rules: String = "ssl.principal.mapping.rules", "DEFAULT", Check::Any, Low, ReadOnly, NotYet;
    /// Whether a new key store may carry another distinguished name.
    ssl_allow_dn_changes: bool = "ssl.allow.dn.changes", "false", Check::Any, Low, ReadOnly, NotYet;
    /// Whether a new key store may lack alternative names that the old one had.
    ssl_allow_san_changes: bool = "ssl.allow.san.changes", "false", Check::Any, Low, ReadOnly, NotYet;
    /// Class that makes TLS engines.
    ssl_engine_factory_class: Option<ClassName> = "ssl.engine.factory.class", null, Check::Any, Low, PerBroker, Never;
    /// Algorithm of the key manager.
    ssl_keymanager_algorithm: String = "ssl.keymanager.algorithm", "SunX509", Check::Any, Medium, PerBroker, Never;
    /// Algorithm of the trust manager.
    ssl_trustmanager_algorithm: String = "ssl.trustmanager.algorithm", "PKIX", Check::Any, Medium, PerBroker, Never;
    /// Name of the security provider for TLS.
    ssl_provider: Option<String> = "ssl.provider", null, Check::Any, Medium, PerBroker, Never;
    /// Random source for TLS.
    ssl_secure_random_implementation: Option<String> = "ssl.secure.random.implementation", null,
        Check::Any, Low, PerBroker, Never;

    // Secrets.
    /// Secret that passwords in ZooKeeper are encrypted with.
    password_encoder_secret: Option<Password> = "password.encoder.secret", null, Check::Any, Medium, ReadOnly, NotYet;
    /// Secret they were encrypted with before; given once after a change to encrypt them anew.
    password_encoder_old_secret: Option<Password> = "password.encoder.old.secret", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// How the key is derived from the secret. Not set means PBKDF2WithHmacSHA512 if there is one.
    password_encoder_keyfactory_algorithm: Option<String> = "password.encoder.keyfactory.algorithm", null,
        Check::Any, Low, ReadOnly, NotYet;
    /// Cipher for the passwords.
    password_encoder_cipher_algorithm: String = "password.encoder.cipher.algorithm", "AES/CBC/PKCS5Padding",
        Check::Any, Low, ReadOnly, NotYet;
    /// Length of the derived key in bits.
    password_encoder_key_length: i32 = "password.encoder.key.length", "128", Check::AtLeast(8), Low, ReadOnly, NotYet;
    /// Rounds of the derivation.
    password_encoder_iterations: i32 = "password.encoder.iterations", "4096",
        Check::AtLeast(1024), Low, ReadOnly, NotYet;
    /// Secret that delegation tokens are signed with, the same on every broker. Not set turns delegation tokens
    /// off.
    delegation_token_secret_key: Option<Password> = "delegation.token.secret.key", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// Older name of delegation.token.secret.key.
    delegation_token_master_key: Option<Password> = "delegation.token.master.key", null,
        Check::Any, Medium, ReadOnly, NotYet;
    /// Longest life of a delegation token, in milliseconds, renewals included.
    delegation_token_max_lifetime_ms: i64 = "delegation.token.max.lifetime.ms", "604800000",
        Check::AtLeast(1), Medium, ReadOnly, NotYet;
    /// Life of a delegation token until it must be renewed, in milliseconds.
    delegation_token_expiry_time_ms: i64 = "delegation.token.expiry.time.ms", "86400000",
        Check::AtLeast(1), Medium, ReadOnly, NotYet;
    /// Milliseconds between two looks for delegation tokens that have expired.
    delegation_token_expiry_check_interval_ms: i64 = "delegation.token.expiry.check.interval.ms", "3600000",
        Check::AtLeast(1), Low, ReadOnly, NotYet;

    // Metrics.
    /// Classes that report metrics.
    metric_reporters: Vec<String> = "metric.reporters", "", Check::Any, Low, ClusterWide, NotYet;
    /// Whether the JMX reporter is there even if metric.reporters does not name it. Deprecated.
    auto_include_jmx_reporter: bool = "auto.include.jmx.reporter", "true", Check::Any, Low, ReadOnly, Never;
    /// Samples kept for each metric.
    metrics_num_samples: i32 = "metrics.num.samples", "2", Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Length of each sample, in milliseconds.
    metrics_sample_window_ms: i64 = "metrics.sample.window.ms", "30000", Check::AtLeast(1), Low, ReadOnly, NotYet;
    /// Most detailed metrics recorded: INFO, DEBUG or TRACE.
    metrics_recording_level: String = "metrics.recording.level", "INFO", Check::Any, Low, ReadOnly, NotYet;
    /// Older classes that report metrics.
    kafka_metrics_reporters: Vec<String> = "kafka.metrics.reporters", "", Check::Any, Low, ReadOnly, Never;
    /// Seconds between two reports of the older classes.
    kafka_metrics_polling_interval_secs: i32 = "kafka.metrics.polling.interval.secs", "10",
        Check::AtLeast(1), Low, ReadOnly, Never;
    /// Most bytes of telemetry a client may push at once.
    telemetry_max_bytes: i32 = "telemetry.max.bytes", "1048576", Check::AtLeast(1), Low, ReadOnly, NotYet;

    // Tiered storage.
    /// Whether old segments move to remote storage. Must stay false: there is no tiered storage here.
    remote_log_storage_system_enable: bool = "remote.log.storage.system.enable", "false",
        Check::Any, Medium, ReadOnly, Never;
    /// Tiered storage: how long segments stay on local disk, in milliseconds; -2 means as long as log.retention.ms.
    log_local_retention_ms: i64 = "log.local.retention.ms", "-2", Check::AtLeast(-2), Medium, ClusterWide, Never;
    /// Tiered storage: bytes of a partition kept on local disk; -2 means as many as log.retention.bytes.
    log_local_retention_bytes: i64 = "log.local.retention.bytes", "-2", Check::AtLeast(-2), Medium, ClusterWide, Never;
    /// Tiered storage: longest wait for a remote read, in milliseconds.
    remote_fetch_max_wait_ms: i32 = "remote.fetch.max.wait.ms", "500", Check::AtLeast(1), Medium, ClusterWide, Never;
    /// Tiered storage: disk space for cached remote indexes, in bytes.
    remote_log_index_file_cache_total_size_bytes: i64 = "remote.log.index.file.cache.total.size.bytes", "1073741824",
        Check::AtLeast(1), Low, ClusterWide, Never;
    /// Tiered storage: threads of the remote log manager.
    remote_log_manager_thread_pool_size: i32 = "remote.log.manager.thread.pool.size", "10",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// Tiered storage: threads that copy segments away.
    remote_log_manager_copier_thread_pool_size: i32 = "remote.log.manager.copier.thread.pool.size", "-1",
        Check::AtLeast(-1), Medium, ReadOnly, Never;
    /// Tiered storage: threads that delete remote segments.
    remote_log_manager_expiration_thread_pool_size: i32 = "remote.log.manager.expiration.thread.pool.size", "-1",
        Check::AtLeast(-1), Medium, ReadOnly, Never;
    /// Tiered storage: milliseconds between two rounds of copying and deleting.
    remote_log_manager_task_interval_ms: i64 = "remote.log.manager.task.interval.ms", "30000",
        Check::AtLeast(1), Low, ReadOnly, Never;
    /// Tiered storage: most bytes copied away in a second.
    remote_log_manager_copy_max_bytes_per_second: i64 = "remote.log.manager.copy.max.bytes.per.second", "9223372036854775807",
        Check::AtLeast(1), Medium, ClusterWide, Never;
    /// Tiered storage: samples kept for the copy quota.
    remote_log_manager_copy_quota_window_num: i32 = "remote.log.manager.copy.quota.window.num", "11",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// Tiered storage: length of each sample for the copy quota, in seconds.
    remote_log_manager_copy_quota_window_size_seconds: i32 = "remote.log.manager.copy.quota.window.size.seconds", "1",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// Tiered storage: most bytes fetched in a second.
    remote_log_manager_fetch_max_bytes_per_second: i64 = "remote.log.manager.fetch.max.bytes.per.second", "9223372036854775807",
        Check::AtLeast(1), Medium, ClusterWide, Never;
    /// Tiered storage: samples kept for the fetch quota.
    remote_log_manager_fetch_quota_window_num: i32 = "remote.log.manager.fetch.quota.window.num", "11",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// Tiered storage: length of each sample for the fetch quota, in seconds.
    remote_log_manager_fetch_quota_window_size_seconds: i32 = "remote.log.manager.fetch.quota.window.size.seconds", "1",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// Tiered storage: largest custom metadata of a segment, in bytes.
    remote_log_metadata_custom_metadata_max_bytes: i32 = "remote.log.metadata.custom.metadata.max.bytes", "128",
        Check::AtLeast(0), Low, ReadOnly, Never;
    /// Tiered storage: class that keeps remote metadata.
    remote_log_metadata_manager_class_name: String = "remote.log.metadata.manager.class.name", "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
        Check::NonEmpty, Medium, ReadOnly, Never;
    /// Tiered storage: where that class is found.
    remote_log_metadata_manager_class_path: Option<String> = "remote.log.metadata.manager.class.path", null,
        Check::Any, Medium, ReadOnly, Never;
    /// Tiered storage: prefix of that class's properties.
    remote_log_metadata_manager_impl_prefix: String = "remote.log.metadata.manager.impl.prefix", "rlmm.config.",
        Check::NonEmpty, Medium, ReadOnly, Never;
    /// Tiered storage: listener that class connects to.
    remote_log_metadata_manager_listener_name: Option<String> = "remote.log.metadata.manager.listener.name", null,
        Check::NonEmpty, Medium, ReadOnly, Never;
    /// Tiered storage: remote reads that may wait.
    remote_log_reader_max_pending_tasks: i32 = "remote.log.reader.max.pending.tasks", "100",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// Tiered storage: threads for remote reads.
    remote_log_reader_threads: i32 = "remote.log.reader.threads", "10", Check::AtLeast(1), Medium, ReadOnly, Never;
    /// Tiered storage: class that stores segments.
    remote_log_storage_manager_class_name: Option<String> = "remote.log.storage.manager.class.name", null,
        Check::NonEmpty, Medium, ReadOnly, Never;
    /// Tiered storage: where that class is found.
    remote_log_storage_manager_class_path: Option<String> = "remote.log.storage.manager.class.path", null,
        Check::Any, Medium, ReadOnly, Never;
    /// Tiered storage: prefix of that class's properties.
    remote_log_storage_manager_impl_prefix: String = "remote.log.storage.manager.impl.prefix", "rsm.config.",
        Check::NonEmpty, Medium, ReadOnly, Never;

    // KRaft.
    /// Must stay empty: setting it means KRaft, which this broker does not speak.
    process_roles: Vec<String> = "process.roles", "", Check::ListOf(&["broker", "controller"]), High, ReadOnly, Never;
    /// KRaft's name of broker.id. If both are set they must agree.
    node_id: i32 = "node.id", "-1", Check::Any, High, ReadOnly, Built;
    /// KRaft only. Must stay empty.
    controller_listener_names: Option<String> = "controller.listener.names", null, Check::Any, High, ReadOnly, Never;
    /// Whether the cluster is moving to KRaft. Must stay false.
    zookeeper_metadata_migration_enable: bool = "zookeeper.metadata.migration.enable", "false",
        Check::Any, High, ReadOnly, Never;
    /// KRaft only: records in a batch of the migration.
    zookeeper_metadata_migration_min_batch_size: i32 = "zookeeper.metadata.migration.min.batch.size", "200",
        Check::AtLeast(1), Medium, ReadOnly, Never, internal true;
    /// KRaft only: milliseconds between two heartbeats.
    broker_heartbeat_interval_ms: i32 = "broker.heartbeat.interval.ms", "2000", Check::Any, Medium, ReadOnly, Never;
    /// KRaft only: silence after which a broker counts as gone, in milliseconds.
    broker_session_timeout_ms: i32 = "broker.session.timeout.ms", "9000", Check::Any, Medium, ReadOnly, Never;
    /// KRaft only: longest wait for the first registration, in milliseconds.
    initial_broker_registration_timeout_ms: i32 = "initial.broker.registration.timeout.ms", "60000",
        Check::Any, Medium, ReadOnly, Never;
    /// KRaft only: the voters.
    controller_quorum_voters: Vec<String> = "controller.quorum.voters", "", Check::Any, High, ReadOnly, Never;
    /// KRaft only: where the quorum is found.
    controller_quorum_bootstrap_servers: Vec<String> = "controller.quorum.bootstrap.servers", "",
        Check::Any, High, ReadOnly, Never;
    /// KRaft only: longest wait for a fuller batch, in milliseconds.
    controller_quorum_append_linger_ms: i32 = "controller.quorum.append.linger.ms", "25",
        Check::Any, Medium, ReadOnly, Never;
    /// KRaft only: longest pause before an election, in milliseconds.
    controller_quorum_election_backoff_max_ms: i32 = "controller.quorum.election.backoff.max.ms", "1000",
        Check::Any, High, ReadOnly, Never;
    /// KRaft only: longest an election may take, in milliseconds.
    controller_quorum_election_timeout_ms: i32 = "controller.quorum.election.timeout.ms", "1000",
        Check::Any, High, ReadOnly, Never;
    /// KRaft only: longest without a fetch before an election, in milliseconds.
    controller_quorum_fetch_timeout_ms: i32 = "controller.quorum.fetch.timeout.ms", "2000",
        Check::Any, High, ReadOnly, Never;
    /// KRaft only: longest wait for an answer, in milliseconds.
    controller_quorum_request_timeout_ms: i32 = "controller.quorum.request.timeout.ms", "2000",
        Check::Any, Medium, ReadOnly, Never;
    /// KRaft only: pause before a request is sent again, in milliseconds.
    controller_quorum_retry_backoff_ms: i32 = "controller.quorum.retry.backoff.ms", "20",
        Check::Any, Low, ReadOnly, Never;
    /// KRaft only: mechanism that controllers log in with.
    sasl_mechanism_controller_protocol: String = "sasl.mechanism.controller.protocol", "GSSAPI",
        Check::Any, High, ReadOnly, Never;
    /// KRaft only: directory of the metadata log.
    metadata_log_dir: Option<String> = "metadata.log.dir", null, Check::Any, High, ReadOnly, Never;
    /// KRaft only: bytes between two snapshots.
    metadata_log_max_record_bytes_between_snapshots: i64 = "metadata.log.max.record.bytes.between.snapshots", "20971520",
        Check::AtLeast(1), High, ReadOnly, Never;
    /// KRaft only: milliseconds between two snapshots.
    metadata_log_max_snapshot_interval_ms: i64 = "metadata.log.max.snapshot.interval.ms", "3600000",
        Check::AtLeast(0), High, ReadOnly, Never;
    /// KRaft only: segment size of the metadata log in bytes.
    metadata_log_segment_bytes: i32 = "metadata.log.segment.bytes", "1073741824",
        Check::AtLeast(12), High, ReadOnly, Never;
    /// KRaft only: oldest age of a metadata segment, in milliseconds.
    metadata_log_segment_ms: i64 = "metadata.log.segment.ms", "604800000", Check::Any, High, ReadOnly, Never;
    /// KRaft only: milliseconds between two empty records.
    metadata_max_idle_interval_ms: i32 = "metadata.max.idle.interval.ms", "500",
        Check::AtLeast(0), Low, ReadOnly, Never;
    /// KRaft only: bytes of metadata kept.
    metadata_max_retention_bytes: i64 = "metadata.max.retention.bytes", "104857600", Check::Any, High, ReadOnly, Never;
    /// KRaft only: how long metadata is kept, in milliseconds.
    metadata_max_retention_ms: i64 = "metadata.max.retention.ms", "604800000", Check::Any, High, ReadOnly, Never;
    /// KRaft only: whether eligible leader replicas are tracked.
    eligible_leader_replicas_enable: bool = "eligible.leader.replicas.enable", "false",
        Check::Any, High, ReadOnly, Never;
    /// KRaft only: longest a start may take, in milliseconds.
    server_max_startup_time_ms: i64 = "server.max.startup.time.ms", "9223372036854775807",
        Check::AtLeast(0), Medium, ReadOnly, Never, internal true;

    // New group coordinator.
    /// Rebalance protocols offered. Only classic here.
    group_coordinator_rebalance_protocols: Vec<String> = "group.coordinator.rebalance.protocols", "classic",
        Check::ListOf(&["consumer", "classic", "share", "unknown"]), Medium, ReadOnly, Never;
    /// KRaft only: threads of the new group coordinator.
    group_coordinator_threads: i32 = "group.coordinator.threads", "1", Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: longest wait for a fuller batch, in milliseconds.
    group_coordinator_append_linger_ms: i32 = "group.coordinator.append.linger.ms", "10",
        Check::AtLeast(0), Medium, ReadOnly, Never;
    /// KRaft only: assignors of the new consumer protocol.
    group_consumer_assignors: Vec<String> = "group.consumer.assignors", "org.apache.kafka.coordinator.group.assignor.UniformAssignor,org.apache.kafka.coordinator.group.assignor.RangeAssignor",
        Check::Any, Medium, ReadOnly, Never;
    /// KRaft only: heartbeat of the new consumer protocol, in milliseconds.
    group_consumer_heartbeat_interval_ms: i32 = "group.consumer.heartbeat.interval.ms", "5000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: longest such heartbeat, in milliseconds.
    group_consumer_max_heartbeat_interval_ms: i32 = "group.consumer.max.heartbeat.interval.ms", "15000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: shortest such heartbeat, in milliseconds.
    group_consumer_min_heartbeat_interval_ms: i32 = "group.consumer.min.heartbeat.interval.ms", "5000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: session of the new consumer protocol, in milliseconds.
    group_consumer_session_timeout_ms: i32 = "group.consumer.session.timeout.ms", "45000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: longest such session, in milliseconds.
    group_consumer_max_session_timeout_ms: i32 = "group.consumer.max.session.timeout.ms", "60000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: shortest such session, in milliseconds.
    group_consumer_min_session_timeout_ms: i32 = "group.consumer.min.session.timeout.ms", "45000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: most members of a group in the new consumer protocol.
    group_consumer_max_size: i32 = "group.consumer.max.size", "2147483647", Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: most deliveries of a record to a share group.
    group_share_delivery_count_limit: i32 = "group.share.delivery.count.limit", "5",
        Check::Between(2, 10), Medium, ReadOnly, Never;
    /// KRaft only: heartbeat of share groups, in milliseconds.
    group_share_heartbeat_interval_ms: i32 = "group.share.heartbeat.interval.ms", "5000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: longest such heartbeat, in milliseconds.
    group_share_max_heartbeat_interval_ms: i32 = "group.share.max.heartbeat.interval.ms", "15000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: shortest such heartbeat, in milliseconds.
    group_share_min_heartbeat_interval_ms: i32 = "group.share.min.heartbeat.interval.ms", "5000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: session of share groups, in milliseconds.
    group_share_session_timeout_ms: i32 = "group.share.session.timeout.ms", "45000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: longest such session, in milliseconds.
    group_share_max_session_timeout_ms: i32 = "group.share.max.session.timeout.ms", "60000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: shortest such session, in milliseconds.
    group_share_min_session_timeout_ms: i32 = "group.share.min.session.timeout.ms", "45000",
        Check::AtLeast(1), Medium, ReadOnly, Never;
    /// KRaft only: how long a share group locks a record, in milliseconds.
    group_share_record_lock_duration_ms: i32 = "group.share.record.lock.duration.ms", "30000",
        Check::Between(1000, 60000), Medium, ReadOnly, Never;
    /// KRaft only: longest such lock, in milliseconds.
    group_share_max_record_lock_duration_ms: i32 = "group.share.max.record.lock.duration.ms", "60000",
        Check::Between(30000, 3600000), Medium, ReadOnly, Never;
    /// KRaft only: shortest such lock, in milliseconds.
    group_share_min_record_lock_duration_ms: i32 = "group.share.min.record.lock.duration.ms", "15000",
        Check::Between(1000, 30000), Medium, ReadOnly, Never;
    /// KRaft only: most records of a partition locked.
    group_share_partition_max_record_locks: i32 = "group.share.partition.max.record.locks", "200",
        Check::Between(100, 10000), Medium, ReadOnly, Never;
    /// KRaft only: most share groups.
    group_share_max_groups: i16 = "group.share.max.groups", "10", Check::Between(1, 100), Medium, ReadOnly, Never;
    /// KRaft only: most members of a share group.
    group_share_max_size: i16 = "group.share.max.size", "200", Check::Between(10, 1000), Medium, ReadOnly, Never;
}
