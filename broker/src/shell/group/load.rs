//! Fills a shard from its log, from the log start offset to the log end offset.
//! Blocking: runs on a thread for such work. Stops early when the partition is given up meanwhile.
//! Source: `GroupMetadataManager.doLoadGroupsAndOffsets`.

use std::sync::Arc;

use coordinator::group::{Config, GroupShard, Position, Record};
use record::control::EndTransactionMarker;
use record::{Batch, batches};
use tokio_util::sync::CancellationToken;
use wire::ErrorCode;
use zk_schema::types::{Offset, ProducerId, TopicPartition};

use super::stored;
use crate::shell::coordinator_log::CoordinatorLog;

/// What to load, and from where.
pub(super) struct Loading {
    pub(super) log: Arc<dyn CoordinatorLog>,
    pub(super) partition: TopicPartition,
    pub(super) config: Config,
    /// `offsets.load.buffer.size`.
    pub(super) buffer_size: usize,
    pub(super) given_up: CancellationToken,
}

impl Loading {
    /// Reads everything. A record that makes no sense is skipped with a warning: it must not cost the others.
    ///
    /// # Errors
    /// Why the log could not be read; half a shard is no use, for clients would take missing offsets for none.
    pub(super) fn run(&self) -> Result<GroupShard, ErrorCode> {
        let mut shard = GroupShard::new(self.config.clone());
        let Some((mut offset, _)) = self.log.offsets(&self.partition) else { return Ok(shard) };
        while !self.given_up.is_cancelled() && self.log.offsets(&self.partition).is_some_and(|(_, end)| offset < end) {
            let bytes = self.log.read(&self.partition, offset, self.buffer_size)?;
            let mut next = offset;
            for batch in batches(bytes) {
                match batch {
                    Ok(batch) => {
                        next = batch.next_offset().max(next);
                        self.replay(&batch, &mut shard);
                    }
                    Err(error) => {
                        tracing::error!(partition = %self.partition, offset = next, %error, "damaged batch while loading");
                        return Err(ErrorCode::CorruptMessage);
                    }
                }
            }
            if next == offset {
                break;
            }
            offset = next;
        }
        Ok(shard)
    }

    fn replay(&self, batch: &Batch, shard: &mut GroupShard) {
        let base_offset = batch.base_offset();
        let transaction = batch.is_transactional().then(|| ProducerId(batch.producer_id()));
        let at = Position { batch_base_offset: base_offset, transaction };
        let records = match batch.records() {
            Ok(records) => records,
            Err(error) => return self.skip(base_offset, &error),
        };
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(error) => return self.skip(base_offset, &error),
            };
            if batch.is_control() {
                if let Ok(Some(marker)) = EndTransactionMarker::parse(&record) {
                    let (producer_id, committed) = (ProducerId(batch.producer_id()), is_commit(&marker));
                    shard.replay(&Record::TransactionEnd { producer_id, committed }, at);
                }
                continue;
            }
            self.replay_one(&record, at, shard);
        }
    }

    fn replay_one(&self, record: &record::Record, at: Position, shard: &mut GroupShard) {
        let Some(key) = &record.key else {
            tracing::warn!(partition = %self.partition, offset = record.offset, "skipping a record without a key");
            return;
        };
        match stored::decode(key, record.value.as_ref()) {
            Ok(Some(record)) => shard.replay(&record, at),
            Ok(None) => tracing::warn!(
                partition = %self.partition,
                offset = record.offset,
                "skipping a record of another kind of group coordinator"
            ),
            Err(error) => self.skip(record.offset, &error),
        }
    }

    fn skip(&self, offset: Offset, error: &dyn std::error::Error) {
        tracing::warn!(partition = %self.partition, offset, %error, "skipping what cannot be read while loading");
    }
}

fn is_commit(marker: &EndTransactionMarker) -> bool {
    marker.control_type == record::control::ControlType::Commit
}
