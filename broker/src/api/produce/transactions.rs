//! Records of transactions: who may send them, and whether the coordinator knows of them.
//! Source: `RequestUtils.hasTransactionalRecords`, `ReplicaManager.handleProduceAppend`; KIP-890 part 1.

use std::collections::{BTreeMap, BTreeSet};

use partition_log::VerificationGuard;
use record::BatchHeader;
use record::batch::EntryPrefix;
use wire::ErrorCode;
use zk_schema::types::{ProducerEpoch, ProducerId};

use super::Entry;
use crate::api::errors::{KafkaError as _, Refusal};
use crate::broker::{Broker, TransactionToVerify};

fn transactional_header(entry: &Entry) -> Option<BatchHeader> {
    BatchHeader::parse(&entry.records).ok().filter(BatchHeader::is_transactional)
}

/// Whether the transactional records of a request fit together and come with a transactional id.
/// Bytes in which no batch begins cannot be looked at: then the whole request is refused.
pub(super) fn check(entries: &[Entry], transactional_id: Option<&str>) -> Result<(), Refusal> {
    for entry in entries {
        EntryPrefix::parse(&entry.records).map(|_| ()).or_else(unreadable)?;
    }
    let producers: BTreeSet<_> = entries
        .iter()
        .filter_map(transactional_header)
        .map(|header| (header.producer_id, header.producer_epoch))
        .collect();
    match (producers.len(), transactional_id) {
        (0, _) | (1, Some(_)) => Ok(()),
        (_, None) => Err(ErrorCode::TransactionalIdAuthorizationFailed.into()),
        (_, Some(_)) => Err(ErrorCode::InvalidProducerIdMapping.into()),
    }
}

fn unreadable(error: record::Error) -> Result<(), Refusal> {
    /// The least entry of any format; what is too short for its own format only fails in the append.
    const OVERHEAD_MIN: i32 = 14;
    let message = match &error {
        record::Error::SizeTooSmall { size, .. } if OVERHEAD_MIN <= *size => return Ok(()),
        record::Error::SizeTooSmall { size, .. } => {
            format!("Record size {size} is less than the minimum record overhead ({OVERHEAD_MIN})")
        }
        record::Error::Magic { magic } => format!("Invalid magic found in record: {magic}"),
        error => error.to_string(),
    };
    Err(Refusal::new(error.code(), message))
}

/// Has the coordinator confirm those partitions in which the transaction has no records yet. Refuses, in `entries`,
/// those it does not confirm; gives the proofs for the others by index.
pub(super) async fn verify(
    broker: &Broker,
    version: i16,
    transactional_id: Option<&str>,
    entries: &mut [Entry],
    now_ms: i64,
) -> BTreeMap<usize, VerificationGuard> {
    let mut guards = BTreeMap::new();
    let mut transaction: Option<TransactionToVerify> = None;
    let Some(transactional_id) = transactional_id else { return guards };
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.refusal.is_none()) {
        let Some(header) = transactional_header(entry) else { continue };
        let id = &entry.partition;
        let Ok(log) = broker.partition(id.topic.as_str(), id.partition).and_then(|partition| partition.leader_log())
        else {
            continue;
        };
        let (producer_id, epoch) = (ProducerId(header.producer_id), ProducerEpoch(header.producer_epoch));
        let guard = log.start_transaction_verification(producer_id, header.base_sequence, epoch, now_ms);
        if guard.is_some() {
            guards.insert(index, guard);
            let transaction = transaction.get_or_insert_with(|| TransactionToVerify {
                transactional_id: transactional_id.to_owned(),
                producer_id,
                producer_epoch: epoch,
                partitions: Vec::new(),
            });
            transaction.partitions.push(id.clone());
        }
    }
    if let (Some(verifier), Some(transaction)) = (&broker.transaction_verifier, transaction) {
        let answers = verifier.verify(transaction).await;
        let refused = guards.keys().copied().zip(answers).filter(|(_, answer)| *answer != ErrorCode::None);
        for (index, error) in refused.collect::<Vec<_>>() {
            guards.remove(&index);
            if let Some(entry) = entries.get_mut(index) {
                entry.refusal = Some(told(error, version));
            }
        }
    }
    guards
}

/// What a producer is told of the coordinator's answer, so that it does the right thing next.
fn told(error: ErrorCode, version: i16) -> ErrorCode {
    match error {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::TransactionAbortable if version <= 10 => ErrorCode::InvalidTxnState,
        // To be tried again, without asking for metadata first.
        ErrorCode::ConcurrentTransactions
        | ErrorCode::NetworkException
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => ErrorCode::NotEnoughReplicas,
        error => error,
    }
}
