//! Which value wins, where it came from, and every other value it won over: what DescribeConfigs answers.
//! Never shows a secret. Source: `ConfigHelper` and `DynamicBrokerConfig.brokerConfigSynonyms` in Kafka 3.9.

use crate::broker::{BrokerConfig, broker_row, broker_rows};
use crate::listeners;
use crate::sources::Origin;
use crate::table::{Row, UpdateMode};
use crate::topic::{TopicConfig, topic_row, topic_rows};
use crate::value::ConfigType;

/// Kafka's broker does not know these, its authorizer reads them: they are described as unknown, so as secrets.
const OF_THE_AUTHORIZER: [&str; 2] = ["super.users", "allow.everyone.if.no.acl.found"];

/// Where a value came from, as DescribeConfigs numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigSource {
    /// Set for this topic.
    Topic,
    /// Set for this broker while running.
    DynamicBroker,
    /// Set for all brokers while running.
    DynamicDefaultBroker,
    /// Read at start.
    StaticBroker,
    /// Nobody set it.
    Default,
    /// A log level set while running.
    DynamicBrokerLogger,
    /// Set for a client metrics subscription.
    ClientMetrics,
}

impl ConfigSource {
    /// Number in a DescribeConfigs response.
    pub fn code(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::DynamicBroker => 2,
            Self::DynamicDefaultBroker => 3,
            Self::StaticBroker => 4,
            Self::Default => 5,
            Self::DynamicBrokerLogger => 6,
            Self::ClientMetrics => 7,
        }
    }

    /// Kafka's name, as its tools print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topic => "DYNAMIC_TOPIC_CONFIG",
            Self::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            Self::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Self::StaticBroker => "STATIC_BROKER_CONFIG",
            Self::Default => "DEFAULT_CONFIG",
            Self::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
            Self::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        }
    }
}

impl From<Origin> for ConfigSource {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::File | Origin::Override => Self::StaticBroker,
            Origin::DynamicDefault => Self::DynamicDefaultBroker,
            Origin::DynamicBroker => Self::DynamicBroker,
            Origin::Entity => Self::Topic,
        }
    }
}

/// One value that a property has in some layer under some name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synonym {
    /// Name it is set under.
    pub name: String,
    /// Its text; `None` for a secret.
    pub value: Option<String>,
    /// Its layer.
    pub source: ConfigSource,
}

/// What DescribeConfigs says of one property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Property as written in a file.
    pub name: String,
    /// The value that counts; `None` for null and for a secret.
    pub value: Option<String>,
    /// Where it came from.
    pub source: ConfigSource,
    /// Whether it is a secret. A property nobody knows counts as one.
    pub is_sensitive: bool,
    /// Whether it only changes with a restart.
    pub is_read_only: bool,
    /// What kind of value it is; `None` if nobody knows the property.
    pub kind: Option<ConfigType>,
    /// Every value it has, the winner first.
    pub synonyms: Vec<Synonym>,
    /// What it is for; `None` if nobody knows the property.
    pub documentation: Option<String>,
}

impl Described {
    /// Number of the kind in a DescribeConfigs response; 0 for unknown.
    pub fn kind_code(&self) -> i8 {
        self.kind.map_or(0, ConfigType::code)
    }
}

/// Every property of a broker whose current configuration, dynamic layers included, is `current`: all rows, and
/// whatever else was set.
pub fn describe_broker(current: &BrokerConfig) -> Vec<Described> {
    let is_given = |name: &str| current.given.text(name).is_some();
    let rows = broker_rows().iter().filter(|row| !row.internal || is_given(row.name)).map(|row| row.name);
    let others = current.given.iter().map(|(name, _)| name).filter(|name| !is_row(name));
    rows.chain(others).map(|name| describe_broker_property(current, name)).collect()
}

/// What is set for all brokers while running, as DescribeConfigs answers for the broker without a name.
pub fn describe_broker_default(current: &BrokerConfig) -> Vec<Described> {
    let is_default = |synonym: &Synonym| synonym.source == ConfigSource::DynamicDefaultBroker;
    current
        .given
        .iter()
        .filter_map(|(name, _)| {
            let mut described = describe_broker_property(current, name);
            described.synonyms.retain(is_default);
            let winner = described.synonyms.first()?;
            described.value.clone_from(&winner.value);
            described.source = winner.source;
            Some(described)
        })
        .collect()
}

/// Every property of a topic on a broker whose current configuration is `current`.
pub fn describe_topic(current: &BrokerConfig, topic: &TopicConfig) -> Vec<Described> {
    let fallback = TopicConfig::of_broker(current).texts();
    debug_assert_eq!(fallback.len(), topic_rows().len());
    fallback.into_iter().map(|(row, inherited)| describe_topic_row(current, topic, row, inherited)).collect()
}

fn is_row(name: &str) -> bool {
    broker_rows().iter().any(|row| row.name == name)
}

fn describe_broker_property(current: &BrokerConfig, name: &str) -> Described {
    let row = broker_row(name).filter(|row| !OF_THE_AUTHORIZER.contains(&row.name));
    let is_sensitive = row.is_none_or(Row::is_sensitive);
    let text = current.given.text(name).map(|text| canonical(row, text));
    let value = text.or_else(|| row.and_then(default_text));
    let synonyms = broker_synonyms(current, name, is_sensitive);
    Described {
        name: name.to_owned(),
        value: value.filter(|_| !is_sensitive),
        source: synonyms.first().map_or(ConfigSource::Default, |winner| winner.source),
        is_sensitive,
        is_read_only: !row.is_some_and(|row| row.name == name && row.update != UpdateMode::ReadOnly),
        kind: row.map(|row| row.kind),
        synonyms,
        documentation: row.map(Row::doc_line),
    }
}

fn describe_topic_row(
    current: &BrokerConfig,
    topic: &TopicConfig,
    row: &'static Row,
    inherited: Option<String>,
) -> Described {
    let own = topic.own(row.name).map(|text| canonical(topic_row(row.name), text));
    let mut synonyms: Vec<Synonym> = own
        .iter()
        .map(|text| Synonym { name: row.name.to_owned(), value: Some(text.clone()), source: ConfigSource::Topic })
        .collect();
    if let Some(broker_name) = row.synonyms.first() {
        synonyms.extend(broker_synonyms(current, broker_name, row.is_sensitive()));
    }
    Described {
        name: row.name.to_owned(),
        value: own.or(inherited),
        source: synonyms.first().map_or(ConfigSource::Default, |winner| winner.source),
        is_sensitive: row.is_sensitive(),
        is_read_only: false,
        kind: Some(row.kind),
        synonyms,
        documentation: Some(row.doc_line()),
    }
}

/// Every value of a broker property under all its names, strongest layer first. Values under other names that come
/// before the first under this one do not count for it.
fn broker_synonyms(current: &BrokerConfig, name: &str, is_sensitive: bool) -> Vec<Synonym> {
    const STRONGEST_FIRST: [&[Origin]; 3] =
        [&[Origin::DynamicBroker], &[Origin::DynamicDefault], &[Origin::Override, Origin::File]];
    let names = names_of(name);
    let synonym = |name: &str, text: &str, source| Synonym {
        name: name.to_owned(),
        value: (!is_sensitive).then(|| text.to_owned()),
        source,
    };
    let mut synonyms = Vec::new();
    for layer in STRONGEST_FIRST {
        for name in &names {
            let set = current.given.layers(name).iter().rev().find(|(origin, _)| layer.contains(origin));
            synonyms.extend(set.map(|(origin, text)| synonym(name, text, ConfigSource::from(*origin))));
        }
    }
    for name in &names {
        let row = broker_rows().iter().find(|row| row.name == *name && !row.internal);
        synonyms.extend(row.and_then(default_text).map(|text| synonym(name, &text, ConfigSource::Default)));
    }
    synonyms.into_iter().skip_while(|synonym| synonym.name != name).collect()
}

/// All names of one setting: finer and coarser units, or the plain name behind a listener's prefix.
fn names_of(name: &str) -> Vec<&str> {
    match broker_row(name) {
        Some(row) if row.name == name && !row.synonyms.is_empty() => row.synonyms.to_vec(),
        _ => match listeners::base_name(name) {
            Some(base) => vec![name, base],
            None => vec![name],
        },
    }
}

fn default_text(row: &'static Row) -> Option<String> {
    row.default.map(|text| canonical(Some(row), text))
}

/// Texts here were parsed before, so the fallback is never needed; it keeps a stranger's text from stopping us.
fn canonical(row: Option<&Row>, text: &str) -> String {
    row.and_then(|row| row.canonical(text).ok()).unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
#[path = "effective/tests.rs"]
mod tests;
