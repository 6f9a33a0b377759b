//! What can go wrong between asking and being answered.

use std::time::Duration;

use wire::{ApiKey, DecodeError, EncodeError, ErrorCode};

/// A call that gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection could not be made.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// `host:port`.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The connection ended, by either side, while an answer was awaited.
    #[error("{address}: the connection was closed before {api} was answered")]
    Disconnected {
        /// `host:port`.
        address: String,
        /// What was asked.
        api: ApiKey,
    },
    /// No answer in time. The connection is given up with it, since a late answer would be of unknown use.
    #[error("{address}: no answer to {api} within {after:?}")]
    TimedOut {
        /// `host:port`.
        address: String,
        /// What was asked.
        api: ApiKey,
        /// How long was waited.
        after: Duration,
    },
    /// The broker serves no version of this API that we speak.
    #[error("{address} does not serve {api} in a version known here")]
    Unsupported {
        /// `host:port`.
        address: String,
        /// What was to be asked.
        api: ApiKey,
    },
    /// A message that cannot be written in the version agreed on.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Bytes that are not the answer they should be.
    #[error("{address}: {source}")]
    Decode {
        /// `host:port`.
        address: String,
        /// Why.
        source: DecodeError,
    },
    /// None of the bootstrap addresses could be used.
    #[error("no broker answers among {bootstrap}: {last}")]
    NoBroker {
        /// The addresses tried.
        bootstrap: String,
        /// What the last one said.
        last: Box<Self>,
    },
    /// An address that is not `host:port`.
    #[error("'{0}' is not an address of the form host:port")]
    BadAddress(String),
    /// A broker id that is not in the cluster (any more).
    #[error("broker {0} is not in the cluster")]
    UnknownBroker(i32),
    /// Records that are not what a log may hold.
    #[error("{what}: {source}")]
    Corrupt {
        /// Where.
        what: String,
        /// Why.
        source: record::Error,
    },
    /// The broker answered with an error.
    #[error("{what}: {} ({code})", message.as_deref().unwrap_or(code.message()))]
    Broker {
        /// What was asked, of what.
        what: String,
        /// Kafka's error.
        code: ErrorCode,
        /// The broker's own words, if any.
        message: Option<String>,
    },
}

impl Error {
    /// Wraps an error code of a response; `what` says what was asked, of what.
    #[must_use]
    pub fn broker(what: impl Into<String>, code: ErrorCode, message: Option<&str>) -> Self {
        Self::Broker { what: what.into(), code, message: message.map(str::to_owned) }
    }

    /// Whether the same call may succeed a little later, on this or a new connection.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Disconnected { .. } | Self::TimedOut { .. } | Self::NoBroker { .. } => true,
            Self::Broker { code, .. } => code.is_retriable(),
            Self::UnknownBroker(_) => true,
            Self::Unsupported { .. }
            | Self::Encode(_)
            | Self::Decode { .. }
            | Self::BadAddress(_)
            | Self::Corrupt { .. } => false,
        }
    }

    /// What Java's clients would say: the broker's own words or the code's, without what was asked.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Broker { code, message, .. } => message.clone().unwrap_or_else(|| code.message().to_owned()),
            other => other.to_string(),
        }
    }

    /// Kafka's error code, if a broker gave one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Broker { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// Turns a response's error code into a result; `what` is only worked out for an error.
///
/// # Errors
/// [`Error::Broker`] unless `code` is 0.
pub fn check(code: i16, message: Option<&str>, what: impl FnOnce() -> String) -> Result<(), Error> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        code => Err(Error::broker(what(), code, message)),
    }
}
