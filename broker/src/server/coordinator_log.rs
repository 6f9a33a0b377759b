//! The replica manager as coordinators see it.
//! Knows nothing of what they keep there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use partition_log::VerificationGuard;
use wire::ErrorCode;
use zk_schema::types::{Offset, TopicPartition};

use crate::api::errors::KafkaError as _;
use crate::clock::Clock;
use crate::purgatory::produce::{Pending, acknowledged};
use crate::replica::{Acks, AppendOptions, ReplicaManager};
use crate::shell::coordinator_log::{Appended, CoordinatorLog};

/// Longer than any coordinator waits: it has a limit of its own.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// The partitions of internal topics this broker leads.
pub(super) struct ReplicatedLog {
    pub(super) replicas: Arc<ReplicaManager>,
    pub(super) clock: Arc<Clock>,
}

impl CoordinatorLog for ReplicatedLog {
    fn append(&self, partition: &TopicPartition, batch: Bytes, required_acks: i16) -> Result<Appended, ErrorCode> {
        let acks = Acks::from_wire(required_acks).unwrap_or(Acks::All);
        let options = AppendOptions::coordinator(acks, self.clock.now_ms(), self.clock.wall_ms());
        let entry = [(partition.clone(), batch, VerificationGuard::NONE)];
        let outcome = self.replicas.append(entry, &options).pop().ok_or(ErrorCode::UnknownServerError)?;
        let (partition, appended) = outcome.result.map_err(|error| error.code())?;
        let pending = appended.awaits.map(|offset| Pending { partition, offset, tenure: appended.tenure });
        let committed = Box::pin(async move {
            let Some(pending) = pending else { return Ok(()) };
            let answer = acknowledged(&[pending], FOREVER).await.pop();
            answer.unwrap_or(Ok(())).map_err(|error| error.code())
        });
        Ok(Appended { base_offset: appended.info.first_offset, committed })
    }

    fn offsets(&self, partition: &TopicPartition) -> Option<(Offset, Offset)> {
        let partition = self.replicas.partition(partition.topic.as_str(), partition.partition).ok()?;
        let log = partition.leader_log().ok()?;
        Some((log.log_start_offset(), log.log_end_offset()))
    }

    fn read(&self, partition: &TopicPartition, offset: Offset, max_bytes: usize) -> Result<Bytes, ErrorCode> {
        let partition = self
            .replicas
            .partition(partition.topic.as_str(), partition.partition)
            .and_then(|partition| partition.leader_log())
            .map_err(|error| error.code())?;
        let read = partition.read(offset, max_bytes, true, partition.log_end_offset()).map_err(|error| error.code())?;
        read.slice.read_to_bytes().map_err(|_| ErrorCode::KafkaStorageError)
    }
}
