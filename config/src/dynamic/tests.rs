//! Facts about changes to a running broker.

use super::*;

fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn refusal(pairs: &[(&str, &str)], scope: Scope) -> String {
    validate(&texts(pairs), scope).unwrap_err().to_string()
}

#[test]
fn what_needs_a_restart_is_refused() {
    assert_eq!(
        refusal(&[("broker.id", "1"), ("log.dirs", "/x")], Scope::Broker),
        "Cannot update these configs dynamically: Set(broker.id, log.dirs)"
    );
}

#[test]
fn key_material_changes_only_behind_a_listeners_prefix() {
    assert!(refusal(&[("ssl.keystore.location", "/x")], Scope::Broker).contains("using the listener prefix"));
    let prefixed = texts(&[("listener.name.external.ssl.keystore.location", "/x")]);
    assert!(validate(&prefixed, Scope::Broker).is_ok());
    assert!(validate(&prefixed, Scope::Cluster).is_err());
}

#[test]
fn a_listener_bound_on_connections_may_be_given_to_all_brokers() {
    assert!(validate(&texts(&[("listener.name.external.max.connections", "9")]), Scope::Cluster).is_ok());
    assert!(refusal(&[("listeners", "PLAINTEXT://:1")], Scope::Cluster).contains("broker id must be specified"));
}

#[test]
fn a_wrong_value_is_refused_also_behind_a_prefix() {
    assert!(validate(&texts(&[("listener.name.external.max.connections", "many")]), Scope::Broker).is_err());
    assert!(validate(&texts(&[("my.plugin", "anything")]), Scope::Cluster).is_ok());
}

#[test]
fn a_broker_starts_with_what_is_usable_of_a_node() {
    let (usable, refused) =
        usable(&texts(&[("num.io.threads", "9"), ("broker.id", "3"), ("log.segment.bytes", "x")]), Scope::Broker);
    assert_eq!(usable, texts(&[("num.io.threads", "9")]));
    assert_eq!(refused.len(), 2);
}

#[test]
fn earlier_dynamic_values_are_forgotten() {
    let config = BrokerConfig::for_tests();
    let changed = config.with_dynamic(&texts(&[("min.insync.replicas", "2")]), &Texts::new()).unwrap();
    assert_eq!(changed.min_insync_replicas, 2);
    assert_eq!(changed.with_dynamic(&Texts::new(), &Texts::new()).unwrap().min_insync_replicas, 1);
}

#[test]
fn dynamic_values_must_fit_together_with_the_file() {
    let config = BrokerConfig::for_tests();
    assert!(config.with_dynamic(&texts(&[("log.cleaner.dedupe.buffer.size", "1000")]), &Texts::new()).is_err());
}

#[test]
fn threads_at_most_double_or_halve() {
    let config = BrokerConfig::for_tests();
    let step = |threads: &str| {
        let next = config.with_dynamic(&texts(&[("num.io.threads", threads)]), &Texts::new()).unwrap();
        config.check_step_to(&next)
    };
    for fine in ["4", "8", "16"] {
        assert!(step(fine).is_ok(), "{fine}");
    }
    assert_eq!(
        step("17").unwrap_err().to_string(),
        "Dynamic thread count update validation failed for num.io.threads=17, value should not be greater than double \
         the current value 8"
    );
    assert!(step("3").is_err());
}

#[test]
fn a_listener_keeps_its_protocol() {
    let config = BrokerConfig::for_tests();
    let next =
        texts(&[("listener.security.protocol.map", "PLAINTEXT:SSL,IN:PLAINTEXT"), ("listeners", "PLAINTEXT://:9092")]);
    let next = config.with_dynamic(&Texts::new(), &next).unwrap();
    assert!(config.check_step_to(&next).is_err());
}
