//! The `.snapshot` files: each known producer's last batch and open transaction as of one offset.
//! Encoding, checksum and the list of files; when to take one is the log's business.
//! Source: `ProducerStateManager.readSnapshot`, `writeSnapshot` in Kafka 3.9.

use zk_schema::types::{Offset, ProducerEpoch, ProducerId};

const VERSION: i16 = 1;
const HEADER_SIZE: usize = 10;
const CRC_END: usize = 6;
const ENTRY_SIZE: usize = 46;

/// One producer in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotEntry {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its latest epoch.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of its last record, or -1.
    pub last_sequence: i32,
    /// Offset of its last data record, or -1.
    pub last_offset: Offset,
    /// Offsets in its last batch, less one.
    pub offset_delta: i32,
    /// Timestamp of its last batch or marker.
    pub timestamp: i64,
    /// Epoch of the coordinator that wrote its last marker, or -1.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction, or -1.
    pub current_txn_first_offset: Offset,
}

/// Why a snapshot cannot be used. It is deleted then, and an older one tried.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Shorter than it says.
    #[error("producer snapshot is cut off")]
    CutOff,
    /// Unknown version.
    #[error("producer snapshot has unknown version {0}")]
    Version(i16),
    /// The checksum does not match.
    #[error("producer snapshot is corrupt (stored crc = {stored}, computed crc = {computed})")]
    Crc {
        /// Checksum in the file.
        stored: u32,
        /// Checksum of the content.
        computed: u32,
    },
}

/// The bytes of a snapshot.
#[must_use]
pub fn encode(entries: impl ExactSizeIterator<Item = SnapshotEntry>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_SIZE + entries.len() * ENTRY_SIZE);
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(u32::try_from(entries.len()).unwrap_or(u32::MAX).to_be_bytes());
    for entry in entries {
        bytes.extend(entry.producer_id.0.to_be_bytes());
        bytes.extend(entry.producer_epoch.0.to_be_bytes());
        bytes.extend(entry.last_sequence.to_be_bytes());
        bytes.extend(entry.last_offset.to_be_bytes());
        bytes.extend(entry.offset_delta.to_be_bytes());
        bytes.extend(entry.timestamp.to_be_bytes());
        bytes.extend(entry.coordinator_epoch.to_be_bytes());
        bytes.extend(entry.current_txn_first_offset.to_be_bytes());
    }
    let crc = record::crc::crc32c(&bytes[CRC_END..]);
    bytes[2..CRC_END].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Reads a snapshot back.
///
/// # Errors
/// [`Error`]; the file is then of no use.
pub fn decode(bytes: &[u8]) -> Result<Vec<SnapshotEntry>, Error> {
    let (header, body) = bytes.split_first_chunk::<HEADER_SIZE>().ok_or(Error::CutOff)?;
    let [v0, v1, c0, c1, c2, c3, n0, n1, n2, n3] = *header;
    let version = i16::from_be_bytes([v0, v1]);
    if version != VERSION {
        return Err(Error::Version(version));
    }
    let stored = u32::from_be_bytes([c0, c1, c2, c3]);
    let computed = record::crc::crc32c(bytes.get(CRC_END..).unwrap_or_default());
    if stored != computed {
        return Err(Error::Crc { stored, computed });
    }
    let count = usize::try_from(u32::from_be_bytes([n0, n1, n2, n3])).map_err(|_| Error::CutOff)?;
    let (entries, _) = body.as_chunks::<ENTRY_SIZE>();
    entries.get(..count).map(|entries| entries.iter().map(decode_entry).collect()).ok_or(Error::CutOff)
}

fn decode_entry(entry: &[u8; ENTRY_SIZE]) -> SnapshotEntry {
    let long = |at: usize| i64::from_be_bytes(*entry[at..].first_chunk().expect("fields lie inside the entry"));
    let int = |at: usize| i32::from_be_bytes(*entry[at..].first_chunk().expect("fields lie inside the entry"));
    SnapshotEntry {
        producer_id: ProducerId(long(0)),
        producer_epoch: ProducerEpoch(i16::from_be_bytes([entry[8], entry[9]])),
        last_sequence: int(10),
        last_offset: long(14),
        offset_delta: int(22),
        timestamp: long(26),
        coordinator_epoch: int(34),
        current_txn_first_offset: long(38),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(producer_id: i64) -> SnapshotEntry {
        SnapshotEntry {
            producer_id: ProducerId(producer_id),
            producer_epoch: ProducerEpoch(3),
            last_sequence: 99,
            last_offset: 1 << 40,
            offset_delta: 9,
            timestamp: 1_700_000_000_000,
            coordinator_epoch: -1,
            current_txn_first_offset: -1,
        }
    }

    #[test]
    fn entries_come_back() {
        let entries = vec![entry(1), entry(i64::MAX)];
        let bytes = encode(entries.iter().copied());
        assert_eq!(bytes.len(), 10 + 2 * 46);
        assert_eq!(decode(&bytes).unwrap(), entries);
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let bytes = encode([entry(1)].into_iter());
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "{len}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged).is_err(), "{at}");
        }
    }
}
