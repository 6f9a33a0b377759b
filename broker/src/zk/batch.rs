//! Many reads or writes at once: by `multiRead` where the server knows it, and by guarded multis of many writes, each
//! split below the packet bound and taken apart when one of its writes fails.
//! One request per write, as Kafka sends them, would make a controller fail over ten times slower.

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use zk_schema::ZkVersion;
use zookeeper_client::{Client, MultiReadResult};

use super::request::{MultiOutcome, Node, OP_OVERHEAD_BYTES, Op, PACKET_MAX_BYTES, Stat};
use super::{Error, Zk};

/// Reads per `multiRead`.
const READS_MAX: usize = 500;
/// Writes per multi.
const WRITES_MAX: usize = 500;
/// Failures in one batch after which its remaining writes are sent one by one.
const FAILURES_MAX: usize = 3;

/// One of many reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Data and stat of a node.
    Data(String),
    /// Names of a node's children.
    Children(String),
}

impl Read {
    /// The node.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Data(path) | Self::Children(path) => path,
        }
    }
}

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is no such node.
    Nothing,
    /// Answer to [`Read::Data`].
    Data(Node),
    /// Answer to [`Read::Children`].
    Children(Vec<String>),
}

/// What a guarded write depends on: a node that still has a certain version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The node.
    pub path: &'static str,
    /// The version.
    pub version: ZkVersion,
}

/// One of many writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The node.
    pub path: String,
    /// What to do to it.
    pub action: Action,
}

/// What a write does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create a persistent node.
    Create(Vec<u8>),
    /// Replace its data, if it has the expected version (`None`: any).
    Set {
        /// New data.
        data: Vec<u8>,
        /// Expected version.
        expected: Option<ZkVersion>,
    },
    /// Delete it, whatever its version.
    Delete,
}

impl Write {
    fn op(&self) -> Op<'_> {
        match &self.action {
            Action::Create(data) => Op::Create { path: &self.path, data, ephemeral: false },
            Action::Set { data, expected } => Op::Set { path: &self.path, data, expected: expected.map(|v| v.0) },
            Action::Delete => Op::Delete { path: &self.path, expected: None },
        }
    }
}

impl Zk {
    /// Reads many nodes; one answer per read, in order.
    ///
    /// # Errors
    /// The first thing a server said that is not the absence of a node.
    pub async fn read_all(&self, reads: &[Read]) -> Result<Vec<Found>, Error> {
        let in_flight = self.shared.settings.max_in_flight_requests.max(1);
        let chunks: Vec<&[Read]> = chunks(reads, READS_MAX, |read| read.path().len() + OP_OVERHEAD_BYTES);
        let mut found = Vec::with_capacity(reads.len());
        // Boxed by type, since the compiler cannot name the lifetimes of a stream of closures.
        let requests: Vec<BoxFuture<'_, _>> = chunks.into_iter().map(|chunk| self.read_chunk(chunk).boxed()).collect();
        let mut answers = stream::iter(requests).buffered(in_flight);
        while let Some(answer) = answers.next().await {
            found.extend(answer?);
        }
        Ok(found)
    }

    async fn read_chunk(&self, reads: &[Read]) -> Result<Vec<Found>, Error> {
        if self.is_modern() && 1 < reads.len() {
            let answer = self.call(0, |client| async move { multi_read(&client, reads).await }).await?;
            match answer.result {
                Ok(results) => {
                    return results.into_iter().zip(reads).map(|(result, read)| found(result, read)).collect();
                }
                Err(zookeeper_client::Error::Unimplemented) => self.set_old(),
                Err(error) => return Err(Error::of("multiRead", &error)),
            }
        }
        let in_flight = self.shared.settings.max_in_flight_requests.max(1);
        let requests: Vec<BoxFuture<'_, _>> = reads.iter().map(|read| self.read_one(read).boxed()).collect();
        let answers: Vec<Result<Found, Error>> = stream::iter(requests).buffered(in_flight).collect().await;
        answers.into_iter().collect()
    }

    async fn read_one(&self, read: &Read) -> Result<Found, Error> {
        Ok(match read {
            Read::Data(path) => self.get(path).await?.map_or(Found::Nothing, Found::Data),
            Read::Children(path) => self.children(path).await?.map_or(Found::Nothing, Found::Children),
        })
    }

    /// Writes many nodes, each on its own terms: one that fails does not hinder the others. One answer per write, in
    /// order: the node's version afterwards (0 for a create or delete). Later writes see earlier ones.
    ///
    /// # Errors
    /// [`Error::Fenced`] when the guard no longer holds; writes before it may have been done.
    pub async fn write_all(
        &self,
        guard: Option<Guard>,
        writes: &[Write],
    ) -> Result<Vec<Result<ZkVersion, Error>>, Error> {
        let mut results = Vec::with_capacity(writes.len());
        for chunk in chunks(writes, WRITES_MAX, |write| write.op().size_bytes()) {
            self.write_chunk(guard, chunk, &mut results).await?;
        }
        Ok(results)
    }

    async fn write_chunk(
        &self,
        guard: Option<Guard>,
        mut writes: &[Write],
        results: &mut Vec<Result<ZkVersion, Error>>,
    ) -> Result<(), Error> {
        let mut failures = 0;
        while !writes.is_empty() {
            if FAILURES_MAX <= failures {
                let in_flight = self.shared.settings.max_in_flight_requests.max(1);
                let requests: Vec<BoxFuture<'_, _>> =
                    writes.iter().map(|write| self.write_one(guard, write).boxed()).collect();
                let mut answers = stream::iter(requests).buffered(in_flight);
                while let Some(answer) = answers.next().await {
                    results.push(answer?);
                }
                return Ok(());
            }
            match self.write_together(guard, writes).await? {
                Together::Done(versions) => {
                    results.extend(versions.into_iter().map(Ok));
                    return Ok(());
                }
                Together::Refused { index, result } => {
                    // What came before was refused only because of this one.
                    let (before, rest) = writes.split_at(index);
                    match self.write_together(guard, before).await? {
                        Together::Done(versions) => results.extend(versions.into_iter().map(Ok)),
                        Together::Refused { .. } => {
                            for write in before {
                                results.push(self.write_one(guard, write).await?);
                            }
                        }
                    }
                    results.push(result);
                    writes = rest.get(1..).unwrap_or_default();
                    failures += 1;
                }
            }
        }
        Ok(())
    }

    async fn write_one(&self, guard: Option<Guard>, write: &Write) -> Result<Result<ZkVersion, Error>, Error> {
        Ok(match self.write_together(guard, std::slice::from_ref(write)).await? {
            Together::Done(versions) => Ok(versions.first().copied().unwrap_or(ZkVersion(0))),
            Together::Refused { result, .. } => result,
        })
    }

    async fn write_together(&self, guard: Option<Guard>, writes: &[Write]) -> Result<Together, Error> {
        if writes.is_empty() {
            return Ok(Together::Done(Vec::new()));
        }
        let check = guard.map(|guard| Op::Check { path: guard.path, version: guard.version.0 });
        let first = usize::from(check.is_some());
        let ops: Vec<Op<'_>> = check.into_iter().chain(writes.iter().map(Write::op)).collect();
        match self.multi(&ops).await? {
            MultiOutcome::Done(stats) => {
                let version = |stat: &Option<Stat>| ZkVersion(stat.map_or(0, |stat| stat.version));
                Ok(Together::Done(stats.iter().skip(first).map(version).collect()))
            }
            MultiOutcome::Refused { index, .. } if index < first => {
                Err(Error::Fenced(guard.map_or("", |guard| guard.path).to_owned()))
            }
            MultiOutcome::Refused { index, error, resent } => {
                let index = index - first;
                let Some(write) = writes.get(index) else {
                    return Err(Error::Other { path: "multi".to_owned(), reason: "answer out of range".to_owned() });
                };
                let result = if resent { self.done_before(write, error).await? } else { Err(error) };
                Ok(Together::Refused { index, result })
            }
        }
    }

    /// Whether a refusal of the second sending means that the first was carried out.
    async fn done_before(&self, write: &Write, error: Error) -> Result<Result<ZkVersion, Error>, Error> {
        Ok(match (&write.action, error) {
            (Action::Delete, Error::NoNode(_)) => Ok(ZkVersion(0)),
            (Action::Create(data), error @ Error::NodeExists(_)) => {
                let ours = self.get(&write.path).await?.is_some_and(|n| n.data == *data && n.stat.version == 0);
                if ours { Ok(ZkVersion(0)) } else { Err(error) }
            }
            (Action::Set { data, expected: Some(expected) }, error @ Error::BadVersion(_)) => {
                let next = expected.0 + 1;
                let ours = self.get(&write.path).await?.is_some_and(|n| n.data == *data && n.stat.version == next);
                if ours { Ok(ZkVersion(next)) } else { Err(error) }
            }
            (_, error) => Err(error),
        })
    }

    /// Deletes a node and everything below, leaves first, under the guard. Nodes that are gone already are fine.
    ///
    /// # Errors
    /// [`Error::Fenced`], or what the server said.
    pub async fn delete_tree(&self, guard: Option<Guard>, path: &str) -> Result<(), Error> {
        let mut levels = vec![vec![path.to_owned()]];
        while let Some(level) = levels.last().filter(|level| !level.is_empty()) {
            let reads: Vec<Read> = level.iter().cloned().map(Read::Children).collect();
            let below = self.read_all(&reads).await?.into_iter().zip(level).flat_map(|(found, parent)| match found {
                Found::Children(names) => names.into_iter().map(|name| format!("{parent}/{name}")).collect(),
                Found::Nothing | Found::Data(_) => Vec::new(),
            });
            let below = below.collect();
            levels.push(below);
        }
        for level in levels.into_iter().rev() {
            let writes: Vec<Write> = level.into_iter().map(|path| Write { path, action: Action::Delete }).collect();
            for result in self.write_all(guard, &writes).await? {
                match result {
                    Ok(_) | Err(Error::NoNode(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Answer to writes sent together.
enum Together {
    Done(Vec<ZkVersion>),
    Refused { index: usize, result: Result<ZkVersion, Error> },
}

async fn multi_read(client: &Client, reads: &[Read]) -> Result<Vec<MultiReadResult>, zookeeper_client::Error> {
    let mut reader = client.new_multi_reader();
    for read in reads {
        match read {
            Read::Data(path) => reader.add_get_data(path)?,
            Read::Children(path) => reader.add_get_children(path)?,
        }
    }
    reader.commit().await
}

fn found(result: MultiReadResult, read: &Read) -> Result<Found, Error> {
    match result {
        MultiReadResult::Data { data, stat } => Ok(Found::Data(Node { data, stat: Stat::from(&stat) })),
        MultiReadResult::Children { children } => Ok(Found::Children(children)),
        MultiReadResult::Error { err: zookeeper_client::Error::NoNode } => Ok(Found::Nothing),
        MultiReadResult::Error { err } => Err(Error::of(read.path(), &err)),
        other => Err(Error::Other { path: read.path().to_owned(), reason: format!("{other:?}") }),
    }
}

/// Cuts a list where either bound would be passed; an item too large by itself gets a chunk of its own.
fn chunks<T>(items: &[T], count_max: usize, size_bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut chunks = Vec::new();
    let mut start = 0;
    let mut size = 0;
    for (index, item) in items.iter().enumerate() {
        let item_size = size_bytes(item);
        if start < index && (count_max <= index - start || PACKET_MAX_BYTES < size + item_size) {
            chunks.extend(items.get(start..index));
            start = index;
            size = 0;
        }
        size += item_size;
    }
    chunks.extend(items.get(start..).filter(|rest| !rest.is_empty()));
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_respect_both_bounds_and_lose_nothing() {
        let by_count: Vec<usize> = chunks(&[1usize; 1001], 500, |n| *n).iter().map(|c| c.len()).collect();
        assert_eq!(by_count, [500, 500, 1]);
        let sizes = [PACKET_MAX_BYTES / 2, PACKET_MAX_BYTES / 2, 1, PACKET_MAX_BYTES * 2, 1];
        let by_size: Vec<usize> = chunks(&sizes, 500, |n| *n).iter().map(|c| c.len()).collect();
        assert_eq!(by_size, [2, 1, 1, 1]);
        assert!(chunks(&[] as &[usize], 500, |n| *n).is_empty());
    }
}
