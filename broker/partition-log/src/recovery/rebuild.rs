//! Reads one segment through, batch by batch with checksums, and makes everything anew that follows from its batches.
//! Source: `LogSegment.recover` in Kafka 3.9.

use std::io;

use bytes::Bytes;
use record::batch::EntryPrefix;
use record::{Batch, MAGIC_V2};
use zk_schema::types::LeaderEpoch;

use crate::disk::File;
use crate::leader_epochs::LeaderEpochs;
use crate::log_config::LogConfig;
use crate::offset_index::relative;
use crate::producer_state::{ProducerBatch, ProducerChanges, ProducerState};
use crate::scan::Located;
use crate::segment::Segment;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// Rebuilds indexes, producer state and epochs from the segment's batches, and cuts it at the first one that is
/// damaged. Gives the bytes cut.
pub(super) fn rebuild(
    segment: &Segment,
    config: &LogConfig,
    producers: &mut ProducerState,
    epochs: &mut LeaderEpochs,
) -> io::Result<u64> {
    segment.begin_rebuild()?;
    let size = segment.size();
    let mut reader = BatchReader { file: segment.file()?, position: 0, end: size, chunk: Bytes::new() };
    let mut valid = 0;
    let mut previous = segment.base_offset() - 1;
    producers.end_offset = producers.end_offset.max(segment.base_offset());
    while let Some(batch) = reader.next()? {
        let is_in_order =
            previous < batch.last_offset() && relative(segment.base_offset(), batch.last_offset()).is_some();
        let Some(producer_batch) = ProducerBatch::of(&batch).ok().filter(|_| is_in_order) else { break };
        let located = Located {
            position: valid,
            size: batch.size_in_bytes() as u64,
            magic: batch.magic(),
            base_offset: batch.base_offset(),
            last_offset: batch.last_offset(),
            max_timestamp: batch.max_timestamp(),
            leader_epoch: batch.partition_leader_epoch(),
        };
        segment.rebuild_entry(&located, config)?;
        let epoch = LeaderEpoch(batch.partition_leader_epoch());
        if batch.magic() == MAGIC_V2 && epochs.latest().is_none_or(|latest| latest < epoch) {
            epochs.assign(epoch, batch.base_offset());
        }
        let mut changes = ProducerChanges::default();
        if let Some(producer_batch) = producer_batch {
            producers.prepare_trusted(&mut changes, &producer_batch);
        }
        for aborted in producers.apply(changes, batch.next_offset()) {
            segment.append_aborted(aborted)?;
        }
        previous = batch.last_offset();
        valid = located.end();
    }
    segment.finish_rebuild(valid)?;
    Ok(size - valid)
}

/// Whole batches with a right checksum, one after the other.
struct BatchReader<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    chunk: Bytes,
}

impl BatchReader<'_> {
    /// The next batch; `None` at the end or at damage.
    fn next(&mut self) -> io::Result<Option<Batch>> {
        if self.chunk.len() < EntryPrefix::LEN {
            self.refill(CHUNK)?;
        }
        let Ok(Some(prefix)) = EntryPrefix::parse(&self.chunk) else { return Ok(None) };
        if self.end - self.position < prefix.size_in_bytes as u64 {
            return Ok(None);
        }
        if self.chunk.len() < prefix.size_in_bytes {
            self.refill(prefix.size_in_bytes.max(CHUNK))?;
        }
        if self.chunk.len() < prefix.size_in_bytes {
            return Ok(None);
        }
        let bytes = self.chunk.split_to(prefix.size_in_bytes);
        self.position += prefix.size_in_bytes as u64;
        Ok(Batch::parse(bytes).ok().filter(|batch| batch.verify_crc().is_ok()))
    }

    fn refill(&mut self, wanted: usize) -> io::Result<()> {
        let available = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let mut buffer = vec![0; wanted.min(available)];
        let read = self.file.read_at(&mut buffer, self.position)?;
        buffer.truncate(read);
        self.chunk = buffer.into();
        Ok(())
    }
}
