//! Produce and InitProducerId: one request, one answer. Keeps no state.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use wire::messages::{InitProducerIdRequest, ProduceRequest, ProducerId, TopicName};
use wire::{ApiKey, ErrorCode, StrBytes};

use super::{Config, Home};
use crate::cluster::ClusterClient;
use crate::error::{Error, check};

/// How much longer than the broker we wait: its own "timed out" tells more than ours.
const GRACE: Duration = Duration::from_secs(1);
/// The first version that takes record batches of today's format.
const BATCHES_SINCE: i16 = 3;

/// What a leader said of each partition.
pub type Answers = BTreeMap<Home, Stored>;

/// What a leader said of one.
#[derive(Debug)]
pub struct Stored {
    /// 0 when it is stored.
    pub code: ErrorCode,
    /// The broker's own words.
    pub message: Option<StrBytes>,
    /// Offset of the first record.
    pub base_offset: i64,
    /// Timestamp of all records, if the broker stamped them, else -1.
    pub log_append_time: i64,
}

/// Sends one batch of each partition to their leader; no answer with acks 0.
///
/// # Errors
/// When the leader cannot be reached or does not answer.
pub async fn produce(
    cluster: &ClusterClient,
    leader: i32,
    batches: &[(Home, Bytes)],
    config: &Config,
) -> Result<Option<Answers>, Error> {
    let connection = cluster.broker(leader).await?;
    let version = connection.version_of::<ProduceRequest>(i16::MAX)?;
    if version < BATCHES_SINCE {
        return Err(Error::Unsupported { address: connection.address().to_owned(), api: ApiKey::Produce });
    }
    let request = request(batches, config);
    if config.acks == 0 {
        connection.send_unanswered(version, &request).await?;
        return Ok(None);
    }
    let response = connection.call_within(version, &request, config.request_timeout + GRACE).await?;
    let mut stored = BTreeMap::new();
    for topic in response.responses {
        for partition in topic.partition_responses {
            let answer = Stored {
                code: ErrorCode::from_code(partition.error_code),
                message: partition.error_message,
                base_offset: partition.base_offset,
                log_append_time: partition.log_append_time_ms,
            };
            stored.insert((topic.name.0.to_string(), partition.index), answer);
        }
    }
    Ok(Some(stored))
}

fn request(batches: &[(Home, Bytes)], config: &Config) -> ProduceRequest {
    let mut topics: BTreeMap<&str, Vec<PartitionProduceData>> = BTreeMap::new();
    for ((topic, index), records) in batches {
        let mut data = PartitionProduceData::default();
        data.index = *index;
        data.records = Some(records.clone());
        topics.entry(topic).or_default().push(data);
    }
    let mut request = ProduceRequest::default();
    request.transactional_id = None;
    request.acks = config.acks;
    request.timeout_ms = i32::try_from(config.request_timeout.as_millis()).unwrap_or(i32::MAX);
    request.topic_data = topics
        .into_iter()
        .map(|(name, partition_data)| {
            let mut topic = TopicProduceData::default();
            topic.name = TopicName(wire::text(name));
            topic.partition_data = partition_data;
            topic
        })
        .collect();
    request
}

/// Asks any broker for a producer id and epoch.
///
/// # Errors
/// When none gives one.
pub async fn ask_producer_id(cluster: &ClusterClient) -> Result<(i64, i16), Error> {
    let connection = cluster.any().await?;
    let mut request = InitProducerIdRequest::default();
    request.transactional_id = None;
    request.transaction_timeout_ms = 60_000;
    request.producer_id = ProducerId(-1);
    request.producer_epoch = -1;
    let response = connection.call(&request).await?;
    check(response.error_code, None, || "producer id".to_owned())?;
    Ok((response.producer_id.0, response.producer_epoch))
}
