//! Value of a committed offset.
//! Never fills in a meaning for missing times or epochs: they stay -1, as stored.
//! Source: `OffsetCommitValue` versions 0 to 4 of Kafka 3.9.

use std::sync::Arc;

use bytes::Bytes;
use zk_schema::types::{LeaderEpoch, Offset};

use super::field::{Error, Reader, Writer};

const FLEXIBLE_FROM: i16 = 4;

/// One committed offset as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitValue {
    /// Next offset the group will read.
    pub offset: Offset,
    /// Leader epoch of the last record read; kept from version 3 on.
    pub leader_epoch: LeaderEpoch,
    /// The client's note.
    pub metadata: Arc<str>,
    /// When it was committed, milliseconds since 1970.
    pub commit_timestamp: i64,
    /// When it may be forgotten; only version 1 keeps it, otherwise -1.
    pub expire_timestamp: i64,
}

impl OffsetCommitValue {
    /// Reads any version.
    ///
    /// # Errors
    /// [`Error`] if the version is unknown or the bytes are not what it says.
    pub fn decode(bytes: &Bytes) -> Result<Self, Error> {
        let (version, mut fields) = Reader::open("OffsetCommitValue", bytes, 0..=4, FLEXIBLE_FROM)?;
        let offset = fields.i64("offset")?;
        let leader_epoch = if version >= 3 { LeaderEpoch(fields.i32("leaderEpoch")?) } else { LeaderEpoch::NONE };
        let metadata = fields.string("metadata")?;
        let commit_timestamp = fields.i64("commitTimestamp")?;
        let expire_timestamp = if version == 1 { fields.i64("expireTimestamp")? } else { -1 };
        fields.end()?;
        Ok(Self { offset, leader_epoch, metadata, commit_timestamp, expire_timestamp })
    }

    /// Writes the given version, 0 to 4. What that version has no field for is left out.
    #[must_use]
    pub fn encode(&self, version: i16) -> Bytes {
        let mut fields = Writer::open(version, FLEXIBLE_FROM);
        fields.i64(self.offset);
        if version >= 3 {
            fields.i32(self.leader_epoch.0);
        }
        fields.string(&self.metadata);
        fields.i64(self.commit_timestamp);
        if version == 1 {
            fields.i64(self.expire_timestamp);
        }
        fields.end();
        fields.finish()
    }
}
