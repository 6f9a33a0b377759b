//! The properties of a server, under ZooKeeper's own names and with its defaults.
//! Never fails on a key it does not know; it logs it.
//! Source: ZooKeeper 3.8 Administrator's Guide, "Configuration Parameters".

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Everything a server can be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect: `clientPortAddress` and `clientPort`. Port 0 takes any free one.
    pub client_address: SocketAddr,
    /// Where snapshots and logs lie.
    pub data_dir: PathBuf,
    /// ZooKeeper's unit of time, in milliseconds.
    pub tick_time_ms: i32,
    /// Connections from one address; 0 is no bound.
    pub max_client_connections: usize,
    /// Connections in all; 0 is no bound.
    pub max_connections: usize,
    /// Shortest session timeout, in milliseconds.
    pub min_session_timeout_ms: i32,
    /// Longest session timeout, in milliseconds.
    pub max_session_timeout_ms: i32,
    /// Four-letter words that are answered; `*` is all.
    pub four_letter_words: Vec<String>,
    /// Longest packet, in bytes.
    pub packet_bytes_max: usize,
    /// Transactions between two snapshots.
    pub snap_count: usize,
    /// Snapshots kept.
    pub snap_retain_count: usize,
    /// How often containers and TTL nodes are looked through, in milliseconds.
    pub container_check_interval_ms: u64,
    /// Digest (`user:base64`) whose bearer passes every ACL.
    pub super_digest: Option<String>,
    /// Where the admin server answers over HTTP, if it does.
    pub admin_address: Option<SocketAddr>,
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no properties file.
    #[error("{}: {source}", path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Why.
        source: java_properties::PropertiesError,
    },
    /// A needed key is missing.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A value cannot be what it says.
    #[error("{key}: {value:?} is not {expected}")]
    Value {
        /// Whose.
        key: String,
        /// What it says.
        value: String,
        /// What it should say.
        expected: &'static str,
    },
    /// The file describes an ensemble.
    #[error("{0}: this is a one-node server; use Apache ZooKeeper for an ensemble")]
    Ensemble(String),
}

impl Config {
    /// A server on any free port of this machine, with everything else as ZooKeeper has it and no admin server.
    pub fn new(data_dir: impl Into<PathBuf>) -> Config {
        Config {
            client_address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: data_dir.into(),
            tick_time_ms: 3000,
            max_client_connections: 60,
            max_connections: 0,
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 60_000,
            four_letter_words: vec!["srvr".to_owned()],
            packet_bytes_max: 0xf_ffff,
            snap_count: 100_000,
            snap_retain_count: 3,
            container_check_interval_ms: 60_000,
            super_digest: None,
            admin_address: None,
        }
    }

    /// Reads a properties file.
    ///
    /// # Errors
    /// If it cannot be read, or says something impossible.
    pub fn load(path: &Path) -> Result<Config, Error> {
        let file = std::fs::File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        let properties =
            java_properties::read(file).map_err(|source| Error::Syntax { path: path.to_owned(), source })?;
        Config::from_map(properties.into_iter().collect())
    }

    /// Takes properties by name.
    ///
    /// # Errors
    /// If one says something impossible, or `dataDir` or `clientPort` is missing.
    pub fn from_map(map: BTreeMap<String, String>) -> Result<Config, Error> {
        let mut properties = Properties { map };
        let data_dir = properties.text("dataDir").ok_or(Error::Missing("dataDir"))?;
        let port: u16 = properties.number("clientPort", "a port")?.ok_or(Error::Missing("clientPort"))?;
        let address = properties.number("clientPortAddress", "an address")?.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let mut config = Config::new(data_dir);
        config.client_address = SocketAddr::new(address, port);
        let millis = "a number of milliseconds";
        set(&mut config.tick_time_ms, properties.positive("tickTime", millis)?);
        config.min_session_timeout_ms = config.tick_time_ms.saturating_mul(2);
        config.max_session_timeout_ms = config.tick_time_ms.saturating_mul(20);
        // ZooKeeper takes -1 for "not set" in both.
        set(&mut config.min_session_timeout_ms, properties.positive_unless_minus_one("minSessionTimeout", millis)?);
        set(&mut config.max_session_timeout_ms, properties.positive_unless_minus_one("maxSessionTimeout", millis)?);
        if config.max_session_timeout_ms < config.min_session_timeout_ms {
            let value = config.max_session_timeout_ms.to_string();
            return Err(Error::Value {
                key: "maxSessionTimeout".to_owned(),
                value,
                expected: "above minSessionTimeout",
            });
        }
        set(&mut config.max_client_connections, properties.number("maxClientCnxns", "a number of connections")?);
        set(&mut config.max_connections, properties.number("maxCnxns", "a number of connections")?);
        set(&mut config.packet_bytes_max, properties.number("jute.maxbuffer", "a number of bytes")?);
        set(&mut config.snap_count, properties.positive("snapCount", "a number of transactions")?);
        set(&mut config.snap_retain_count, properties.positive("autopurge.snapRetainCount", "a number of snapshots")?);
        set(&mut config.container_check_interval_ms, properties.positive("znode.container.checkIntervalMs", millis)?);
        if let Some(words) = properties.text("4lw.commands.whitelist") {
            config.four_letter_words = words.split(',').map(|word| word.trim().to_owned()).collect();
        }
        config.super_digest = properties.text("DigestAuthenticationProvider.superDigest");
        config.admin_address = properties.admin_address()?;
        properties.finish()?;
        Ok(config)
    }

    /// The session timeout agreed with a client that asks for this one, in milliseconds.
    pub fn session_timeout_ms(&self, asked_ms: i32) -> i32 {
        asked_ms.clamp(self.min_session_timeout_ms, self.max_session_timeout_ms)
    }

    /// Whether a four-letter word is answered.
    pub fn answers(&self, word: &str) -> bool {
        self.four_letter_words.iter().any(|allowed| allowed == "*" || allowed == word)
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

struct Properties {
    map: BTreeMap<String, String>,
}

impl Properties {
    /// A key may be written as a system property of Apache ZooKeeper is.
    fn text(&mut self, key: &str) -> Option<String> {
        let prefixed = self.map.remove(&format!("zookeeper.{key}"));
        let value = self.map.remove(key).or(prefixed)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn number<T: std::str::FromStr>(&mut self, key: &str, expected: &'static str) -> Result<Option<T>, Error> {
        let Some(value) = self.text(key) else { return Ok(None) };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Error::Value { key: key.to_owned(), value, expected }),
        }
    }

    fn positive<T: std::str::FromStr + PartialOrd + Default + std::fmt::Display>(
        &mut self,
        key: &str,
        expected: &'static str,
    ) -> Result<Option<T>, Error> {
        match self.number::<T>(key, expected)? {
            Some(number) if number <= T::default() => {
                Err(Error::Value { key: key.to_owned(), value: number.to_string(), expected })
            }
            number => Ok(number),
        }
    }

    fn positive_unless_minus_one(&mut self, key: &str, expected: &'static str) -> Result<Option<i32>, Error> {
        if self.map.get(key).is_some_and(|value| value.trim() == "-1") {
            self.map.remove(key);
        }
        self.positive(key, expected)
    }

    /// Like Apache ZooKeeper's, the admin server is on port 8080 unless it is turned off.
    fn admin_address(&mut self) -> Result<Option<SocketAddr>, Error> {
        let enabled = self.number("admin.enableServer", "true or false")?.unwrap_or(true);
        let port = self.number("admin.serverPort", "a port")?.unwrap_or(8080);
        let address: IpAddr = self.number("admin.serverAddress", "an address")?.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        Ok(enabled.then_some(SocketAddr::new(address, port)))
    }

    fn finish(self) -> Result<(), Error> {
        // These matter to an ensemble, or to what this server always does.
        const WITHOUT_EFFECT: [&str; 6] =
            ["initLimit", "syncLimit", "autopurge.purgeInterval", "preAllocSize", "standaloneEnabled", "dataLogDir"];
        for (key, value) in self.map {
            if key.strip_prefix("server.").is_some_and(|id| id.bytes().all(|digit| digit.is_ascii_digit())) {
                return Err(Error::Ensemble(format!("{key}={value}")));
            }
            if WITHOUT_EFFECT.contains(&key.as_str()) {
                tracing::info!(key, value, "this property has no effect on a one-node server");
            } else {
                tracing::warn!(key, value, "unknown property");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[(&str, &str)]) -> Result<Config, Error> {
        let base = [("dataDir", "/tmp/zookeeper"), ("clientPort", "2181")];
        let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        Config::from_map(base.iter().chain(lines).map(owned).collect())
    }

    #[test]
    fn kafkas_own_file_is_understood() {
        let config = parse(&[("maxClientCnxns", "0"), ("admin.enableServer", "false")]).unwrap();
        assert_eq!(config.client_address, "0.0.0.0:2181".parse().unwrap());
        assert_eq!((config.max_client_connections, config.admin_address), (0, None));
        assert_eq!((config.min_session_timeout_ms, config.max_session_timeout_ms), (6_000, 60_000));
    }

    #[test]
    fn session_timeouts_follow_the_tick_unless_set() {
        let config =
            parse(&[("tickTime", "500"), ("maxSessionTimeout", "90000"), ("minSessionTimeout", "-1")]).unwrap();
        assert_eq!(config.session_timeout_ms(1), 1_000);
        assert_eq!(config.session_timeout_ms(100_000), 90_000);
    }

    #[test]
    fn unknown_keys_are_taken_and_ensembles_are_not() {
        assert!(parse(&[("no.such.key", "1"), ("initLimit", "5")]).is_ok());
        assert!(matches!(parse(&[("server.1", "a:2888:3888")]), Err(Error::Ensemble(_))));
    }

    #[test]
    fn impossible_values_name_their_key() {
        let error = parse(&[("tickTime", "soon")]).unwrap_err().to_string();
        assert_eq!(error, "tickTime: \"soon\" is not a number of milliseconds");
        assert!(parse(&[("tickTime", "0")]).is_err());
        assert!(matches!(Config::from_map(BTreeMap::new()), Err(Error::Missing("dataDir"))));
    }
}
