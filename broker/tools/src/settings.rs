//! Client properties from files and from `key=value` words, and what they mean to our client.
//! Properties that mean nothing to it are passed over, as Java's clients pass over those they do not know.
//! Source: `AdminClientConfig`, `ProducerConfig` and `ConsumerConfig` of Kafka 3.9 for names, defaults and messages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use client::consumer::{self, OffsetReset};
use client::{ClusterClient, cluster, producer};
use record::{Codec, Compression};

use crate::command::Stop;

/// Client properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Reads a properties file; nothing without one.
    ///
    /// # Errors
    /// [`Stop::Failed`] when it cannot be read.
    pub fn from_file(path: Option<&str>) -> Result<Self, Stop> {
        let Some(path) = path else { return Ok(Self::default()) };
        let failed = |error: &dyn std::fmt::Display| Stop::Failed(format!("{path}: {error}"));
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        let read = java_properties::read(bytes.as_slice()).map_err(|error| failed(&error))?;
        Ok(Self(read.into_iter().collect()))
    }

    /// Adds `key=value` words; a word without `=` gives an empty value.
    pub fn add_words<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            self.set(key, value);
        }
    }

    /// Sets one property.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// Sets one property unless it is set.
    pub fn set_if_missing(&mut self, key: &str, value: impl Into<String>) {
        self.0.entry(key.to_owned()).or_insert_with(|| value.into());
    }

    /// A property as written.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Every property whose name starts so, without that start.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    fn number(&self, key: &str, least: i64, default: i64) -> Result<i64, Stop> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let number: i64 = value.trim().parse().map_err(|_| invalid(key, value, "Not a number of type LONG"))?;
        if number < least {
            return Err(invalid(key, value, &format!("Value must be at least {least}")));
        }
        Ok(number)
    }

    fn millis(&self, key: &str, least: i64, default: i64) -> Result<Duration, Stop> {
        let number = self.number(key, least, default)?;
        Ok(Duration::from_millis(u64::try_from(number).unwrap_or(0)))
    }

    fn small(&self, key: &str, least: i64, default: i32) -> Result<i32, Stop> {
        let number = self.number(key, least, default.into())?;
        i32::try_from(number).map_err(|_| invalid(key, &number.to_string(), "Not a number of type INT"))
    }

    fn boolean(&self, key: &str, default: bool) -> Result<bool, Stop> {
        match self.get(key).map(|value| value.trim().to_ascii_lowercase()).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(value) => Err(invalid(key, value, "Expected value to be either true or false")),
        }
    }

    fn choice<T: Copy>(&self, key: &str, default: T, choices: &[(&str, T)]) -> Result<T, Stop> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let found = choices.iter().find(|(name, _)| *name == value.trim());
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            invalid(key, value, &format!("String must be one of: {}", names.join(", ")))
        })
    }

    /// A client of the cluster at these addresses.
    ///
    /// # Errors
    /// [`Stop::Failed`] for an address or property that makes no sense, or a security protocol we do not speak.
    pub fn cluster(&self, bootstrap: &str, client_id: &str) -> Result<Arc<ClusterClient>, Stop> {
        let protocol = self.get("security.protocol").map_or("PLAINTEXT", str::trim);
        if protocol != "PLAINTEXT" {
            let text =
                format!("security.protocol={protocol} is not supported by these commands yet, only PLAINTEXT is");
            return Err(Stop::Failed(text));
        }
        let mut config = cluster::Config::new(bootstrap).map_err(|error| Stop::Failed(error.to_string()))?;
        config.options.client_id = self.get("client.id").unwrap_or(client_id).to_owned();
        config.options.request_timeout = self.millis("request.timeout.ms", 0, 30_000)?;
        config.options.connect_timeout = self.millis("socket.connection.setup.timeout.ms", 0, 10_000)?;
        // -1 leaves the size to the system.
        let size = |key: &str| Ok::<_, Stop>(usize::try_from(self.number(key, -1, -1)?).ok());
        config.options.send_buffer_bytes = size("send.buffer.bytes")?;
        config.options.receive_buffer_bytes = size("receive.buffer.bytes")?;
        config.retry_for = self.millis("default.api.timeout.ms", 0, 60_000)?;
        Ok(Arc::new(ClusterClient::new(config)))
    }

    /// How a consumer reads.
    ///
    /// # Errors
    /// [`Stop::Failed`] for a value that makes no sense.
    pub fn consumer(&self) -> Result<consumer::Config, Stop> {
        if let Some(strategies) = self.get("partition.assignment.strategy") {
            let is_range = |name: &str| name.trim().rsplit('.').next() == Some("RangeAssignor");
            if !strategies.split(',').any(is_range) {
                let text = format!(
                    "partition.assignment.strategy={strategies} is not supported by these commands yet, only \
                     org.apache.kafka.clients.consumer.RangeAssignor is"
                );
                return Err(Stop::Failed(text));
            }
        }
        let auto_commit = self.boolean("enable.auto.commit", true)?;
        let interval = self.millis("auto.commit.interval.ms", 0, 5000)?;
        Ok(consumer::Config {
            group: self.get("group.id").map(str::to_owned),
            group_instance_id: self.get("group.instance.id").map(str::to_owned),
            offset_reset: self.choice(
                "auto.offset.reset",
                OffsetReset::Latest,
                &[("earliest", OffsetReset::Earliest), ("latest", OffsetReset::Latest), ("none", OffsetReset::None)],
            )?,
            auto_commit: auto_commit.then_some(interval),
            read_committed: self.choice(
                "isolation.level",
                false,
                &[("read_committed", true), ("read_uncommitted", false)],
            )?,
            session_timeout: self.millis("session.timeout.ms", 1, 45_000)?,
            heartbeat_interval: self.millis("heartbeat.interval.ms", 1, 3000)?,
            rebalance_timeout: self.millis("max.poll.interval.ms", 1, 300_000)?,
            fetch_wait: self.millis("fetch.max.wait.ms", 0, 500)?,
            fetch_bytes_min: self.small("fetch.min.bytes", 0, 1)?,
            fetch_bytes_max: self.small("fetch.max.bytes", 0, 50 << 20)?,
            partition_bytes_max: self.small("max.partition.fetch.bytes", 0, 1 << 20)?,
            metadata_max_age: self.millis("metadata.max.age.ms", 0, 300_000)?,
            allow_auto_create_topics: self.boolean("allow.auto.create.topics", true)?,
        })
    }

    /// How a producer sends.
    ///
    /// # Errors
    /// [`Stop::Failed`] for a value that makes no sense.
    pub fn producer(&self) -> Result<producer::Config, Stop> {
        let acks = self.choice("acks", -1, &[("all", -1), ("-1", -1), ("0", 0), ("1", 1)])?;
        let name = self.get("compression.type").unwrap_or("none").trim();
        let choices = "String must be one of: none, gzip, snappy, lz4, zstd";
        let codec = Codec::from_name(name).filter(|_| name != "uncompressed");
        let codec = codec.ok_or_else(|| invalid("compression.type", name, choices))?;
        let retries = self.small("retries", 0, i32::MAX)?;
        // As in Java: on by default, off where other settings rule it out, an error when it was asked for all the same.
        let asked = self.get("enable.idempotence").is_some() && self.boolean("enable.idempotence", true)?;
        let possible = acks == -1 && retries > 0;
        if asked && !possible {
            let text = "Must set acks to all and retries above 0 in order to use the idempotent producer.";
            return Err(Stop::Failed(text.to_owned()));
        }
        let linger = self.millis("linger.ms", 0, 0)?;
        let request_timeout = self.millis("request.timeout.ms", 0, 30_000)?;
        let delivery_timeout = self.millis("delivery.timeout.ms", 0, 120_000)?;
        Ok(producer::Config {
            acks,
            compression: Compression::from(codec),
            linger,
            batch_bytes: usize::try_from(self.number("batch.size", 0, 16_384)?).unwrap_or(16_384),
            request_timeout,
            delivery_timeout: delivery_timeout.max(linger + request_timeout),
            retries: retries.unsigned_abs(),
            retry_backoff: self.millis("retry.backoff.ms", 0, 100)?,
            buffer_bytes: usize::try_from(self.number("buffer.memory", 0, 32 << 20)?).unwrap_or(32 << 20),
            max_block: self.millis("max.block.ms", 0, 60_000)?,
            metadata_max_age: self.millis("metadata.max.age.ms", 0, 300_000)?,
            idempotent: possible && self.boolean("enable.idempotence", true)?,
        })
    }
}

fn invalid(key: &str, value: &str, why: &str) -> Stop {
    Stop::Failed(format!("Invalid value {value} for configuration {key}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(words: &[&str]) -> Settings {
        let mut settings = Settings::default();
        settings.add_words(words.iter().copied());
        settings
    }

    #[test]
    fn words_go_before_the_file_and_may_hold_equals_signs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.properties");
        std::fs::write(&path, "# who\nclient.id = file\ngroup.id=g\n").unwrap();
        let mut settings = Settings::from_file(path.to_str()).unwrap();
        settings.add_words(["client.id=a=b", "empty"]);
        assert_eq!(settings.get("client.id"), Some("a=b"));
        assert_eq!(settings.get("group.id"), Some("g"));
        assert_eq!(settings.get("empty"), Some(""));
        assert!(Settings::from_file(Some("/nonexistent")).is_err());
    }

    #[test]
    fn a_protocol_we_do_not_speak_is_refused_before_connecting() {
        let Err(Stop::Failed(text)) = settings(&["security.protocol=SSL"]).cluster("localhost:9092", "x") else {
            panic!("SSL is not built");
        };
        assert!(text.contains("security.protocol=SSL"), "{text}");
    }

    #[test]
    fn properties_unknown_to_us_are_passed_over() {
        let consumer = settings(&["group.id=g", "no.such.thing=1", "enable.auto.commit=false"]).consumer().unwrap();
        assert_eq!(consumer.group.as_deref(), Some("g"));
        assert_eq!(consumer.auto_commit, None);
    }

    #[test]
    fn idempotence_gives_way_unless_it_was_asked_for() {
        assert!(settings(&[]).producer().unwrap().idempotent);
        assert!(!settings(&["acks=1"]).producer().unwrap().idempotent);
        assert!(settings(&["acks=1", "enable.idempotence=true"]).producer().is_err());
        assert!(settings(&["compression.type=nope"]).producer().is_err());
    }
}
