//! The Prometheus endpoint. Off unless asked for; the only file that names the exporter.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};

use super::names::ALL;
use super::{IS_EXPORTED, Kind};

/// The endpoint cannot be offered.
#[derive(Debug, thiserror::Error)]
#[error("offer metrics at {address}")]
pub struct Error {
    address: SocketAddr,
    source: BuildError,
}

/// Offers metrics at `http://address/metrics`. Call once, inside the runtime, before the first request.
///
/// # Errors
/// [`Error`] if the address is taken.
pub fn listen(address: SocketAddr) -> Result<(), Error> {
    let installed = PrometheusBuilder::new().with_http_listener(address).install();
    installed.map_err(|source| Error { address, source })?;
    let _ = IS_EXPORTED.set(());
    for metric in ALL {
        let meaning = format!("{} ({})", metric.meaning, metric.unit);
        match metric.kind {
            Kind::Counter => ::metrics::describe_counter!(metric.name, meaning),
            Kind::Gauge => ::metrics::describe_gauge!(metric.name, meaning),
            Kind::Histogram => ::metrics::describe_histogram!(metric.name, meaning),
        }
    }
    Ok(())
}
