//! `/config/<type>/<name>`: config overrides of topics, brokers, clients, users and addresses; all values are strings.
//! Knows no property names. Source: `kafka.zk.ConfigEntityZNode`, `kafka.server.ConfigHandler`.

use std::collections::BTreeMap;
use std::fmt;

use crate::java_order;
use crate::json::{Document, Error, Json, Object};
use crate::sanitize::{desanitize, sanitize};
use crate::{BrokerId, TopicName, paths};

/// The name that stands for "all others" of a type.
pub const DEFAULT: &str = "<default>";

/// Whose config a node holds. `None` is the default entity of the type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigEntity {
    /// A topic.
    Topic(TopicName),
    /// A broker, or all.
    Broker(Option<BrokerId>),
    /// A client id.
    Client(Option<String>),
    /// A user.
    User(Option<String>),
    /// A client id of a user.
    UserClient {
        /// The user.
        user: Option<String>,
        /// The client id.
        client: Option<String>,
    },
    /// An address.
    Ip(Option<String>),
}

/// The text is not `<type>/<name>` of an entity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the path of a config entity")]
pub struct InvalidEntity(pub String);

impl ConfigEntity {
    /// The node's path.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{self}", paths::CONFIG)
    }

    /// Reads what change notifications carry, such as `topics/t` or `users/u/clients/c`.
    ///
    /// # Errors
    /// If the text is no such path.
    pub fn parse(text: &str) -> Result<Self, InvalidEntity> {
        let invalid = || InvalidEntity(text.to_owned());
        let name = |name: &str| -> Result<Option<String>, InvalidEntity> {
            if name == DEFAULT { Ok(None) } else { desanitize(name).map(Some).map_err(|_| invalid()) }
        };
        let parts: Vec<&str> = text.split('/').collect();
        Ok(match parts.as_slice() {
            ["topics", topic] => Self::Topic(TopicName::new(topic)),
            ["brokers", DEFAULT] => Self::Broker(None),
            ["brokers", id] => Self::Broker(Some(BrokerId(id.parse().map_err(|_| invalid())?))),
            ["clients", client] => Self::Client(name(client)?),
            ["users", user] => Self::User(name(user)?),
            ["users", user, "clients", client] => Self::UserClient { user: name(user)?, client: name(client)? },
            ["ips", ip] => Self::Ip(name(ip)?),
            _ => return Err(invalid()),
        })
    }
}

/// `<type>/<name>` as notifications carry it.
impl fmt::Display for ConfigEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |name: &Option<String>| name.as_deref().map_or_else(|| DEFAULT.to_owned(), sanitize);
        match self {
            Self::Topic(topic) => write!(f, "topics/{topic}"),
            Self::Broker(None) => write!(f, "brokers/{DEFAULT}"),
            Self::Broker(Some(id)) => write!(f, "brokers/{id}"),
            Self::Client(client) => write!(f, "clients/{}", name(client)),
            Self::User(user) => write!(f, "users/{}", name(user)),
            Self::UserClient { user, client } => write!(f, "users/{}/clients/{}", name(user), name(client)),
            Self::Ip(ip) => write!(f, "ips/{}", ip.as_deref().unwrap_or(DEFAULT)),
        }
    }
}

/// Overrides by property name.
pub type Config = BTreeMap<String, String>;

/// The bytes to write.
#[must_use]
pub fn encode(config: &Config) -> Vec<u8> {
    let entries = config.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    Json::object([("version", 1.into()), ("config", Json::Object(java_order::properties(entries)))]).encode()
}

/// Reads a node's overrides; a node without data has none.
///
/// # Errors
/// What is wrong with the content.
pub fn decode(bytes: &[u8]) -> Result<Config, Error> {
    if bytes.is_empty() {
        return Ok(Config::new());
    }
    let document = Document::parse("/config/<type>/<name>", bytes)?;
    let object = document.object()?;
    if object.get("version").is_some() {
        object.version(1..=1)?;
    }
    let config = object.get("config").map(|field| field.object()).transpose()?;
    config.iter().flat_map(Object::iter).map(|(key, field)| Ok((key.to_owned(), field.text()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_survive_their_path() {
        for text in [
            "topics/t",
            "brokers/1",
            "brokers/<default>",
            "clients/<default>",
            "clients/a%20b",
            "users/alice%20smith/clients/app-1",
            "users/<default>",
            "users/<default>/clients/<default>",
            "ips/127.0.0.1",
            "ips/<default>",
        ] {
            let entity = ConfigEntity::parse(text).unwrap();
            assert_eq!(entity.to_string(), text);
            assert_eq!(entity.path(), format!("/config/{text}"));
        }
        assert!(ConfigEntity::parse("topics").is_err());
        assert!(ConfigEntity::parse("brokers/x").is_err());
        assert!(ConfigEntity::parse("users/u/clients").is_err());
    }

    #[test]
    fn values_must_be_strings_and_the_version_one() {
        assert!(decode(br#"{"version":1,"config":{"retention.ms":1000}}"#).is_err());
        assert!(decode(br#"{"version":2,"config":{}}"#).is_err());
        assert_eq!(decode(b"").unwrap(), Config::new());
    }
}
