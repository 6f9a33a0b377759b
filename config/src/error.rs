//! What can be wrong with a property, said in Kafka's words so that an operator finds the place at once.
//! Never carries the text of a password. Source of the wording: `ConfigException` in Kafka 3.9.

use std::path::PathBuf;

/// Everything that keeps a configuration from being used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One value does not parse or is out of bounds.
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Invalid {
        /// Property as written in the file.
        name: String,
        /// Its text; `[hidden]` for a password.
        value: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A property that must be given is not.
    #[error("Missing required configuration `{0}` which has no default value.")]
    Missing(&'static str),
    /// Values that are right alone and wrong together.
    #[error("{0}")]
    Conflict(String),
    /// Kafka knows this property, this broker refuses it.
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Unsupported {
        /// Property as written in the file.
        name: &'static str,
        /// Its text.
        value: String,
        /// Why it is refused and what to do.
        reason: &'static str,
    },
    /// A topic property nobody knows.
    #[error("Unknown topic config name: {0}")]
    UnknownTopicConfig(String),
    /// A user, client or address quota nobody knows.
    #[error("Unknown Dynamic Configuration: {0}.")]
    UnknownQuota(String),
    /// Starting would weaken what these properties ask for: their effect is not built yet.
    #[error("refusing to start, because these properties ask for protection this broker does not give yet:\n{}", .0.join("\n"))]
    NotBuilt(Vec<String>),
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a properties file.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file asked for.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
}

impl Error {
    /// An [`Error::Invalid`]; `value` is shown as it is.
    pub fn invalid(name: impl Into<String>, value: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { name: name.into(), value: value.into(), reason: reason.into() }
    }
}
