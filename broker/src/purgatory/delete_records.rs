//! DeleteRecords: waits until every live replica has let go of what was deleted.
//! Source: `DelayedDeleteRecords` in Kafka 3.9.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use zk_schema::types::Offset;

use crate::replica::waiters::Signal;
use crate::replica::{Error, Partition};

/// A deletion not all replicas have made yet.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Where.
    pub partition: Arc<Partition>,
    /// What the low watermark must reach.
    pub offset: Offset,
}

/// Waits for each deletion to be made everywhere, or for the time to run out. Answers with low watermarks, in the order
/// of `pending`.
pub async fn deleted_everywhere(pending: &[Pending], timeout: Duration) -> Vec<Result<Offset, Error>> {
    let deadline = Instant::now() + timeout;
    let signal = Signal::new(0);
    let add = |pending: &Pending| pending.partition.waiters().add_deleter(pending.offset, &signal);
    let _places: Vec<_> = pending.iter().map(add).collect();
    loop {
        let answers: Vec<_> = pending.iter().map(|pending| pending.partition.low_watermark_as_leader()).collect();
        let is_done = |(answer, pending): (&Result<Offset, Error>, &Pending)| match answer {
            Ok(low_watermark) => pending.offset <= *low_watermark,
            Err(_) => true,
        };
        if answers.iter().zip(pending).all(is_done) {
            return answers;
        }
        if tokio::time::timeout_at(deadline, signal.woken()).await.is_err() {
            let or_late = |(answer, pending): (Result<Offset, Error>, &Pending)| match answer {
                Ok(low_watermark) if low_watermark < pending.offset => {
                    Err(Error::TimedOut(pending.partition.id().clone()))
                }
                answer => answer,
            };
            return answers.into_iter().zip(pending).map(or_late).collect();
        }
    }
}
