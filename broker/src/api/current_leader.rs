//! Whom to ask instead: the leader we know of, told along with NOT_LEADER_OR_FOLLOWER so that a client need not ask for
//! metadata first.
//! Source: `KafkaApis.getCurrentLeader`; KIP-951.

use std::sync::Arc;

use zk_schema::types::{BrokerId, LeaderEpoch};

use super::RequestContext;
use crate::broker::Broker;
use crate::metadata;

/// The leader of a partition, as far as this broker knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CurrentLeader {
    /// Who; [`BrokerId::NONE`] if nobody.
    pub id: BrokerId,
    /// Under which epoch; -1 if unknown.
    pub epoch: LeaderEpoch,
    /// Where it listens under the client's listener, if it is alive and does.
    pub node: Option<Node>,
}

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Host.
    pub host: String,
    /// Port.
    pub port: i32,
    /// Rack.
    pub rack: Option<String>,
}

/// Finds the leader: from the partition if it is hosted here, else from metadata.
pub(super) fn find(broker: &Broker, context: &RequestContext<'_>, topic: &str, partition: i32) -> CurrentLeader {
    let snapshot = broker.metadata.snapshot();
    let (id, epoch) = match broker.partition(topic, partition) {
        Ok(hosted) => {
            let standing = hosted.standing();
            (standing.leader, standing.leader_epoch)
        }
        Err(_) => snapshot
            .partition_of(topic, partition)
            .map_or((BrokerId::NONE, LeaderEpoch::NONE), |known| (known.leader, known.leader_epoch)),
    };
    let node = snapshot.brokers.get(&id).and_then(|leader: &Arc<metadata::Broker>| {
        let endpoint = leader.endpoint(context.listener())?;
        Some(Node { host: endpoint.host.clone(), port: endpoint.port, rack: leader.rack.clone() })
    });
    CurrentLeader { id, epoch, node }
}
