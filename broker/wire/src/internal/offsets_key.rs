//! Keys of `__consumer_offsets`: the version prefix says which kind of record it is.
//! Never decides what to do with a kind it does not know: that is handed back as [`OffsetsKey::Unknown`].
//! Source: `GroupMetadataManager.readMessageKey`.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use zk_schema::types::{TopicName, TopicPartition};

use super::field::{Error, Reader, Writer};

const NEVER_FLEXIBLE: i16 = i16::MAX;

/// What a record of `__consumer_offsets` is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OffsetsKey {
    /// One committed offset; version 1, version 0 is read too.
    OffsetCommit {
        /// Whose offset.
        group: Arc<str>,
        /// Of which partition.
        partition: TopicPartition,
    },
    /// Generation and members of one group; version 2.
    GroupMetadata {
        /// Which group.
        group: Arc<str>,
    },
    /// Written by another kind of coordinator: skipped with a warning.
    Unknown(i16),
}

impl OffsetsKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`Error`] if the bytes are not what their version says.
    pub fn decode(bytes: &Bytes) -> Result<Self, Error> {
        let version = bytes.clone().try_get_i16().map_err(|_| Error::Truncated { record: "key", field: "version" })?;
        match version {
            0 | 1 => {
                let (_, mut fields) = Reader::open("OffsetCommitKey", bytes, 0..=1, NEVER_FLEXIBLE)?;
                let group = fields.string("group")?;
                let topic = TopicName::new(&fields.string("topic")?);
                Ok(Self::OffsetCommit {
                    group,
                    partition: TopicPartition { topic, partition: fields.i32("partition")? },
                })
            }
            2 => {
                let (_, mut fields) = Reader::open("GroupMetadataKey", bytes, 2..=2, NEVER_FLEXIBLE)?;
                Ok(Self::GroupMetadata { group: fields.string("group")? })
            }
            other => Ok(Self::Unknown(other)),
        }
    }

    /// Key of one committed offset, version 1.
    #[must_use]
    pub fn encode_offset_commit(group: &str, partition: &TopicPartition) -> Bytes {
        let mut fields = Writer::open(1, NEVER_FLEXIBLE);
        fields.string(group);
        fields.string(partition.topic.as_str());
        fields.i32(partition.partition);
        fields.finish()
    }

    /// Key of one group, version 2.
    #[must_use]
    pub fn encode_group_metadata(group: &str) -> Bytes {
        let mut fields = Writer::open(2, NEVER_FLEXIBLE);
        fields.string(group);
        fields.finish()
    }
}
