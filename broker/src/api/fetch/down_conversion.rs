//! Records for clients that do not know their format or codec: converted in memory, or refused.
//! Only versions before 4 have their records looked at. Before version 10 no client knows zstd: it gets none of a topic
//! that compresses with it, but what producers compressed themselves is given as it is.
//! Source: `KafkaApis.maybeConvertFetchedData`, `LazyDownConversionRecords` in Kafka 3.9.

use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use config::CompressionType;
use record::convert::{down_convert, needs_down_conversion};
use record::{MAGIC_V0, MAGIC_V1, batches};
use wire::ErrorCode;
use wire::fetch_response::Partition as Answer;

use super::without_read;
use crate::api::errors::KafkaError as _;
use crate::broker::Broker;
use crate::net::{FileRange, Records};
use crate::replica::Reader;
use crate::replica::fetch_session::FetchPartition;

/// Most bytes one partition's records may decompress to for a conversion.
const DECOMPRESSED_BYTES_MAX: usize = 256 << 20;

/// The answer as this version of the client can read it. Followers get everything as it is.
pub(super) fn convert(
    broker: &Broker,
    version: i16,
    reader: Reader,
    asked: &FetchPartition,
    answer: Answer<Records>,
) -> Answer<Records> {
    if version >= 10 || matches!(reader, Reader::Follower(_)) {
        return answer;
    }
    let Some(topic) = asked.topic.as_ref().filter(|_| answer.error_code == ErrorCode::None) else { return answer };
    let Ok(partition) = broker.partition(topic.as_str(), asked.partition) else { return answer };
    let config = partition.topic_config();
    if config.compression_type == CompressionType::Zstd {
        return without_read(asked, ErrorCode::UnsupportedCompressionType);
    }
    let Some(Records::File(range)) = &answer.records else { return answer };
    let converted = match version {
        0..=1 => to_magic(range, MAGIC_V0, asked.fetch_offset, config.message_downconversion_enable),
        2..=3 => to_magic(range, MAGIC_V1, asked.fetch_offset, config.message_downconversion_enable),
        _ => Ok(None),
    };
    match converted {
        Ok(None) => answer,
        Ok(Some(bytes)) => Answer { records: Some(Records::Memory(bytes)), ..answer },
        Err(error) => {
            tracing::debug!(partition = %partition.id(), version, ?error, "records cannot be given to an old client");
            without_read(asked, error)
        }
    }
}

/// The records in an older format; `None` if they are old enough already.
fn to_magic(range: &FileRange, magic: i8, first_offset: i64, is_enabled: bool) -> Result<Option<Bytes>, ErrorCode> {
    let mut stored = vec![0; range.len];
    range.file.read_exact_at(&mut stored, range.position).map_err(|error| {
        tracing::error!(%error, "records cannot be read for conversion");
        ErrorCode::KafkaStorageError
    })?;
    let stored = Bytes::from(stored);
    if !needs_down_conversion(batches(stored.clone()), magic) {
        return Ok(None);
    }
    if !is_enabled {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let converted = down_convert(batches(stored), magic, first_offset, range.len, DECOMPRESSED_BYTES_MAX);
    converted.map(|converted| Some(converted.bytes)).map_err(|error| error.code())
}
