//! Facts about broker configurations.

use std::collections::BTreeSet;
use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::table::Effect;
use crate::value::ConfigType;

fn from(pairs: &[(&str, &str)]) -> Result<BrokerConfig, Error> {
    let mut texts: Texts = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    texts.entry("zookeeper.connect".to_owned()).or_insert_with(|| "localhost:2181".to_owned());
    BrokerConfig::from_map(texts)
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    from(pairs).unwrap_err().to_string()
}

#[test]
fn every_default_of_a_row_passes_its_own_check() {
    BrokerConfig::defaults();
    let names: BTreeSet<_> = broker_rows().iter().map(|row| row.name).collect();
    assert_eq!(names.len(), broker_rows().len());
}

#[test]
fn passwords_are_nullable_and_classes_are_never_loaded() {
    for row in broker_rows().iter().filter(|row| row.kind == ConfigType::Password) {
        assert_eq!(row.default, None, "{}", row.name);
    }
    assert_eq!(
        BrokerConfig::for_tests().principal_builder_class.as_str(),
        "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"
    );
}

#[test]
fn without_zookeeper_there_is_no_broker() {
    let error = BrokerConfig::from_map(Texts::new()).unwrap_err().to_string();
    assert_eq!(error, "Missing required configuration `zookeeper.connect` which has no default value.");
}

#[test]
fn an_override_wins_over_the_file_and_each_origin_stays_known() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "zookeeper.connect=zk:2181/kafka\nbroker.id=1\nnum.partitions=3\n").unwrap();
    let overrides = [("broker.id".to_owned(), "2".to_owned())];

    let config = BrokerConfig::load(file.path(), &overrides).unwrap();

    assert_eq!((config.broker_id, config.num_partitions), (2, 3));
    assert_eq!(config.given().origin("broker.id"), Some(Origin::Override));
    assert_eq!(config.given().origin("num.partitions"), Some(Origin::File));
    assert_eq!(config.given().origin("log.dir"), None);
    assert_eq!(config.zookeeper_connect(), "zk:2181/kafka");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = BrokerConfig::load("/does/not/exist.properties", &[]).unwrap_err().to_string();
    assert!(error.starts_with("cannot read /does/not/exist.properties: "), "{error}");
}

#[test]
fn a_wrong_value_is_named_with_its_property_and_what_would_be_right() {
    assert_eq!(
        refusal(&[("num.io.threads", "0")]),
        "Invalid value 0 for configuration num.io.threads: Value must be at least 1"
    );
    assert_eq!(
        refusal(&[("num.io.threads", "eight")]),
        "Invalid value eight for configuration num.io.threads: Not a number of type INT"
    );
    assert_eq!(
        refusal(&[("compression.gzip.level", "0")]),
        "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"
    );
    assert_eq!(
        refusal(&[("auto.create.topics.enable", "yes")]),
        "Invalid value yes for configuration auto.create.topics.enable: Expected value to be either true or false"
    );
    assert!(refusal(&[("inter.broker.protocol.version", "5.5")]).contains("is not a valid version"));
}

#[test]
fn unknown_names_are_kept_and_listed() {
    let config = from(&[("my.plugin.setting", "x"), ("listener.name.plaintext.num.network.threads", "2")]).unwrap();
    assert_eq!(config.unknown_names(), ["my.plugin.setting"]);
    assert_eq!(config.given().text("my.plugin.setting"), Some("x"));
}

#[test]
fn what_belongs_to_kraft_or_tiered_storage_is_refused() {
    for (name, text) in [
        ("process.roles", "broker"),
        ("zookeeper.metadata.migration.enable", "true"),
        ("remote.log.storage.system.enable", "true"),
    ] {
        let error = refusal(&[(name, text)]);
        assert!(error.starts_with(&format!("Invalid value {text} for configuration {name}: ")), "{error}");
    }
    assert!(
        refusal(&[("controller.listener.names", "CONTROLLER")]).contains("controller.listener.names must be empty")
    );
}

#[test]
fn the_coarser_time_counts_only_where_the_finer_is_not_set() {
    let config = from(&[("log.retention.hours", "1")]).unwrap();
    assert_eq!(config.log_retention_ms(), 3_600_000);
    let config = from(&[("log.retention.hours", "1"), ("log.retention.minutes", "2")]).unwrap();
    assert_eq!(config.log_retention_ms(), 120_000);
    let config = from(&[("log.retention.hours", "1"), ("log.retention.ms", "-1")]).unwrap();
    assert_eq!(config.log_retention_ms(), -1);
    assert_eq!(from(&[("log.retention.minutes", "-5")]).unwrap().log_retention_ms(), -1);
    assert_eq!(config.log_roll_ms(), 604_800_000);
    assert_eq!(from(&[("log.flush.scheduler.interval.ms", "9")]).unwrap().log_flush_interval_ms(), 9);
}

#[test]
fn log_dirs_wins_over_log_dir() {
    assert_eq!(BrokerConfig::for_tests().log_dirs(), [PathBuf::from("/tmp/kafka-logs")]);
    let config = from(&[("log.dir", "/a"), ("log.dirs", "/b, /c")]).unwrap();
    assert_eq!(config.log_dirs(), [PathBuf::from("/b"), PathBuf::from("/c")]);
    assert_eq!(config.replica_alter_log_dirs_threads(), 2);
}

#[test]
fn node_id_stands_in_for_broker_id_and_may_not_differ() {
    assert_eq!(from(&[("node.id", "4")]).unwrap().broker_id, 4);
    assert_eq!(from(&[("broker.id", "4")]).unwrap().node_id, 4);
    assert!(refusal(&[("broker.id", "4"), ("node.id", "5")]).contains("`node.id`"));
}

#[test]
fn broker_ids_stay_in_their_range() {
    assert!(from(&[("broker.id", "1000")]).is_ok());
    assert!(from(&[("broker.id", "1001")]).is_err());
    assert!(from(&[("broker.id", "-2")]).is_err());
    assert!(from(&[("broker.id.generation.enable", "false")]).is_err());
    assert!(from(&[("broker.id.generation.enable", "false"), ("broker.id", "5000")]).is_ok());
}

#[test]
fn values_that_are_wrong_together_are_refused() {
    for pairs in [
        &[("replica.fetch.wait.max.ms", "30001")][..],
        &[("replica.fetch.wait.max.ms", "600"), ("replica.lag.time.max.ms", "500")],
        &[("log.roll.ms", "0")],
        &[("log.retention.ms", "0")],
        &[("log.cleaner.dedupe.buffer.size", "1048576")],
        &[("log.cleaner.min.compaction.lag.ms", "9"), ("log.cleaner.max.compaction.lag.ms", "8")],
        &[("queued.max.request.bytes", "1000")],
        &[("connection.failed.authentication.delay.ms", "600000")],
        &[("max.connections.per.ip", "0")],
        &[("max.connections.per.ip.overrides", "a b:1")],
        &[("inter.broker.listener.name", "PLAINTEXT"), ("security.inter.broker.protocol", "PLAINTEXT")],
        &[("inter.broker.listener.name", "ELSEWHERE")],
        &[("security.inter.broker.protocol", "SSL")],
        &[("advertised.listeners", "PLAINTEXT://0.0.0.0:9092")],
        &[("advertised.listeners", "PLAINTEXT://h:1,SSL://h:2")],
        &[("control.plane.listener.name", "PLAINTEXT")],
        &[("log.dirs", " , ")],
        &[("offsets.topic.compression.codec", "5")],
        &[("group.coordinator.rebalance.protocols", "consumer,classic")],
    ] {
        assert!(from(pairs).is_err(), "{pairs:?}");
    }
}

#[test]
fn the_control_plane_has_a_listener_of_its_own() {
    let config = from(&[
        ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("control.plane.listener.name", "controller"),
    ])
    .unwrap();
    assert_eq!(config.control_plane_listener_name().as_deref(), Some("CONTROLLER"));
}

#[test]
fn advertised_listeners_default_to_listeners_and_may_share_a_port() {
    let map = ("listener.security.protocol.map", "IN:PLAINTEXT,OUT:PLAINTEXT");
    let config = from(&[map, ("listeners", "IN://:1,OUT://:2"), ("inter.broker.listener.name", "in")]).unwrap();
    assert_eq!(config.advertised_listeners(), config.listeners());
    assert_eq!(config.inter_broker_listener_name(), "IN");

    let config = from(&[
        map,
        ("listeners", "IN://:1,OUT://:2"),
        ("inter.broker.listener.name", "in"),
        ("advertised.listeners", "IN://a:9,OUT://b:9"),
    ])
    .unwrap();
    assert_eq!(config.advertised_listeners()[1].to_string(), "OUT://b:9");
}

#[test]
fn a_listeners_own_value_wins_over_the_plain_one() {
    let config = from(&[
        ("ssl.keystore.location", "/plain"),
        ("listener.name.external.ssl.keystore.location", "/external"),
        ("listener.name.external.scram-sha-256.sasl.jaas.config", "module required;"),
    ])
    .unwrap();
    assert_eq!(config.for_listener("EXTERNAL").unwrap().ssl_keystore_location.as_deref(), Some("/external"));
    assert_eq!(config.for_listener("INTERNAL").unwrap().ssl_keystore_location.as_deref(), Some("/plain"));
    assert_eq!(config.listener_text("EXTERNAL", "SCRAM-SHA-256", "sasl.jaas.config"), Some("module required;"));
}

#[test]
fn a_listener_cannot_say_which_listeners_there_are() {
    let config = from(&[("listener.name.plaintext.listeners", "nonsense")]).unwrap();
    assert_eq!(config.for_listener("PLAINTEXT").unwrap().listeners(), config.listeners());
}

#[test]
fn values_come_from_where_a_provider_says() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.properties");
    std::fs::write(&file, "id=6\n").unwrap();
    let config = from(&[
        ("config.providers", "file"),
        ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
        ("broker.id", &format!("${{file:{}:id}}", file.display())),
    ])
    .unwrap();
    assert_eq!(config.broker_id, 6);
    assert!(config.unknown_names().is_empty());
}

#[test]
fn defaults_start_without_a_note() {
    let config = from(&[("listeners", "PLAINTEXT://:9092"), ("authorizer.class.name", "")]).unwrap();
    assert!(config.check_startable().is_ok());
    assert!(config.not_built_notes().is_empty());
}

#[test]
fn every_property_whose_loss_would_weaken_the_broker_keeps_it_from_starting() {
    for row in broker_rows().iter().filter(|row| row.effect == Effect::WouldWeaken) {
        let text = match row.kind {
            ConfigType::Boolean => "true",
            ConfigType::Long => "1",
            _ if row.words.is_empty() => "x",
            _ => row.words[0],
        };
        let error = from(&[(row.name, text)]).unwrap().check_startable().unwrap_err().to_string();
        assert!(error.contains(&format!("{}={text}", row.name)), "{error}");
    }
}

#[test]
fn a_listener_nobody_protects_keeps_the_broker_from_starting() {
    let config = from(&[("listeners", "PLAINTEXT://:1,SSL://:2")]).unwrap();
    let error = config.check_startable().unwrap_err().to_string();
    assert!(error.contains("listener SSL uses SSL"), "{error}");
}

#[test]
fn what_does_nothing_yet_is_noted_without_its_secrets() {
    let config = from(&[("password.encoder.secret", "s3cret"), ("quota.window.num", "12")]).unwrap();
    let notes = config.not_built_notes().join("\n");
    assert!(notes.contains("password.encoder.secret=[hidden] has no effect yet"), "{notes}");
    assert!(notes.contains("quota.window.num=12 has no effect yet"), "{notes}");
    assert!(!format!("{config:?}").contains("s3cret"));
}

proptest! {
    #[test]
    fn any_text_for_any_property_is_taken_or_refused_by_name(row in prop::sample::select(broker_rows()), text in ".{0,12}") {
        if let Err(error) = row.canonical(&text) {
            prop_assert!(error.to_string().contains(row.name));
        }
    }

    #[test]
    fn a_number_shows_as_it_reads(number: i64) {
        let row = broker_row("log.retention.bytes").unwrap();
        prop_assert_eq!(row.canonical(&format!(" {number} ")).unwrap(), number.to_string());
    }
}
