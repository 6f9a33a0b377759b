//! The controller's reads and writes carried out, and signals told apart.
//! Source: contract 2.1 "Fencing", 2.3 step 2.

use coordinator::controller::effect::{Guard, ZkAction, ZkRead, ZkRequestId, ZkWrite};
use coordinator::controller::event::{Event, Watched, ZkError, ZkFound, ZkOutcome};
use zk_schema::{BrokerId, TopicName, ZkVersion, paths};

use crate::zk::{self, Action, Found, Interest, Read, Signal, Write, Zk};

/// Carries out reads. The only error is the end of the gateway, after which nobody waits for an event.
pub(super) async fn read(zk: &Zk, request: ZkRequestId, reads: Vec<ZkRead>) -> Option<Event> {
    let reads: Vec<Read> = reads
        .into_iter()
        .map(|read| match read {
            ZkRead::Data(path) => Read::Data(path),
            ZkRead::Children(path) => Read::Children(path),
        })
        .collect();
    let results = match zk.read_all(&reads).await {
        Ok(found) => found.into_iter().zip(&reads).map(|(found, read)| as_found(found, read)).collect(),
        Err(zk::Error::Closed) => return None,
        Err(error) => vec![Err(ZkError::Other(error.to_string())); reads.len()],
    };
    Some(Event::ZkRead { request, results })
}

fn as_found(found: Found, read: &Read) -> Result<ZkFound, ZkError> {
    match found {
        Found::Data(node) => {
            Ok(ZkFound::Data { data: node.data, version: ZkVersion(node.stat.version), czxid: node.stat.czxid })
        }
        Found::Children(names) => Ok(ZkFound::Children(names)),
        // Kafka makes this node at start, with null data at version 0; here the first block makes it.
        Found::Nothing if read.path() == paths::PRODUCER_ID_BLOCK => {
            Ok(ZkFound::Data { data: Vec::new(), version: ZkVersion(0), czxid: 0 })
        }
        Found::Nothing => Err(ZkError::NoNode),
    }
}

/// Carries out writes, the trees to be deleted one by one where they come.
pub(super) async fn write(zk: &Zk, request: ZkRequestId, guard: Guard, writes: Vec<ZkWrite>) -> Option<Event> {
    let guard = match guard {
        Guard::ControllerEpoch(version) => Some(zk::Guard { path: paths::CONTROLLER_EPOCH, version }),
        Guard::None => None,
    };
    let outcome = match write_in_order(zk, guard, writes).await {
        Ok(results) => ZkOutcome::Done(results),
        Err(zk::Error::Fenced(_)) => ZkOutcome::Fenced,
        Err(zk::Error::Closed) => return None,
        Err(error) => {
            tracing::error!("the controller's writes to ZooKeeper were given up: {error}");
            ZkOutcome::Fenced
        }
    };
    Some(Event::ZkWritten { request, outcome })
}

async fn write_in_order(
    zk: &Zk,
    guard: Option<zk::Guard>,
    writes: Vec<ZkWrite>,
) -> Result<Vec<Result<ZkVersion, ZkError>>, zk::Error> {
    let mut results = Vec::with_capacity(writes.len());
    let mut together: Vec<Write> = Vec::with_capacity(writes.len());
    for ZkWrite { path, action } in writes {
        let action = match action {
            ZkAction::Create(data) => Action::Create(data.unwrap_or_default()),
            ZkAction::SetData { data, expected } => Action::Set { data, expected },
            ZkAction::Delete => Action::Delete,
            ZkAction::DeleteTree => {
                flush(zk, guard, &mut together, &mut results).await?;
                results.push(match zk.delete_tree(guard, &path).await {
                    Ok(()) => Ok(ZkVersion(0)),
                    Err(error @ (zk::Error::Fenced(_) | zk::Error::Closed)) => return Err(error),
                    Err(error) => Err(as_error(error)),
                });
                continue;
            }
        };
        together.push(Write { path, action });
    }
    flush(zk, guard, &mut together, &mut results).await?;
    Ok(results)
}

async fn flush(
    zk: &Zk,
    guard: Option<zk::Guard>,
    writes: &mut Vec<Write>,
    results: &mut Vec<Result<ZkVersion, ZkError>>,
) -> Result<(), zk::Error> {
    let done = zk.write_all(guard, writes).await?;
    for (result, write) in done.into_iter().zip(writes.drain(..)) {
        let result = match (result, write) {
            (Err(zk::Error::NoNode(_)), Write { path, action: Action::Set { data, .. } })
                if path == paths::PRODUCER_ID_BLOCK =>
            {
                zk.create(&path, &data).await.map(|()| ZkVersion(0))
            }
            (result, _) => result,
        };
        results.push(result.map_err(as_error));
    }
    Ok(())
}

fn as_error(error: zk::Error) -> ZkError {
    match error {
        zk::Error::NoNode(_) => ZkError::NoNode,
        zk::Error::NodeExists(_) => ZkError::NodeExists,
        zk::Error::BadVersion(_) => ZkError::BadVersion,
        other => ZkError::Other(other.to_string()),
    }
}

/// What an active controller watches.
pub(super) fn interests() -> Vec<Interest> {
    vec![
        Interest::ChildrenAndTheirData(paths::BROKER_IDS.to_owned()),
        Interest::ChildrenAndTheirData(paths::TOPICS.to_owned()),
        Interest::Children(paths::DELETE_TOPICS.to_owned()),
        Interest::Children(paths::ISR_CHANGES.to_owned()),
        Interest::Children(paths::LOG_DIR_EVENTS.to_owned()),
        Interest::Data(paths::REASSIGN_PARTITIONS.to_owned()),
        Interest::Data(paths::PREFERRED_REPLICA_ELECTION.to_owned()),
    ]
}

/// What a signal tells the controller; `None` for [`Signal::Everything`] and for paths that mean nothing to it.
pub(super) fn watched(signal: &Signal) -> Option<Watched> {
    match signal {
        Signal::Everything => None,
        Signal::Children(path) => Some(match path.as_str() {
            paths::BROKER_IDS => Watched::Brokers,
            paths::TOPICS => Watched::Topics,
            paths::DELETE_TOPICS => Watched::DeleteTopics,
            paths::ISR_CHANGES => Watched::IsrChanges,
            paths::LOG_DIR_EVENTS => Watched::LogDirEvents,
            _ => return None,
        }),
        Signal::Data(path) => match path.as_str() {
            paths::REASSIGN_PARTITIONS => Some(Watched::Reassignments),
            paths::PREFERRED_REPLICA_ELECTION => Some(Watched::PreferredElection),
            _ => {
                let name = path.rsplit('/').next()?;
                match paths::parent(path)? {
                    paths::BROKER_IDS => Some(Watched::Broker(BrokerId(name.parse().ok()?))),
                    paths::TOPICS => Some(Watched::Topic(TopicName::new(name))),
                    _ => None,
                }
            }
        },
    }
}

/// After a time in which signals may have been missed: everything there is to look at.
pub(super) async fn everything(zk: &Zk) -> Vec<Event> {
    let mut watched = vec![
        Watched::Brokers,
        Watched::Topics,
        Watched::DeleteTopics,
        Watched::IsrChanges,
        Watched::LogDirEvents,
        Watched::Reassignments,
        Watched::PreferredElection,
    ];
    // A failure means another broken connection, which ends in another look at everything.
    let brokers = zk.children(paths::BROKER_IDS).await.ok().flatten().unwrap_or_default();
    watched.extend(brokers.iter().filter_map(|name| name.parse().ok()).map(|id| Watched::Broker(BrokerId(id))));
    let topics = zk.topics().await.unwrap_or_default();
    watched.extend(topics.into_iter().map(Watched::Topic));
    watched.into_iter().map(Event::Changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_told_apart_by_path() {
        let children = |path: &str| watched(&Signal::Children(path.to_owned()));
        let data = |path: &str| watched(&Signal::Data(path.to_owned()));
        assert_eq!(children("/brokers/ids"), Some(Watched::Brokers));
        assert_eq!(children("/brokers/topics"), Some(Watched::Topics));
        assert_eq!(data("/brokers/ids/7"), Some(Watched::Broker(BrokerId(7))));
        assert_eq!(data("/brokers/topics/t"), Some(Watched::Topic("t".into())));
        assert_eq!(data("/admin/reassign_partitions"), Some(Watched::Reassignments));
        assert_eq!(data("/brokers/ids/x"), None);
        assert_eq!(children("/elsewhere"), None);
    }
}
