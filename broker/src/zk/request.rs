//! Single requests: read, create, set, delete and multi, re-sent until there is an answer.
//!
//! A request in flight when the connection breaks may or may not have been carried out. It is sent again, and a refusal
//! of the second sending is looked at closely: a node that exists, or has the version and content we meant to give it,
//! is our own first sending come true. Source: contract 1.1, "Connection loss".

use std::future::Future;
use std::time::Duration;

use zk_schema::paths;
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, MultiWriteError, MultiWriteResult, Permission};

use super::Error;
use super::session::{State, Zk};

/// Bound of one request, below the 1 MiB beyond which a server with default settings drops the connection.
pub(super) const PACKET_MAX_BYTES: usize = 900 * 1024;
/// What an operation costs besides its path and data, at most.
pub(super) const OP_OVERHEAD_BYTES: usize = 96;
/// How often a request larger than [`PACKET_MAX_BYTES`] is tried before it is taken to be what breaks the connection.
const LARGE_ATTEMPTS_MAX: u32 = 3;

/// What is known of a node besides its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Transaction that created the node; of `/brokers/ids/N` the broker epoch.
    pub czxid: i64,
    /// Data version.
    pub version: i32,
    /// When it was created, in ms.
    pub ctime_ms: i64,
    /// Session that owns it, 0 if it is persistent.
    pub ephemeral_owner: i64,
    /// How many children it has.
    pub children_count: i32,
}

impl From<&zookeeper_client::Stat> for Stat {
    fn from(stat: &zookeeper_client::Stat) -> Self {
        Self {
            czxid: stat.czxid,
            version: stat.version,
            ctime_ms: stat.ctime,
            ephemeral_owner: stat.ephemeral_owner,
            children_count: stat.num_children,
        }
    }
}

/// A node as read. Null data is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its data.
    pub data: Vec<u8>,
    /// The rest.
    pub stat: Stat,
}

/// One operation of a multi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// The node has this version.
    Check {
        /// Node.
        path: &'a str,
        /// Version it must have.
        version: i32,
    },
    /// Create a node.
    Create {
        /// Node.
        path: &'a str,
        /// Its data.
        data: &'a [u8],
        /// Whether it goes with the session.
        ephemeral: bool,
    },
    /// Replace a node's data.
    Set {
        /// Node.
        path: &'a str,
        /// New data.
        data: &'a [u8],
        /// Version it must have, if that matters.
        expected: Option<i32>,
    },
    /// Delete a node.
    Delete {
        /// Node.
        path: &'a str,
        /// Version it must have, if that matters.
        expected: Option<i32>,
    },
}

impl Op<'_> {
    /// The node.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Check { path, .. }
            | Self::Create { path, .. }
            | Self::Set { path, .. }
            | Self::Delete { path, .. } => path,
        }
    }

    /// Roughly what it adds to a request.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let data = match self {
            Self::Create { data, .. } | Self::Set { data, .. } => data.len(),
            Self::Check { .. } | Self::Delete { .. } => 0,
        };
        self.path().len() + data + OP_OVERHEAD_BYTES
    }
}

/// Answer to a multi.
#[derive(Clone, Debug)]
pub enum MultiOutcome {
    /// All of it was done: the stat after each [`Op::Set`].
    Done(Vec<Option<Stat>>),
    /// Nothing was done, because of the operation at this place.
    Refused {
        /// Index of the operation.
        index: usize,
        /// What was wrong with it.
        error: Error,
        /// Whether an earlier sending may have been carried out, so that the refusal may be its consequence.
        resent: bool,
    },
}

impl Zk {
    /// Reads a node; `None` if there is none.
    ///
    /// # Errors
    /// What the server said.
    pub async fn get(&self, path: &str) -> Result<Option<Node>, Error> {
        let answer = self.call(0, |client| async move { client.get_data(path).await }).await?;
        match answer.result {
            Ok((data, stat)) => Ok(Some(Node { data, stat: Stat::from(&stat) })),
            Err(zookeeper_client::Error::NoNode) => Ok(None),
            Err(error) => Err(Error::of(path, &error)),
        }
    }

    /// Names of a node's children; `None` if there is no node.
    ///
    /// # Errors
    /// What the server said.
    pub async fn children(&self, path: &str) -> Result<Option<Vec<String>>, Error> {
        let answer = self.call(0, |client| async move { client.list_children(path).await }).await?;
        match answer.result {
            Ok(children) => Ok(Some(children)),
            Err(zookeeper_client::Error::NoNode) => Ok(None),
            Err(error) => Err(Error::of(path, &error)),
        }
    }

    /// A node's stat; `None` if there is none.
    ///
    /// # Errors
    /// What the server said.
    pub async fn stat(&self, path: &str) -> Result<Option<Stat>, Error> {
        let answer = self.call(0, |client| async move { client.check_stat(path).await }).await?;
        let stat = answer.result.map_err(|error| Error::of(path, &error))?;
        Ok(stat.as_ref().map(Stat::from))
    }

    /// Creates a persistent node.
    ///
    /// # Errors
    /// [`Error::NodeExists`], [`Error::NoNode`] if the parent is missing, or what the server said.
    pub async fn create(&self, path: &str, data: &[u8]) -> Result<(), Error> {
        let acls = NodeAcls::of(path, self.shared.settings.set_acl);
        let size = path.len() + data.len();
        let create = |client: Client| {
            let acls = &acls;
            async move { client.create(path, data, &CreateMode::Persistent.with_acls(acls.get())).await }
        };
        let answer = self.call(size, create).await?;
        match answer.result {
            Ok(_) => Ok(()),
            Err(zookeeper_client::Error::NodeExists) if answer.resent => {
                let found = self.get(path).await?;
                if found.is_some_and(|node| node.data == data && node.stat.version == 0) {
                    Ok(())
                } else {
                    Err(Error::NodeExists(path.to_owned()))
                }
            }
            Err(error) => Err(Error::of(path, &error)),
        }
    }

    /// Creates a persistent node unless it exists, with all parents.
    ///
    /// # Errors
    /// What the server said.
    pub async fn ensure(&self, path: &str) -> Result<(), Error> {
        self.create_with_parents(path, b"").await.or_else(|error| match error {
            Error::NodeExists(_) => Ok(()),
            other => Err(other),
        })
    }

    /// Creates a persistent node and whatever parents are missing.
    ///
    /// # Errors
    /// [`Error::NodeExists`], or what the server said.
    pub async fn create_with_parents(&self, path: &str, data: &[u8]) -> Result<(), Error> {
        match self.create(path, data).await {
            Err(Error::NoNode(_)) => {
                if let Some(parent) = paths::parent(path).filter(|parent| *parent != "/") {
                    Box::pin(self.ensure(parent)).await?;
                }
                self.create(path, data).await
            }
            other => other,
        }
    }

    /// Creates a persistent node whose name ends in a number of the server's; `prefix` is all before the number.
    /// Sent again after a broken connection, so it may be created twice: for notifications that does no harm.
    ///
    /// # Errors
    /// What the server said.
    pub async fn create_sequential(&self, prefix: &str, data: &[u8]) -> Result<i64, Error> {
        let acls = NodeAcls::of(prefix, self.shared.settings.set_acl);
        let create = |client: Client| {
            let acls = &acls;
            async move { client.create(prefix, data, &CreateMode::PersistentSequential.with_acls(acls.get())).await }
        };
        let answer = self.call(prefix.len() + data.len(), create).await?;
        answer.result.map(|(_, sequence)| sequence.into_i64()).map_err(|error| Error::of(prefix, &error))
    }

    /// Replaces a node's data, if it has the expected version (`None`: any).
    ///
    /// # Errors
    /// [`Error::NoNode`], [`Error::BadVersion`], or what the server said.
    pub async fn set(&self, path: &str, data: &[u8], expected: Option<i32>) -> Result<Stat, Error> {
        let size = path.len() + data.len();
        let answer = self.call(size, |client| async move { client.set_data(path, data, expected).await }).await?;
        match answer.result {
            Ok(stat) => Ok(Stat::from(&stat)),
            Err(zookeeper_client::Error::BadVersion) if answer.resent => {
                let found = self.get(path).await?;
                let ours = |node: &Node| expected.is_some_and(|v| node.stat.version == v + 1) && node.data == data;
                found.filter(ours).map(|node| node.stat).ok_or_else(|| Error::BadVersion(path.to_owned()))
            }
            Err(error) => Err(Error::of(path, &error)),
        }
    }

    /// Deletes a node, if it has the expected version (`None`: any).
    ///
    /// # Errors
    /// [`Error::NoNode`], [`Error::BadVersion`], [`Error::NotEmpty`], or what the server said.
    pub async fn delete(&self, path: &str, expected: Option<i32>) -> Result<(), Error> {
        let answer = self.call(0, |client| async move { client.delete(path, expected).await }).await?;
        match answer.result {
            Err(zookeeper_client::Error::NoNode) if answer.resent => Ok(()),
            other => other.map_err(|error| Error::of(path, &error)),
        }
    }

    /// Does all of `ops` or nothing.
    ///
    /// # Errors
    /// When there was no answer to speak of; a refusal is a [`MultiOutcome`].
    pub async fn multi(&self, ops: &[Op<'_>]) -> Result<MultiOutcome, Error> {
        let set_acl = self.shared.settings.set_acl;
        let size = ops.iter().map(Op::size_bytes).sum();
        let answer = self.call(size, |client| async move { commit(&client, ops, set_acl).await }).await?;
        let first = ops.first().map_or("multi", Op::path);
        match answer.result {
            Ok(done) => Ok(MultiOutcome::Done(done)),
            Err(Refusal::At { index, error }) => {
                let path = ops.get(index).map_or(first, Op::path);
                Ok(MultiOutcome::Refused { index, error: Error::of(path, &error), resent: answer.resent })
            }
            Err(Refusal::Whole(error)) => Err(Error::of(first, &error)),
        }
    }

    /// Sends a request, again whenever the connection breaks or the session ends before there is an answer.
    pub(super) async fn call<T, E, F, Fut>(&self, size_bytes: usize, request: F) -> Result<Answer<T, E>, Error>
    where
        E: Lost,
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut resent = false;
        let mut attempts = 0;
        let mut link = self.shared.link.subscribe();
        loop {
            let found = link
                .wait_for(|link| link.status.state != State::Disconnected || link.client.is_some())
                .await
                .map_err(|_| Error::Closed)?
                .clone();
            let Some(client) = found.client else { return Err(Error::Closed) };
            let permit = self.shared.permits.acquire().await.map_err(|_| Error::Closed)?;
            let result = request(client).await;
            drop(permit);
            attempts += 1;
            match result {
                Err(error) if error.is_lost() => {
                    resent = true;
                    if PACKET_MAX_BYTES < size_bytes && LARGE_ATTEMPTS_MAX <= attempts {
                        return Err(Error::TooLarge { path: "request".to_owned(), size_bytes });
                    }
                    self.until_another_connection(found.status.connection).await?;
                }
                result => return Ok(Answer { result, resent }),
            }
        }
    }

    /// After a broken connection: the client tells us of its end and of the next one; if neither comes, one has been
    /// missed and trying again does no harm.
    async fn until_another_connection(&self, connection: u64) -> Result<(), Error> {
        let mut link = self.shared.link.subscribe();
        let other = link.wait_for(|link| link.status.connection != connection || link.status.state == State::Closed);
        match tokio::time::timeout(Duration::from_millis(200), other).await {
            Ok(Ok(link)) if link.status.state == State::Closed => Err(Error::Closed),
            Ok(Err(_)) => Err(Error::Closed),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }
}

/// An answer, and whether the request had been sent more than once.
pub(super) struct Answer<T, E> {
    pub result: Result<T, E>,
    pub resent: bool,
}

/// Tells answers from broken connections.
pub(super) trait Lost {
    /// Whether there was no answer.
    fn is_lost(&self) -> bool;
}

impl Lost for zookeeper_client::Error {
    fn is_lost(&self) -> bool {
        use zookeeper_client::Error as E;
        match self {
            E::ConnectionLoss | E::SessionExpired | E::SessionMoved | E::ClientClosed | E::Timeout | E::NoHosts => true,
            E::AuthFailed | E::Throttled => true,
            // What was in flight fails with whatever the socket said.
            E::Custom(_) => true,
            // A request handed to a client whose task has ended.
            E::UnexpectedError(why) => why.starts_with("expect error state"),
            _ => false,
        }
    }
}

/// Why a multi was not carried out.
enum Refusal {
    At { index: usize, error: zookeeper_client::Error },
    Whole(zookeeper_client::Error),
}

impl Lost for Refusal {
    fn is_lost(&self) -> bool {
        match self {
            Self::At { .. } => false,
            Self::Whole(error) => error.is_lost(),
        }
    }
}

impl From<zookeeper_client::Error> for Refusal {
    fn from(error: zookeeper_client::Error) -> Self {
        Self::Whole(error)
    }
}

async fn commit(client: &Client, ops: &[Op<'_>], set_acl: bool) -> Result<Vec<Option<Stat>>, Refusal> {
    let mut writer = client.new_multi_writer();
    for op in ops {
        match *op {
            Op::Check { path, version } => writer.add_check_version(path, version)?,
            Op::Create { path, data, ephemeral } => {
                let mode = if ephemeral { CreateMode::Ephemeral } else { CreateMode::Persistent };
                writer.add_create(path, data, &mode.with_acls(NodeAcls::of(path, set_acl).get()))?;
            }
            Op::Set { path, data, expected } => writer.add_set_data(path, data, expected)?,
            Op::Delete { path, expected } => writer.add_delete(path, expected)?,
        }
    }
    let done = writer.commit().await.map_err(|error| match error {
        MultiWriteError::OperationFailed { index, source } => Refusal::At { index, error: source },
        MultiWriteError::RequestFailed { source } => Refusal::Whole(source),
    })?;
    // The stat of a create in a multi is not filled in by servers; only that of a set counts.
    let stat = |result: &MultiWriteResult| match result {
        MultiWriteResult::SetData { stat } => Some(Stat::from(stat)),
        _ => None,
    };
    Ok(done.iter().map(stat).collect())
}

/// Who may do what with a node we create.
pub(super) struct NodeAcls(Vec<Acl>);

impl NodeAcls {
    /// Source: contract 1.1, "ACLs"; `ZkData.defaultAcls`.
    pub(super) fn of(path: &str, set_acl: bool) -> Self {
        if !set_acl || path == paths::CONSUMERS {
            return Self(vec![Acl::new(Permission::ALL, AuthId::anyone())]);
        }
        let mut acls = vec![Acl::new(Permission::ALL, AuthId::authed())];
        if !paths::is_sensitive(path) {
            acls.push(Acl::new(Permission::READ, AuthId::anyone()));
        }
        Self(acls)
    }

    pub(super) fn get(&self) -> Acls<'_> {
        Acls::from(self.0.as_slice())
    }
}

/// Whether the server knows what came with ZooKeeper 3.6. Older ones refuse and drop the connection, so this is asked
/// on a session made for it.
pub(super) async fn is_modern(client: &Client) -> bool {
    let mut reader = client.new_multi_reader();
    let added = reader.add_get_data("/").is_ok();
    added && reader.commit().await.is_ok()
}

/// Makes the nodes of the chroot, on a session that has none.
pub(super) async fn create_chroot(client: &Client, chroot: &str, set_acl: bool) -> Result<(), Error> {
    let ends = chroot.match_indices('/').map(|(at, _)| at).skip(1).chain([chroot.len()]);
    for end in ends {
        let path = &chroot[..end];
        if path.ends_with('/') {
            continue;
        }
        let acls = NodeAcls::of(path, set_acl);
        match client.create(path, b"", &CreateMode::Persistent.with_acls(acls.get())).await {
            Ok(_) | Err(zookeeper_client::Error::NodeExists) => {}
            Err(error) => return Err(Error::of(path, &error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_for_their_creator_alone() {
        assert_eq!(NodeAcls::of("/config/users/u", true).0.len(), 1);
        assert_eq!(NodeAcls::of("/config/topics/t", true).0.len(), 2);
        assert_eq!(NodeAcls::of("/config/users/u", false).0.len(), 1);
        assert_eq!(
            NodeAcls::of(paths::CONSUMERS, true).0.first().map(|acl| acl.scheme().to_owned()),
            Some("world".into())
        );
    }
}
