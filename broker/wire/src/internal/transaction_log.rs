//! Key and value of `__transaction_state`.
//! Never interprets the status byte: which number means which state is the transaction coordinator's business.
//! Source: `TransactionLogKey` version 0 and `TransactionLogValue` versions 0 and 1 of Kafka 3.9.

use std::sync::Arc;

use bytes::Bytes;
use zk_schema::types::{ProducerEpoch, ProducerId, TopicName};

use super::field::{Error, Reader, Writer};

const NEVER_FLEXIBLE: i16 = i16::MAX;
const FLEXIBLE_FROM: i16 = 1;

/// Whose transaction a record is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionLogKey {
    /// The producer's `transactional.id`.
    pub transactional_id: Arc<str>,
}

impl TransactionLogKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`Error`] if the version is not 0 or the bytes are not what it says.
    pub fn decode(bytes: &Bytes) -> Result<Self, Error> {
        let (_, mut fields) = Reader::open("TransactionLogKey", bytes, 0..=0, NEVER_FLEXIBLE)?;
        Ok(Self { transactional_id: fields.string("transactionalId")? })
    }

    /// Key of one transactional id, version 0.
    #[must_use]
    pub fn encode(transactional_id: &str) -> Bytes {
        let mut fields = Writer::open(0, NEVER_FLEXIBLE);
        fields.string(transactional_id);
        fields.finish()
    }
}

/// One transaction as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionLogValue {
    /// Producer id in use.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// How long the transaction may last, in milliseconds.
    pub transaction_timeout_ms: i32,
    /// State as a number: 0 Empty, 1 Ongoing, 2 PrepareCommit, 3 PrepareAbort, 4 CompleteCommit, 5 CompleteAbort,
    /// 6 Dead, 7 PrepareEpochFence.
    pub status: i8,
    /// Partitions taking part, by topic; `None` (null on disk) in state Empty.
    pub partitions: Option<Vec<(TopicName, Vec<i32>)>>,
    /// When the record was written, milliseconds since 1970.
    pub last_update_timestamp: i64,
    /// When the transaction began, milliseconds since 1970; -1 if none is open.
    pub start_timestamp: i64,
}

impl TransactionLogValue {
    /// Reads any version.
    ///
    /// # Errors
    /// [`Error`] if the version is unknown or the bytes are not what it says.
    pub fn decode(bytes: &Bytes) -> Result<Self, Error> {
        let (_, mut fields) = Reader::open("TransactionLogValue", bytes, 0..=1, FLEXIBLE_FROM)?;
        let value = Self {
            producer_id: ProducerId(fields.i64("producerId")?),
            producer_epoch: ProducerEpoch(fields.i16("producerEpoch")?),
            transaction_timeout_ms: fields.i32("transactionTimeoutMs")?,
            status: fields.i8("transactionStatus")?,
            partitions: fields.nullable_array("transactionPartitions", |fields| {
                let topic = TopicName::new(&fields.string("topic")?);
                let partitions = fields.array("partitionIds", |fields| fields.i32("partitionId"))?;
                fields.end()?;
                Ok((topic, partitions))
            })?,
            last_update_timestamp: fields.i64("transactionLastUpdateTimestampMs")?,
            start_timestamp: fields.i64("transactionStartTimestampMs")?,
        };
        fields.end()?;
        Ok(value)
    }

    /// Writes the given version, 0 or 1.
    #[must_use]
    pub fn encode(&self, version: i16) -> Bytes {
        let mut fields = Writer::open(version, FLEXIBLE_FROM);
        fields.i64(self.producer_id.0);
        fields.i16(self.producer_epoch.0);
        fields.i32(self.transaction_timeout_ms);
        fields.i8(self.status);
        fields.nullable_array(self.partitions.as_deref(), |fields, (topic, partitions)| {
            fields.string(topic.as_str());
            fields.array(partitions, |fields, partition| fields.i32(*partition));
            fields.end();
        });
        fields.i64(self.last_update_timestamp);
        fields.i64(self.start_timestamp);
        fields.end();
        fields.finish()
    }
}
