//! Control records: the markers that end a transaction in a partition.
//! Source: `ControlRecordType`, `EndTransactionMarker`, `MemoryRecords.withEndTransactionMarker` in Kafka 3.9.

use bytes::Bytes;

use crate::NO_SEQUENCE;
use crate::builder::{BatchBuilder, BatchOptions};
use crate::error::Error;
use crate::record::Record;

/// What a control record says, by the type in its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    /// The transaction did not happen.
    Abort,
    /// The transaction happened.
    Commit,
    /// A type this version does not know (KRaft's); readers skip it.
    Unknown(i16),
}

impl ControlType {
    fn from_id(id: i16) -> Self {
        match id {
            0 => Self::Abort,
            1 => Self::Commit,
            id => Self::Unknown(id),
        }
    }

    fn id(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
            Self::Unknown(id) => id,
        }
    }

    /// Reads the key of a control record: int16 version, int16 type.
    ///
    /// # Errors
    /// [`Error::InvalidRecord`] if the key is missing, short or of a negative version.
    pub fn parse_key(key: Option<&[u8]>) -> Result<Self, Error> {
        let Some(&[version_high, version_low, type_high, type_low, ..]) = key else {
            return Err(Error::InvalidRecord("control record key is missing or shorter than 4 bytes".to_owned()));
        };
        let version = i16::from_be_bytes([version_high, version_low]);
        if version < 0 {
            return Err(Error::InvalidRecord(format!("invalid version {version} of a control record key")));
        }
        Ok(Self::from_id(i16::from_be_bytes([type_high, type_low])))
    }
}

/// The end of a transaction in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Commit or abort.
    pub control_type: ControlType,
    /// Epoch of the transaction coordinator that wrote it.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// Reads a control record; `None` if it is of a type that does not end a transaction.
    ///
    /// # Errors
    /// [`Error::InvalidRecord`] if key or value is broken.
    pub fn parse(record: &Record) -> Result<Option<Self>, Error> {
        let control_type = ControlType::parse_key(record.key.as_deref())?;
        if let ControlType::Unknown(_) = control_type {
            return Ok(None);
        }
        let broken = || Error::InvalidRecord("end transaction marker value is missing or too short".to_owned());
        let value = record.value.as_deref().and_then(<[u8]>::first_chunk::<6>).ok_or_else(broken)?;
        let version = i16::from_be_bytes([value[0], value[1]]);
        if version < 0 {
            return Err(Error::InvalidRecord(format!("invalid version {version} of an end transaction marker")));
        }
        let coordinator_epoch = i32::from_be_bytes([value[2], value[3], value[4], value[5]]);
        Ok(Some(Self { control_type, coordinator_epoch }))
    }

    /// A batch holding this marker, for the producer whose transaction it ends. Offset and leader epoch are set when
    /// it is stored.
    ///
    /// # Errors
    /// None that a marker can cause; the builder's signature is passed on.
    pub fn to_batch(&self, timestamp: i64, producer_id: i64, producer_epoch: i16) -> Result<Bytes, Error> {
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id,
            producer_epoch,
            base_sequence: NO_SEQUENCE,
            is_transactional: true,
            is_control: true,
            ..BatchOptions::default()
        });
        let key = [[0, 0], self.control_type.id().to_be_bytes()].concat();
        let value = [&[0, 0][..], &self.coordinator_epoch.to_be_bytes()].concat();
        builder.append(timestamp, Some(&key), Some(&value), &[])?;
        builder.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::batches;

    #[test]
    fn a_marker_comes_back_from_its_batch() {
        let marker = EndTransactionMarker { control_type: ControlType::Commit, coordinator_epoch: 7 };
        let bytes = marker.to_batch(1000, 42, 3).unwrap();
        let batch = batches(bytes).next().unwrap().unwrap();
        batch.verify_crc().unwrap();
        assert!(batch.is_control() && batch.is_transactional());
        assert_eq!((batch.producer_id(), batch.header().unwrap().base_sequence), (42, NO_SEQUENCE));
        let record = batch.records().unwrap().next().unwrap().unwrap();
        assert_eq!(EndTransactionMarker::parse(&record), Ok(Some(marker)));
    }

    #[test]
    fn types_of_later_versions_are_skipped() {
        let record = Record { key: Some(Bytes::from_static(&[0, 0, 0, 2])), ..Record::default() };
        assert_eq!(EndTransactionMarker::parse(&record), Ok(None));
    }

    #[test]
    fn broken_keys_and_values_are_refused() {
        let with = |key: Option<&'static [u8]>, value: Option<&'static [u8]>| Record {
            key: key.map(Bytes::from_static),
            value: value.map(Bytes::from_static),
            ..Record::default()
        };
        for record in [
            with(None, None),
            with(Some(&[0, 0, 0]), None),
            with(Some(&[0x80, 0, 0, 0]), None),
            with(Some(&[0, 0, 0, 1]), None),
            with(Some(&[0, 0, 0, 1]), Some(&[0, 0, 0, 0, 0])),
            with(Some(&[0, 0, 0, 1]), Some(&[0xff, 0xff, 0, 0, 0, 0])),
        ] {
            assert!(EndTransactionMarker::parse(&record).is_err(), "{record:?}");
        }
    }
}
