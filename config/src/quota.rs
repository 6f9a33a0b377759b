//! The quota rows for users, client ids and addresses, and the credentials kept beside them.
//! Only reads what `/config/users`, `/config/clients` and `/config/ips` hold; counts nothing.
//! Source: `QuotaConfigs` and `DynamicConfig` in Kafka 3.9.

use crate::error::Error;
use crate::sources::{Given, Origin};
use crate::table::{Row, Texts, find};

/// Quotas of a user, a client id, or one inside the other.
mod client {
    use crate::table::{Check, properties};

    properties! {
        /// Quotas of a user, a client id, or a client id of a user. Not set means that the next wider entity decides.
        pub struct ClientQuota;

        /// Bytes a second that may be produced.
        producer_byte_rate: Option<i64> = "producer_byte_rate", null, Check::Any, Medium, ClusterWide, NotYet;
        /// Bytes a second that may be consumed.
        consumer_byte_rate: Option<i64> = "consumer_byte_rate", null, Check::Any, Medium, ClusterWide, NotYet;
        /// Share of one thread's time that requests may take, in percent.
        request_percentage: Option<f64> = "request_percentage", null, Check::Any, Medium, ClusterWide, NotYet;
        /// Partitions a second that may be created or deleted.
        controller_mutation_rate: Option<f64> = "controller_mutation_rate", null,
            Check::Any, Medium, ClusterWide, NotYet;
    }
}

/// Quotas of an address.
mod ip {
    use crate::table::{Check, properties};

    properties! {
        /// Quotas of an address.
        pub struct IpQuota;

        /// Connections a second that are accepted.
        connection_creation_rate: Option<i32> = "connection_creation_rate", null,
            Check::AtLeast(0), Medium, ClusterWide, NotYet;
    }
}

pub use client::ClientQuota;
pub use ip::IpQuota;

/// Names under `/config/users/<user>` that hold SCRAM credentials, not quotas.
pub const SCRAM_MECHANISMS: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];

/// The rows of users and client ids.
pub fn client_quota_rows() -> &'static [Row] {
    client::ROWS
}

/// The rows of addresses.
pub fn ip_quota_rows() -> &'static [Row] {
    ip::ROWS
}

impl ClientQuota {
    /// Reads what one entity's node holds. SCRAM credentials are passed over.
    ///
    /// # Errors
    /// [`Error::UnknownQuota`] or [`Error::Invalid`].
    pub fn parse(texts: &Texts) -> Result<Self, Error> {
        let is_known = |name: &str| find(client::ROWS, name).is_some() || SCRAM_MECHANISMS.contains(&name);
        refuse_unknown(texts, is_known)?;
        Self::defaults().overlaid(Given::of(Origin::Entity, texts))
    }

    /// Whether the entity sets no quota at all.
    pub fn is_empty(&self) -> bool {
        client::ROWS.iter().all(|row| self.given.text(row.name).is_none())
    }
}

impl IpQuota {
    /// Reads what one address's node holds.
    ///
    /// # Errors
    /// [`Error::UnknownQuota`] or [`Error::Invalid`].
    pub fn parse(texts: &Texts) -> Result<Self, Error> {
        refuse_unknown(texts, |name| find(ip::ROWS, name).is_some())?;
        Self::defaults().overlaid(Given::of(Origin::Entity, texts))
    }

    /// Whether the entity sets no quota at all.
    pub fn is_empty(&self) -> bool {
        ip::ROWS.iter().all(|row| self.given.text(row.name).is_none())
    }
}

fn refuse_unknown(texts: &Texts, is_known: impl Fn(&str) -> bool) -> Result<(), Error> {
    match texts.keys().find(|name| !is_known(name)) {
        Some(name) => Err(Error::UnknownQuota(name.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_quota_not_set_stays_open_for_the_wider_entity() {
        let quota = ClientQuota::parse(&texts(&[("producer_byte_rate", "1024")])).unwrap();
        assert_eq!((quota.producer_byte_rate, quota.consumer_byte_rate), (Some(1024), None));
    }

    #[test]
    fn credentials_beside_quotas_are_passed_over() {
        assert!(ClientQuota::parse(&texts(&[("SCRAM-SHA-256", "salt=..,iterations=4096")])).is_ok());
    }

    #[test]
    fn an_unknown_quota_is_refused_by_name() {
        let error = ClientQuota::parse(&texts(&[("bytes", "1")])).unwrap_err();
        assert_eq!(error.to_string(), "Unknown Dynamic Configuration: bytes.");
        assert!(IpQuota::parse(&texts(&[("producer_byte_rate", "1")])).is_err());
    }

    #[test]
    fn an_address_may_be_closed_but_not_below_nothing() {
        assert_eq!(
            IpQuota::parse(&texts(&[("connection_creation_rate", "0")])).unwrap().connection_creation_rate,
            Some(0)
        );
        assert!(IpQuota::parse(&texts(&[("connection_creation_rate", "-1")])).is_err());
    }
}
