//! Long polls: reads, and if that is too little waits for more, but not longer than the client wants to.
//! What is found is read again when the wait ends, so nothing is held meanwhile but places in lists.
//! Source: `ReplicaManager.fetchMessages`, `readFromLog`, `DelayedFetch` in Kafka 3.9.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::replica::waiters::Signal;
use crate::replica::{Error, Partition, PartitionRead, ReadRequest, ReplicaManager};

/// A fetch over some partitions.
#[derive(Debug)]
pub struct Fetch {
    /// What is asked of each, in the order in which room is given out. `max_bytes` is the partition's own limit.
    pub entries: Vec<(Arc<Partition>, ReadRequest)>,
    /// Answer once so many bytes are there.
    pub min_bytes: usize,
    /// Most bytes over all partitions.
    pub max_bytes: usize,
    /// The limits hold even if that cuts the first batch (versions 0-2).
    pub is_limit_hard: bool,
    /// Answer after this time, whatever is there.
    pub wait_max: Duration,
    /// Answer at once: some other partition has something to say.
    pub is_urgent: bool,
}

type Reads = Vec<Result<PartitionRead, Error>>;

/// Reads every entry, waiting for records as the fetch says. Answers in the order of the entries.
pub async fn read(replicas: &ReplicaManager, mut fetch: Fetch) -> Reads {
    let deadline = Instant::now() + fetch.wait_max;
    let mut reads = read_once(replicas, &fetch);
    if fetch.wait_max.is_zero() || fetch.entries.is_empty() || fetch.is_urgent {
        return reads;
    }
    let signal = Signal::new(0);
    while let Some(missing_bytes) = missing(&reads, fetch.min_bytes) {
        signal.set_missing_bytes(i64::try_from(missing_bytes).unwrap_or(i64::MAX));
        let places: Vec<_> = fetch
            .entries
            .iter()
            .zip(&reads)
            .filter_map(|((partition, request), read)| {
                let bound = request.reader.bound();
                Some(partition.waiters().add_fetcher(read.as_ref().ok()?.bound(bound), bound, &signal))
            })
            .collect();
        let is_late = !has_news(&fetch, &reads) && tokio::time::timeout_at(deadline, signal.woken()).await.is_err();
        drop(places);
        fetch.entries.iter_mut().for_each(|(_, request)| request.is_again = true);
        reads = read_once(replicas, &fetch);
        if is_late {
            break;
        }
    }
    reads
}

fn has_news(fetch: &Fetch, reads: &Reads) -> bool {
    fetch.entries.iter().zip(reads).any(|((partition, request), read)| {
        read.as_ref().is_ok_and(|read| partition.has_news(read, request.reader.bound()))
    })
}

/// How many bytes are lacking; `None` if the answer must leave now.
fn missing(reads: &Reads, min_bytes: usize) -> Option<usize> {
    let mut bytes = 0;
    for read in reads {
        match read {
            Ok(read) if read.diverging.is_none() => bytes += read.slice.len,
            Ok(_) | Err(_) => return None,
        }
    }
    min_bytes.checked_sub(bytes).filter(|missing| *missing > 0)
}

fn read_once(replicas: &ReplicaManager, fetch: &Fetch) -> Reads {
    let mut left = fetch.max_bytes;
    let mut is_first = true;
    let mut read = |(partition, request): &(Arc<Partition>, ReadRequest)| {
        let max_bytes = request.max_bytes.min(left);
        let min_one_batch = if fetch.is_limit_hard { max_bytes > 0 } else { is_first };
        let mut read = replicas.read(partition, &ReadRequest { max_bytes, min_one_batch, ..*request })?;
        if fetch.is_limit_hard {
            // An old client learns from a batch cut short that it must ask for more.
            read.slice.len = read.slice.len.min(max_bytes);
        }
        is_first &= read.slice.is_empty();
        left = left.saturating_sub(read.slice.len);
        Ok(read)
    };
    fetch.entries.iter().map(&mut read).collect()
}
