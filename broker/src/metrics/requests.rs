//! Counts of requests, kept at hand: a request must not cost a look-up by name.

use std::sync::LazyLock;
use std::time::Duration;

use wire::ApiKey;

use super::{Counter, Histogram, is_exported, names};

/// What a request is counted as. Fetches count twice: as Fetch, and by who fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// As its API.
    Plain,
    /// A consumer's Fetch.
    FetchConsumer,
    /// A follower's Fetch.
    FetchFollower,
}

/// Where record bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// From a producer.
    Produced,
    /// To a consumer.
    Consumed,
    /// To a follower.
    ToFollower,
    /// From a leader.
    FromLeader,
}

impl Flow {
    /// Counts record bytes.
    pub fn count(self, bytes: usize) {
        static COUNTERS: LazyLock<[Counter; 4]> = LazyLock::new(|| {
            [&names::BYTES_IN, &names::BYTES_OUT, &names::REPLICATION_BYTES_OUT, &names::REPLICATION_BYTES_IN]
                .map(|metric| metric.counter(&[]))
        });
        if is_exported() {
            let [produced, consumed, to_follower, from_leader] = &*COUNTERS;
            let counter = match self {
                Self::Produced => produced,
                Self::Consumed => consumed,
                Self::ToFollower => to_follower,
                Self::FromLeader => from_leader,
            };
            counter.increment(bytes as u64);
        }
    }
}

/// Counts records produced by clients.
pub fn on_records_produced(count: u64) {
    static PRODUCED: LazyLock<Counter> = LazyLock::new(|| names::MESSAGES_IN.counter(&[]));
    if is_exported() {
        PRODUCED.increment(count);
    }
}

/// Counts an answered request of `bytes` bytes that took `total` from arrival to answer.
pub fn on_request(api: ApiKey, version: i16, kind: RequestKind, bytes: usize, total: Duration) {
    static FETCH_KINDS: LazyLock<[ByName; 2]> =
        LazyLock::new(|| ["FetchConsumer", "FetchFollower"].map(|name| ByName::new(ApiKey::Fetch, name)));
    if !is_exported() {
        return;
    }
    if let Some(counts) = of_api(api) {
        counts.count(version, bytes, total);
    }
    let [consumer, follower] = &*FETCH_KINDS;
    match kind {
        RequestKind::Plain => {}
        RequestKind::FetchConsumer => consumer.count(version, bytes, total),
        RequestKind::FetchFollower => follower.count(version, bytes, total),
    }
}

fn of_api(api: ApiKey) -> Option<&'static ByName> {
    static BY_KEY: LazyLock<Vec<Option<ByName>>> = LazyLock::new(|| {
        let last = ApiKey::ALL.iter().map(|api| api.key()).max().unwrap_or(0);
        (0..=last).map(|key| ApiKey::from_key(key).map(|api| ByName::new(api, api.name()))).collect()
    });
    BY_KEY.get(usize::try_from(api.key()).ok()?)?.as_ref()
}

/// The metrics of one request name.
struct ByName {
    versions: Vec<ByVersion>,
    total_time: Histogram,
    bytes: Histogram,
}

struct ByVersion {
    requests: Counter,
    deprecated: Option<Counter>,
}

impl ByName {
    fn new(api: ApiKey, name: &'static str) -> Self {
        let by_version = |version: i16| {
            let labels = [name, &version.to_string()];
            ByVersion {
                requests: names::REQUESTS.counter(&labels),
                deprecated: api.is_deprecated(version).then(|| names::DEPRECATED_REQUESTS.counter(&labels)),
            }
        };
        Self {
            versions: api.versions().map(by_version).collect(),
            total_time: names::TOTAL_TIME.histogram(&[name]),
            bytes: names::REQUEST_BYTES.histogram(&[name]),
        }
    }

    fn count(&self, version: i16, bytes: usize, total: Duration) {
        if let Some(by_version) = usize::try_from(version).ok().and_then(|version| self.versions.get(version)) {
            by_version.requests.increment(1);
            if let Some(deprecated) = &by_version.deprecated {
                deprecated.increment(1);
            }
        }
        self.total_time.record(total.as_secs_f64() * 1000.0);
        self.bytes.record(u32::try_from(bytes).unwrap_or(u32::MAX));
    }
}
