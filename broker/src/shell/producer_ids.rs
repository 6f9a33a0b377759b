//! Gives out producer ids, block by block: blocks come from the controller, or straight from ZooKeeper where brokers
//! are too old for the controller to hand them out. An id is never given twice.
//! Source: contract 1.3 `/latest_producer_id_block`, 2.14; `RPCProducerIdManager`, `ZkProducerIdManager`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use wire::ErrorCode;
use wire::messages::{self, AllocateProducerIdsRequest};
use zk_schema::{BrokerId, ProducerId};

use super::controller_client::ControllerClient;
use crate::metadata::Fencing;
use crate::zk::Zk;

/// How long a client may wait for a block.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pause before the controller is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Where blocks come from.
pub enum Source {
    /// The controller: from inter-broker protocol 3.0 on.
    Controller(Arc<ControllerClient>),
    /// ZooKeeper.
    ZooKeeper(Zk),
}

/// The ids this broker may give out.
pub struct ProducerIds {
    broker: BrokerId,
    fencing: Arc<Fencing>,
    source: Source,
    /// First id not given out, and first id beyond the block.
    block: Mutex<(i64, i64)>,
}

impl ProducerIds {
    /// No block yet.
    #[must_use]
    pub fn new(broker: BrokerId, fencing: Arc<Fencing>, source: Source) -> Self {
        Self { broker, fencing, source, block: Mutex::new((0, 0)) }
    }

    /// A producer id nobody has.
    ///
    /// # Errors
    /// COORDINATOR_LOAD_IN_PROGRESS if no block comes in time: the client tries again.
    pub async fn next(&self) -> Result<ProducerId, ErrorCode> {
        let next = async {
            let mut block = self.block.lock().await;
            while block.0 == block.1 {
                match self.allocate().await {
                    Ok(allocated) => *block = allocated,
                    Err(why) => {
                        tracing::info!("no block of producer ids yet: {why}");
                        tokio::time::sleep(RETRY_PAUSE).await;
                    }
                }
            }
            let id = ProducerId(block.0);
            block.0 += 1;
            id
        };
        tokio::time::timeout(PATIENCE, next).await.map_err(|_| ErrorCode::CoordinatorLoadInProgress)
    }

    async fn allocate(&self) -> Result<(i64, i64), String> {
        match &self.source {
            Source::Controller(controller) => self.ask(controller).await,
            Source::ZooKeeper(zk) => {
                let block = zk.allocate_producer_ids(self.broker).await.map_err(|error| error.to_string())?;
                Ok((block.first.0, block.last.0 + 1))
            }
        }
    }

    async fn ask(&self, controller: &ControllerClient) -> Result<(i64, i64), String> {
        let mut request = AllocateProducerIdsRequest::default();
        request.broker_id = messages::BrokerId(self.broker.0);
        request.broker_epoch = self.fencing.broker_epoch().0;
        let response = controller.call(&request, i16::MAX).await.map_err(|error| error.to_string())?;
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {
                let first = *response.producer_id_start;
                let end = first.checked_add(i64::from(response.producer_id_len)).filter(|end| first < *end);
                end.map(|end| (first, end)).ok_or_else(|| "the controller gave an empty block".to_owned())
            }
            code => {
                controller.forget().await;
                Err(format!("the controller says {}", code.name()))
            }
        }
    }
}
