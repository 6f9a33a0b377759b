//! Facts about listeners.

use proptest::prelude::*;

use super::*;

fn protocols() -> BTreeMap<String, SecurityProtocol> {
    security_protocols("PLAINTEXT:PLAINTEXT,INTERNAL:SSL,external:sasl_ssl").unwrap()
}

fn parsed(text: &str) -> Result<Vec<Listener>, Error> {
    parse("listeners", text, &protocols())
}

#[test]
fn names_are_compared_in_capitals() {
    let listeners = parsed("plaintext://a:1, External://b:2").unwrap();
    assert_eq!(listeners[0].name, "PLAINTEXT");
    assert_eq!((listeners[1].name.as_str(), listeners[1].protocol), ("EXTERNAL", SecurityProtocol::SaslSsl));
}

#[test]
fn an_empty_host_is_every_interface() {
    assert_eq!(parsed("PLAINTEXT://:9092").unwrap()[0].host, None);
}

#[test]
fn ipv6_stands_in_brackets_and_is_shown_in_brackets() {
    let listener = parsed("PLAINTEXT://[2001:db8::1%eth0]:9092").unwrap().remove(0);
    assert_eq!(listener.host.as_deref(), Some("2001:db8::1%eth0"));
    assert_eq!(listener.to_string(), "PLAINTEXT://[2001:db8::1%eth0]:9092");
}

#[test]
fn what_is_not_a_listener_is_refused_by_name() {
    for (text, reason) in [
        ("localhost:9092", "Unable to parse localhost:9092"),
        ("PLAINTEXT://a b:1", "Unable to parse"),
        ("PLAINTEXT://a", "Unable to parse"),
        ("PLAINTEXT://a:70000", "needs a port from 0 to 65535"),
        ("OTHER://a:1", "No security protocol defined for listener OTHER"),
        ("PLAINTEXT://a:1,plaintext://b:2", "Each listener must have a different name"),
    ] {
        let error = parsed(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("Invalid value {text} for configuration listeners: ")), "{error}");
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_port_is_shared_only_between_the_two_families() {
    let check = |text: &str| check_distinct_ports(&parsed(text).unwrap(), text);
    assert!(check("PLAINTEXT://127.0.0.1:9092,INTERNAL://[::1]:9092").is_ok());
    assert!(check("PLAINTEXT://127.0.0.1:9092,INTERNAL://127.0.0.2:9092").is_err());
    assert!(check("PLAINTEXT://:9092,INTERNAL://[::1]:9092").is_err());
    assert!(check("PLAINTEXT://127.0.0.1:9092,INTERNAL://[::1]:9092,EXTERNAL://:9092").is_err());
    assert!(check("PLAINTEXT://:0,INTERNAL://:0").is_ok());
}

#[test]
fn a_prefixed_name_leads_to_its_plain_one() {
    assert_eq!(base_name("listener.name.internal.ssl.keystore.location"), Some("ssl.keystore.location"));
    assert_eq!(base_name("listener.name.external.scram-sha-256.sasl.jaas.config"), Some("sasl.jaas.config"));
    assert_eq!(base_name("ssl.keystore.location"), None);
}

#[test]
fn an_unknown_protocol_is_refused() {
    assert!(security_protocols("A:TLS").is_err());
    assert!(security_protocols("A").is_err());
}

proptest! {
    #[test]
    fn any_listener_reads_back_as_shown(
        name in prop::sample::select(vec!["PLAINTEXT", "INTERNAL", "EXTERNAL"]),
        host in prop::option::of("[a-z][a-z0-9.-]{0,20}|[0-9]{1,3}\\.[0-9]{1,3}\\.0\\.1|[0-9a-f]{1,4}::[0-9a-f]{1,4}"),
        port: u16,
    ) {
        let protocol = protocols()[name];
        let listener = Listener { name: name.to_owned(), protocol, host, port };
        prop_assert_eq!(parsed(&listener.to_string()).unwrap(), vec![listener]);
    }

    #[test]
    fn no_text_makes_reading_panic(text in ".{0,60}") {
        let _ = parsed(&text);
        let _ = security_protocols(&text);
    }
}
