//! `acks=all`: waits until what was appended is on enough replicas.
//! Source: `DelayedProduce` in Kafka 3.9.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use zk_schema::types::Offset;

use crate::replica::waiters::{Registration, Signal};
use crate::replica::{Error, Partition};

/// An append that is not on enough replicas yet.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Where.
    pub partition: Arc<Partition>,
    /// What the high watermark must reach.
    pub offset: Offset,
    /// While it was led for which time.
    pub tenure: u64,
}

/// Waits for each append to be acknowledged, or for the time to run out. Answers in the order of `pending`.
pub async fn acknowledged(pending: &[Pending], timeout: Duration) -> Vec<Result<(), Error>> {
    let deadline = Instant::now() + timeout;
    let signal = Signal::new(0);
    let add = |pending: &Pending| pending.partition.waiters().add_producer(pending.offset, &signal);
    let mut places: Vec<Option<Registration>> = pending.iter().map(add).map(Some).collect();
    let mut answers: Vec<Option<Result<(), Error>>> = pending.iter().map(|_| None).collect();
    loop {
        for ((pending, answer), place) in pending.iter().zip(&mut answers).zip(&mut places) {
            if answer.is_some() {
                continue;
            }
            *answer = match pending.partition.is_acknowledged(pending.offset, pending.tenure) {
                Ok(true) => Some(Ok(())),
                Ok(false) => continue,
                Err(error) => Some(Err(error)),
            };
            *place = None;
        }
        if answers.iter().all(Option::is_some) || tokio::time::timeout_at(deadline, signal.woken()).await.is_err() {
            break;
        }
    }
    let timed_out = |pending: &Pending| Err(Error::TimedOut(pending.partition.id().clone()));
    answers.into_iter().zip(pending).map(|(answer, pending)| answer.unwrap_or_else(|| timed_out(pending))).collect()
}
