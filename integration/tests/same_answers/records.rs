//! Records of every format for requests, and what the records of an answer say.

use anyhow::Result;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use record::convert::write_message_set;
use record::{BatchBuilder, BatchOptions, Codec, Record, RecordHeader, batches};

/// A fixed instant, near enough to now that no rule about age refuses it.
pub fn timestamp() -> i64 {
    static START: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *START.get_or_init(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_millis()).unwrap_or(0) - 60_000
    })
}

/// A few records: with and without key, value and headers.
pub fn some(count: i64) -> Vec<Record> {
    let record = |offset: i64| Record {
        offset,
        timestamp: timestamp() + offset * 10,
        key: (offset % 2 == 0).then(|| Bytes::from(format!("key {offset}"))),
        value: (offset % 3 != 2).then(|| Bytes::from(format!("value {offset}"))),
        headers: Vec::new(),
    };
    (0..count).map(record).collect()
}

/// A batch of magic 2 with headers in it.
pub fn batch(options: BatchOptions, count: i64) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for mut record in some(count) {
        record.headers = vec![
            // Compresses badly: what is left without headers is always smaller, however well the codec is implemented.
            RecordHeader { key: Bytes::from_static(b"h"), value: Some(noise(record.offset)) },
            RecordHeader { key: Bytes::from_static(b"null"), value: None },
        ];
        builder.append_record(&record).expect("a handful of records fits a batch");
    }
    builder.build().expect("a handful of records can be compressed")
}

fn noise(seed: i64) -> Bytes {
    let mut random = StdRng::seed_from_u64(seed.unsigned_abs());
    let mut bytes = vec![0; 60];
    random.fill_bytes(&mut bytes);
    bytes.into()
}

/// A batch of magic 2 of nothing but a codec.
pub fn plain(codec: Codec, count: i64) -> Bytes {
    batch(BatchOptions { compression: codec.into(), ..BatchOptions::default() }, count)
}

/// A batch of an idempotent producer.
pub fn idempotent(producer_id: i64, producer_epoch: i16, base_sequence: i32, count: i64) -> Bytes {
    batch(BatchOptions { producer_id, producer_epoch, base_sequence, ..BatchOptions::default() }, count)
}

/// A message set of magic 0 or 1; one wrapper if there is a codec.
pub fn old(magic: i8, codec: Codec, count: i64) -> Bytes {
    let mut out = Vec::new();
    write_message_set(&mut out, &some(count), magic, codec.into(), None).expect("magic and codec go together");
    out.into()
}

/// Uncompressed records in the format a version of Produce carries.
pub fn of_version(version: i16, count: i64) -> Bytes {
    match version {
        0 | 1 => old(0, Codec::None, count),
        2 => old(1, Codec::None, count),
        _ => plain(Codec::None, count),
    }
}

/// What the records say, a line per batch and per record. Times the server chose are left out, as are CRCs and sizes:
/// two compressors of one codec need not agree on bytes.
pub fn said(bytes: &Bytes) -> String {
    let read = || -> Result<String> {
        let mut said = String::new();
        for batch in batches(bytes.clone()) {
            let batch = batch?;
            let header = batch.header().map(|header| {
                format!(
                    "epoch {} count {} producer {} {} {}",
                    header.partition_leader_epoch,
                    batch.record_count().unwrap_or(-1),
                    header.producer_id,
                    header.producer_epoch,
                    header.base_sequence
                )
            });
            batch.verify_crc()?;
            let server_time = batch.timestamp_type() == record::TimestampType::LogAppendTime;
            said += &format!(
                "[magic {} codec {} to {} {:?} {}",
                batch.magic(),
                batch.codec()?,
                batch.last_offset(),
                batch.timestamp_type(),
                header.unwrap_or_default()
            );
            for record in batch.records()? {
                let mut record = record?;
                record.timestamp = if server_time { 0 } else { record.timestamp };
                said += &format!(" {record:?}");
            }
            said += "]";
        }
        Ok(said)
    };
    read().unwrap_or_else(|error| format!("{error} in {bytes:?}"))
}
