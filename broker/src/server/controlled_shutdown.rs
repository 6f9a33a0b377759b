//! Asks the controller to move leadership away before this broker stops.
//! Source: contract 2.11 and 3.3; `KafkaServer.controlledShutdown`.

use std::time::Duration;

use client::Connection;
use client::connection::Options;
use config::MetadataVersion;
use wire::ErrorCode;
use wire::messages::{ControlledShutdownRequest, ControlledShutdownResponse};

use crate::broker::Broker;
use crate::zk::Zk;

/// Asks as often as the configuration says; a broker that is not let go stops all the same.
pub(super) async fn run(broker: &Broker, zk: &Zk) {
    let config = broker.config();
    // Without a partition here there is nothing to move, and perhaps no controller known yet to ask.
    let hosts_any = broker.replicas.as_ref().is_some_and(|replicas| replicas.counts().partitions != 0);
    if !config.controlled_shutdown_enable || !hosts_any {
        return;
    }
    let pause = Duration::from_millis(u64::try_from(config.controlled_shutdown_retry_backoff_ms).unwrap_or(0));
    for left in (0..=config.controlled_shutdown_max_retries.max(0)).rev() {
        match ask(broker, zk).await {
            Ok(()) => {
                return tracing::info!(target: super::LOGGER, "Controlled shutdown request returned successfully");
            }
            Err(why) => tracing::info!(target: super::LOGGER, "controlled shutdown: {why}; {left} attempts left"),
        }
        if 0 < left {
            tokio::time::sleep(pause).await;
        }
    }
    tracing::warn!(target: super::LOGGER, "Proceeding to do an unclean shutdown as all the controlled shutdown attempts failed");
}

async fn ask(broker: &Broker, zk: &Zk) -> Result<(), String> {
    let config = broker.config();
    let address = controller_address(broker, zk).await?;
    let mut options = Options { client_id: broker.broker_id.to_string(), ..Options::default() };
    options.request_timeout =
        Duration::from_millis(u64::try_from(config.controller_socket_timeout_ms).unwrap_or(30_000));
    let connection = Connection::plain(&address, &options).await.map_err(|error| error.to_string())?;
    let version = version(config.ibp());
    let mut request = ControlledShutdownRequest::default();
    request.broker_id = wire::messages::BrokerId(broker.broker_id.0);
    if 2 <= version {
        request.broker_epoch = broker.fencing.broker_epoch().0;
    }
    let response: ControlledShutdownResponse =
        connection.call_at(version, &request).await.map_err(|error| error.to_string())?;
    match ErrorCode::from_code(response.error_code) {
        ErrorCode::None if response.remaining_partitions.is_empty() => Ok(()),
        ErrorCode::None => Err(format!("{} partitions are still led here", response.remaining_partitions.len())),
        code => Err(format!("the controller says {}", code.name())),
    }
}

async fn controller_address(broker: &Broker, zk: &Zk) -> Result<String, String> {
    let snapshot = broker.metadata.snapshot();
    // The registration in ZooKeeper is newer than what UpdateMetadata told, if the controller has just changed.
    let id = match tokio::time::timeout(Duration::from_secs(1), zk.controller()).await {
        Ok(Ok(Some(controller))) => controller.broker,
        _ => snapshot.controller_id.ok_or("there is no controller")?,
    };
    let listener = broker.config().inter_broker_listener_name();
    let endpoint = snapshot.endpoint(id, &listener).ok_or(format!("controller {id} has no known address"))?;
    Ok(if endpoint.host.contains(':') {
        format!("[{}]:{}", endpoint.host, endpoint.port)
    } else {
        format!("{}:{}", endpoint.host, endpoint.port)
    })
}

fn version(ibp: MetadataVersion) -> i16 {
    if ibp.at_least(MetadataVersion::IBP_2_4_IV1) {
        3
    } else if ibp.at_least(MetadataVersion::IBP_2_2_IV0) {
        2
    } else {
        i16::from(ibp.at_least(MetadataVersion::IBP_0_9_0))
    }
}
