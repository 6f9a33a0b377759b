//! What operators watch: every metric by the name Kafka's dashboards know, and where they can be read.
//! Counting costs nothing until an exporter is installed. Only this module names the exporter.
//! Source: contract 6; names follow the usual rules of the JMX exporter (`kafka_server_replicamanager_leadercount`).

mod export;
pub mod names;
mod requests;

use std::sync::OnceLock;

use ::metrics::{Key, Label, Level, Metadata, with_recorder};

pub use ::metrics::{Counter, Gauge, Histogram};
pub use export::{Error, listen};
pub use requests::{Flow, RequestKind, on_records_produced, on_request};

/// Set once an exporter is installed.
static IS_EXPORTED: OnceLock<()> = OnceLock::new();

const METADATA: Metadata<'static> = Metadata::new("broker", Level::INFO, None);

/// Whether anybody can read what is counted.
#[must_use]
pub fn is_exported() -> bool {
    IS_EXPORTED.get().is_some()
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution, shown as quantiles.
    Histogram,
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name in the exporter.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it counts, such as `bytes` or `milliseconds`.
    pub unit: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub meaning: &'static str,
}

impl Metric {
    /// The counter with these label values, in the order of [`Metric::labels`]. Keep it: finding it costs more than
    /// counting. Without an exporter it counts nothing, also later.
    pub fn counter(&self, values: &[&str]) -> Counter {
        with_recorder(|recorder| recorder.register_counter(&self.key(values), &METADATA))
    }

    /// The gauge with these label values.
    pub fn gauge(&self, values: &[&str]) -> Gauge {
        with_recorder(|recorder| recorder.register_gauge(&self.key(values), &METADATA))
    }

    /// The histogram with these label values.
    pub fn histogram(&self, values: &[&str]) -> Histogram {
        with_recorder(|recorder| recorder.register_histogram(&self.key(values), &METADATA))
    }

    /// Sets a gauge without labels: for the ones refreshed every few seconds.
    pub fn set(&self, value: impl ::metrics::IntoF64) {
        if is_exported() {
            self.gauge(&[]).set(value);
        }
    }

    /// Counts one on a counter without labels: for what happens rarely.
    pub fn increment(&self) {
        if is_exported() {
            self.counter(&[]).increment(1);
        }
    }

    fn key(&self, values: &[&str]) -> Key {
        let labels = self.labels.iter().zip(values).map(|(name, value)| Label::new(*name, (*value).to_owned()));
        Key::from_parts(self.name, labels.collect::<Vec<_>>())
    }
}
