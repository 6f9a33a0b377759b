//! Elects the controller: one multi creates `/controller` and raises `/controller_epoch`, whose version then guards all
//! that the winner writes. Source: contract 2.1; `KafkaZkClient.registerControllerAndIncrementControllerEpoch`.

use zk_schema::nodes::controller::Controller;
use zk_schema::nodes::controller_epoch;
use zk_schema::{BrokerId, ControllerEpoch, ZkVersion, paths};

use super::request::{MultiOutcome, Op, Stat};
use super::{Error, Zk};

/// How an election ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// This broker is the controller.
    Won {
        /// Goes out with every order.
        controller_epoch: ControllerEpoch,
        /// Version of `/controller_epoch`: guard of every write.
        epoch_version: ZkVersion,
    },
    /// Another is; `None` if it went away again meanwhile (the watch on `/controller` then calls the next election).
    Lost(Option<BrokerId>),
}

impl Zk {
    /// Who is the controller.
    ///
    /// # Errors
    /// What the server said, or what is wrong with the node.
    pub async fn controller(&self) -> Result<Option<Controller>, Error> {
        match self.get(paths::CONTROLLER).await? {
            Some(node) => Ok(Some(Controller::decode(&node.data)?)),
            None => Ok(None),
        }
    }

    /// Stands for election, unless there is a controller. Must be called only while this broker is not the controller:
    /// a `/controller` of its own session is then the leftover of an election whose answer was lost, and is replaced.
    /// So is one of `dead_sessions`, which are known to be ours and of no use any more.
    ///
    /// # Errors
    /// What the server said, or what is wrong with a node.
    pub async fn elect(&self, broker: BrokerId, timestamp_ms: i64, dead_sessions: &[i64]) -> Result<Election, Error> {
        if let Some(found) = self.get(paths::CONTROLLER).await? {
            let controller = Controller::decode(&found.data)?;
            let owner = found.stat.ephemeral_owner;
            let leftover = owner == self.status().session_id || dead_sessions.contains(&owner);
            if owner == 0 || !leftover || controller.is_kraft() {
                return Ok(Election::Lost(Some(controller.broker)));
            }
            tracing::info!("Removing /controller, left behind by our own session {owner:#x}");
            match self.delete(paths::CONTROLLER, Some(found.stat.version)).await {
                Ok(()) | Err(Error::NoNode(_) | Error::BadVersion(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let (epoch, version) = self.controller_epoch().await?;
        let next = ControllerEpoch(epoch.0.saturating_add(1));
        let content = Controller::new(broker).encode(timestamp_ms);
        let raised = controller_epoch::encode(next);
        let ops = [
            Op::Create { path: paths::CONTROLLER, data: &content, ephemeral: true },
            Op::Set { path: paths::CONTROLLER_EPOCH, data: &raised, expected: Some(version.0) },
        ];
        match self.multi(&ops).await? {
            MultiOutcome::Done(stats) => {
                let version = stats.last().copied().flatten().map_or(version.0 + 1, |stat: Stat| stat.version);
                Ok(Election::Won { controller_epoch: next, epoch_version: ZkVersion(version) })
            }
            MultiOutcome::Refused { error: Error::NodeExists(_) | Error::BadVersion(_), .. } => {
                self.won_before(broker, next).await
            }
            MultiOutcome::Refused { error, .. } => Err(error),
        }
    }

    /// Whether the refusal came from our own first sending, whose answer was lost.
    async fn won_before(&self, broker: BrokerId, wanted: ControllerEpoch) -> Result<Election, Error> {
        let Some(found) = self.get(paths::CONTROLLER).await? else { return Ok(Election::Lost(None)) };
        let controller = Controller::decode(&found.data)?;
        let ours = controller.broker == broker && found.stat.ephemeral_owner == self.status().session_id;
        let (epoch, version) = self.controller_epoch().await?;
        if ours && epoch == wanted {
            Ok(Election::Won { controller_epoch: wanted, epoch_version: version })
        } else {
            Ok(Election::Lost(Some(controller.broker)))
        }
    }

    async fn controller_epoch(&self) -> Result<(ControllerEpoch, ZkVersion), Error> {
        loop {
            if let Some(node) = self.get(paths::CONTROLLER_EPOCH).await? {
                return Ok((controller_epoch::decode(&node.data)?, ZkVersion(node.stat.version)));
            }
            match self.create(paths::CONTROLLER_EPOCH, &controller_epoch::encode(controller_epoch::INITIAL)).await {
                Ok(()) | Err(Error::NodeExists(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the office up, if it is still ours.
    ///
    /// # Errors
    /// What the server said; that another was elected meanwhile is no error.
    pub async fn resign(&self, epoch_version: ZkVersion) -> Result<(), Error> {
        let ops = [
            Op::Check { path: paths::CONTROLLER_EPOCH, version: epoch_version.0 },
            Op::Delete { path: paths::CONTROLLER, expected: None },
        ];
        match self.multi(&ops).await? {
            MultiOutcome::Done(_) => Ok(()),
            MultiOutcome::Refused { error: Error::BadVersion(_) | Error::NoNode(_), .. } => Ok(()),
            MultiOutcome::Refused { error, .. } => Err(error),
        }
    }
}
