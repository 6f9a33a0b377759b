//! Facts about which value wins.

use super::*;
use crate::table::Texts;

fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn broker(pairs: &[(&str, &str)]) -> BrokerConfig {
    let mut all = texts(pairs);
    all.insert("zookeeper.connect".to_owned(), "localhost:2181".to_owned());
    BrokerConfig::from_map(all).unwrap()
}

fn find<'a>(described: &'a [Described], name: &str) -> &'a Described {
    described.iter().find(|described| described.name == name).unwrap()
}

fn chain(described: &Described) -> Vec<String> {
    let value = |synonym: &Synonym| synonym.value.clone().unwrap_or_else(|| "null".to_owned());
    described
        .synonyms
        .iter()
        .map(|synonym| format!("{}:{}={}", synonym.source.name(), synonym.name, value(synonym)))
        .collect()
}

#[test]
fn a_brokers_own_value_wins_over_all_others() {
    let current = broker(&[("num.io.threads", "10")])
        .with_dynamic(&texts(&[("num.io.threads", "11")]), &texts(&[("num.io.threads", "12")]))
        .unwrap();
    let described = describe_broker(&current);
    let threads = find(&described, "num.io.threads");
    assert_eq!((threads.value.as_deref(), threads.source), (Some("12"), ConfigSource::DynamicBroker));
    assert!(!threads.is_read_only);
    assert_eq!(
        chain(threads),
        [
            "DYNAMIC_BROKER_CONFIG:num.io.threads=12",
            "DYNAMIC_DEFAULT_BROKER_CONFIG:num.io.threads=11",
            "STATIC_BROKER_CONFIG:num.io.threads=10",
            "DEFAULT_CONFIG:num.io.threads=8"
        ]
    );
}

#[test]
fn a_topic_shows_its_own_value_then_the_brokers_then_the_default() {
    let current = broker(&[("log.retention.hours", "1")]);
    let topic = TopicConfig::resolve(&current, &texts(&[("segment.bytes", "1000")])).unwrap();
    let described = describe_topic(&current, &topic);

    let segment = find(&described, "segment.bytes");
    assert_eq!((segment.value.as_deref(), segment.source), (Some("1000"), ConfigSource::Topic));
    assert_eq!(
        chain(segment),
        ["DYNAMIC_TOPIC_CONFIG:segment.bytes=1000", "DEFAULT_CONFIG:log.segment.bytes=1073741824"]
    );

    let retention = find(&described, "retention.ms");
    assert_eq!(retention.value.as_deref(), Some("3600000"));
    let throttled = find(&described, "leader.replication.throttled.replicas");
    assert_eq!((throttled.value.as_deref(), throttled.source), (Some(""), ConfigSource::Default));
    assert!(throttled.synonyms.is_empty());
}

#[test]
fn a_topic_inherits_what_all_brokers_were_told() {
    let current = broker(&[]).with_dynamic(&texts(&[("log.retention.ms", "77")]), &Texts::new()).unwrap();
    let topic = TopicConfig::resolve(&current, &Texts::new()).unwrap();
    assert_eq!(topic.retention_ms, 77);
    let described = describe_topic(&current, &topic);
    assert_eq!(find(&described, "retention.ms").source, ConfigSource::DynamicDefaultBroker);
    assert_eq!(
        chain(find(&described, "retention.ms")),
        ["DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=77", "DEFAULT_CONFIG:log.retention.hours=168"]
    );
}

#[test]
fn a_secret_and_an_unknown_property_show_no_value() {
    let current = broker(&[("ssl.key.password", "s3cret"), ("my.plugin", "x")]);
    let described = describe_broker(&current);
    for name in ["ssl.key.password", "my.plugin"] {
        let secret = find(&described, name);
        assert!(secret.is_sensitive && secret.value.is_none(), "{name}");
        assert!(secret.synonyms.iter().all(|synonym| synonym.value.is_none()));
        assert_eq!(secret.source, ConfigSource::StaticBroker);
    }
    assert_eq!(find(&described, "my.plugin").kind_code(), 0);
    assert!(!format!("{described:?}").contains("s3cret"));
}

#[test]
fn a_listeners_value_is_followed_by_the_plain_one() {
    let current = broker(&[("max.connections", "5"), ("listener.name.plaintext.max.connections", "3")]);
    let described = describe_broker(&current);
    assert_eq!(
        chain(find(&described, "listener.name.plaintext.max.connections")),
        [
            "STATIC_BROKER_CONFIG:listener.name.plaintext.max.connections=3",
            "STATIC_BROKER_CONFIG:max.connections=5",
            "DEFAULT_CONFIG:max.connections=2147483647"
        ]
    );
}

#[test]
fn only_what_all_brokers_were_told_is_shown_for_the_broker_without_a_name() {
    let current = broker(&[("num.io.threads", "10")])
        .with_dynamic(
            &texts(&[("background.threads", "11")]),
            &texts(&[("num.io.threads", "12"), ("background.threads", "9")]),
        )
        .unwrap();
    let described = describe_broker_default(&current);
    assert_eq!(described.len(), 1);
    assert_eq!(chain(&described[0]), ["DYNAMIC_DEFAULT_BROKER_CONFIG:background.threads=11"]);
    assert_eq!(described[0].value.as_deref(), Some("11"));
}

#[test]
fn internal_properties_show_only_when_set() {
    let has = |current: &BrokerConfig| describe_broker(current).iter().any(|described| described.name == "super.users");
    assert!(!has(&broker(&[])));
    assert!(has(&broker(&[("super.users", "User:a")])));
}
