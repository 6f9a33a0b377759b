//! `/controller`: which broker is the controller. Ephemeral, except while a KRaft controller has taken over.
//! Source: `kafka.zk.ControllerZNode`.

use crate::BrokerId;
use crate::json::{Document, Error, Json};

const NODE: &str = "/controller";

/// Content of `/controller`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Controller {
    /// The broker (or KRaft controller) in charge.
    pub broker: BrokerId,
    /// Epoch of a KRaft controller that took over in a migration; negative or absent for a ZooKeeper controller.
    pub kraft_controller_epoch: Option<i32>,
}

impl Controller {
    /// A ZooKeeper-mode controller.
    #[must_use]
    pub fn new(broker: BrokerId) -> Self {
        Self { broker, kraft_controller_epoch: Some(-1) }
    }

    /// Whether a KRaft controller has taken over: brokers must neither elect nor write configs.
    #[must_use]
    pub fn is_kraft(&self) -> bool {
        self.kraft_controller_epoch.is_some_and(|epoch| 0 <= epoch)
    }

    /// The bytes to write; always version 2.
    #[must_use]
    pub fn encode(&self, timestamp_ms: i64) -> Vec<u8> {
        Json::object([
            ("version", 2.into()),
            ("brokerid", self.broker.into()),
            ("timestamp", timestamp_ms.to_string().into()),
            ("kraftControllerEpoch", self.kraft_controller_epoch.unwrap_or(-1).into()),
        ])
        .encode()
    }

    /// Reads versions 1 and 2. Like Kafka, asks for `brokerid` alone.
    ///
    /// # Errors
    /// What is wrong with the content.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let document = Document::parse(NODE, bytes)?;
        let object = document.object()?;
        Ok(Self {
            broker: BrokerId(object.require("brokerid")?.int()?),
            kraft_controller_epoch: object.get("kraftControllerEpoch").map(|field| field.int()).transpose()?,
        })
    }
}
