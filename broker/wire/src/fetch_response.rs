//! Fetch responses, versions 0-17, with the records left where they lie.
//! Written by hand because the codec wants records in memory; here they may be slices of segment files.
//! Source: `FetchResponse.json`; a test holds it equal to the codec's bytes in every version.

use bytes::{BufMut as _, BytesMut};
use uuid::Uuid;
use zk_schema::types::TopicName;

use crate::error_code::ErrorCode;
use crate::frame;
use crate::header::encode_response_header;
use crate::response::EncodeError;
use crate::rope::{Payload, Piece, Rope};
use crate::versions::ApiKey;

/// A Fetch response whose records are `R`. Fields the version lacks are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchResponse<R> {
    /// How long the client is throttled, in milliseconds (v1+).
    pub throttle_time_ms: i32,
    /// Error of the whole request (v7+).
    pub error_code: ErrorCode,
    /// Fetch session, 0 for none (v7+).
    pub session_id: i32,
    /// Topics in the order of the answer.
    pub topics: Vec<Topic<R>>,
    /// Where the leaders named in `current_leader` listen (v16+).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// One topic of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic<R> {
    /// Name (v0-12).
    pub name: TopicName,
    /// Id (v13+).
    pub id: Uuid,
    /// Its partitions.
    pub partitions: Vec<Partition<R>>,
}

/// One partition of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition<R> {
    /// Partition index.
    pub partition_index: i32,
    /// Error of this partition.
    pub error_code: ErrorCode,
    /// High watermark, -1 if unknown.
    pub high_watermark: i64,
    /// Last stable offset, -1 if unknown (v4+).
    pub last_stable_offset: i64,
    /// Log start offset, -1 if unknown (v5+).
    pub log_start_offset: i64,
    /// Set when the follower's log has diverged (v12+).
    pub diverging_epoch: Option<EpochEndOffset>,
    /// Set with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH (v12+).
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// Aborted transactions in range; `None` for readers of uncommitted records (v4+).
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The follower to read from instead, -1 for none (v11+).
    pub preferred_read_replica: i32,
    /// The records; `None` is written as an empty set, which is what Kafka sends with an error.
    /// Differs from Kafka: so it is for records that cannot be converted for an old client, where Kafka writes null.
    pub records: Option<R>,
}

/// The largest epoch not newer than the one asked for, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// Leader epoch.
    pub epoch: i32,
    /// First offset not in it.
    pub end_offset: i64,
}

/// Who leads now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderIdAndEpoch {
    /// Broker id, -1 if there is none.
    pub leader_id: i32,
    /// Leader epoch.
    pub leader_epoch: i32,
}

/// One aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: i64,
    /// Its first offset.
    pub first_offset: i64,
}

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// Broker id.
    pub node_id: i32,
    /// Host.
    pub host: String,
    /// Port.
    pub port: i32,
    /// Rack.
    pub rack: Option<String>,
}

impl<R> Partition<R> {
    /// A partition that could not be read.
    #[must_use]
    pub fn failed(partition_index: i32, error_code: ErrorCode) -> Self {
        Self {
            partition_index,
            error_code,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: None,
            current_leader: None,
            aborted_transactions: None,
            preferred_read_replica: -1,
            records: None,
        }
    }
}

impl<R: Payload> FetchResponse<R> {
    /// Encodes the whole frame, size first, in this version.
    ///
    /// # Errors
    /// [`EncodeError`] if the version is not served, a text is too long for its length field or the frame for its size.
    pub fn encode(self, version: i16, correlation_id: i32) -> Result<Rope<R>, EncodeError> {
        let too_long = || EncodeError::TooLong { api: ApiKey::Fetch, version };
        if !ApiKey::Fetch.supports(version) {
            let reason = "version is not served".to_owned();
            return Err(EncodeError::Message { api: ApiKey::Fetch, version, reason });
        }
        let mut encoder = Encoder::new(version);
        let start = frame::start(&mut encoder.out);
        encode_response_header(ApiKey::Fetch, version, correlation_id, &mut encoder.out);
        encoder.response(self).ok_or_else(too_long)?;
        let payload_len: usize = encoder.payloads.iter().map(|(_, payload)| payload.len()).sum();
        frame::finish(&mut encoder.out, start, payload_len).ok_or_else(too_long)?;
        Ok(encoder.into_rope())
    }
}

/// Encoded bytes, and at which of their positions each payload goes.
struct Encoder<R> {
    version: i16,
    out: BytesMut,
    payloads: Vec<(usize, R)>,
}

impl<R: Payload> Encoder<R> {
    fn new(version: i16) -> Self {
        Self { version, out: BytesMut::with_capacity(512), payloads: Vec::new() }
    }

    const fn is_flexible(&self) -> bool {
        self.version >= 12
    }

    fn response(&mut self, response: FetchResponse<R>) -> Option<()> {
        if self.version >= 1 {
            self.out.put_i32(response.throttle_time_ms);
        }
        if self.version >= 7 {
            self.out.put_i16(response.error_code.code());
            self.out.put_i32(response.session_id);
        }
        self.count(response.topics.len())?;
        for topic in response.topics {
            self.topic(topic)?;
        }
        if self.is_flexible() {
            self.node_endpoints(&response.node_endpoints)?;
        }
        Some(())
    }

    fn topic(&mut self, topic: Topic<R>) -> Option<()> {
        if self.version <= 12 {
            self.text(topic.name.as_str())?;
        } else {
            self.out.put_slice(topic.id.as_bytes());
        }
        self.count(topic.partitions.len())?;
        for partition in topic.partitions {
            self.partition(partition)?;
        }
        self.no_tagged_fields();
        Some(())
    }

    fn partition(&mut self, partition: Partition<R>) -> Option<()> {
        self.out.put_i32(partition.partition_index);
        self.out.put_i16(partition.error_code.code());
        self.out.put_i64(partition.high_watermark);
        if self.version >= 4 {
            self.out.put_i64(partition.last_stable_offset);
            if self.version >= 5 {
                self.out.put_i64(partition.log_start_offset);
            }
            self.aborted_transactions(partition.aborted_transactions.as_deref())?;
        }
        if self.version >= 11 {
            self.out.put_i32(partition.preferred_read_replica);
        }
        self.records(partition.records)?;
        if self.is_flexible() {
            self.partition_tags(partition.diverging_epoch, partition.current_leader);
        }
        Some(())
    }

    fn aborted_transactions(&mut self, aborted: Option<&[AbortedTransaction]>) -> Option<()> {
        let Some(aborted) = aborted else {
            if self.is_flexible() {
                self.out.put_u8(0)
            } else {
                self.out.put_i32(-1)
            }
            return Some(());
        };
        self.count(aborted.len())?;
        for transaction in aborted {
            self.out.put_i64(transaction.producer_id);
            self.out.put_i64(transaction.first_offset);
            self.no_tagged_fields();
        }
        Some(())
    }

    fn records(&mut self, records: Option<R>) -> Option<()> {
        self.count(records.as_ref().map_or(0, Payload::len))?;
        if let Some(records) = records.filter(|records| !records.is_empty()) {
            self.payloads.push((self.out.len(), records));
        }
        Some(())
    }

    fn partition_tags(&mut self, diverging: Option<EpochEndOffset>, leader: Option<LeaderIdAndEpoch>) {
        let diverging = diverging.filter(|diverging| *diverging != EpochEndOffset { epoch: -1, end_offset: -1 });
        let leader = leader.filter(|leader| *leader != LeaderIdAndEpoch { leader_id: -1, leader_epoch: -1 });
        self.out.put_u8(u8::from(diverging.is_some()) + u8::from(leader.is_some()));
        if let Some(diverging) = diverging {
            self.out.put_slice(&[0, 13]);
            self.out.put_i32(diverging.epoch);
            self.out.put_i64(diverging.end_offset);
            self.no_tagged_fields();
        }
        if let Some(leader) = leader {
            self.out.put_slice(&[1, 9]);
            self.out.put_i32(leader.leader_id);
            self.out.put_i32(leader.leader_epoch);
            self.no_tagged_fields();
        }
    }

    fn node_endpoints(&mut self, endpoints: &[NodeEndpoint]) -> Option<()> {
        if self.version < 16 || endpoints.is_empty() {
            self.no_tagged_fields();
            return Some(());
        }
        let mut field = Self::new(self.version);
        field.count(endpoints.len())?;
        for endpoint in endpoints {
            field.out.put_i32(endpoint.node_id);
            field.text(&endpoint.host)?;
            field.out.put_i32(endpoint.port);
            match &endpoint.rack {
                Some(rack) => field.text(rack)?,
                None => field.out.put_u8(0),
            }
            field.no_tagged_fields();
        }
        self.out.put_slice(&[1, 0]);
        put_unsigned_varint(&mut self.out, u32::try_from(field.out.len()).ok()?);
        self.out.put_slice(&field.out);
        Some(())
    }

    /// A length before an array or records.
    fn count(&mut self, count: usize) -> Option<()> {
        let count = i32::try_from(count).ok()?;
        if self.is_flexible() {
            put_unsigned_varint(&mut self.out, count.unsigned_abs() + 1);
        } else {
            self.out.put_i32(count);
        }
        Some(())
    }

    fn text(&mut self, text: &str) -> Option<()> {
        if self.is_flexible() {
            self.count(text.len())?;
        } else {
            self.out.put_i16(i16::try_from(text.len()).ok()?);
        }
        self.out.put_slice(text.as_bytes());
        Some(())
    }

    fn no_tagged_fields(&mut self) {
        if self.is_flexible() {
            self.out.put_u8(0);
        }
    }

    fn into_rope(self) -> Rope<R> {
        let mut rest = self.out.freeze();
        let mut pieces = Vec::with_capacity(2 * self.payloads.len() + 1);
        let mut cut = 0;
        for (position, payload) in self.payloads {
            pieces.push(Piece::Bytes(rest.split_to(position - cut)));
            pieces.push(Piece::Payload(payload));
            cut = position;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Bytes(rest));
        }
        Rope { pieces }
    }
}

fn put_unsigned_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::fetch_response as codec;
    use kafka_protocol::messages::{ResponseKind, TopicName as CodecTopicName};
    use proptest::prelude::*;

    use super::*;
    use crate::{RequestHeader, encode_response, text};

    fn in_one_piece(rope: &Rope<Bytes>) -> Vec<u8> {
        let slices = rope.pieces.iter().map(|piece| match piece {
            Piece::Bytes(bytes) | Piece::Payload(bytes) => bytes.as_ref(),
        });
        slices.collect::<Vec<_>>().concat()
    }

    fn by_codec(response: &FetchResponse<Bytes>, version: i16, correlation_id: i32) -> Bytes {
        let partition = |p: &Partition<Bytes>| {
            let aborted = |t: &AbortedTransaction| {
                codec::AbortedTransaction::default()
                    .with_producer_id(t.producer_id.into())
                    .with_first_offset(t.first_offset)
            };
            let mut out = codec::PartitionData::default()
                .with_partition_index(p.partition_index)
                .with_error_code(p.error_code.code())
                .with_high_watermark(p.high_watermark)
                .with_last_stable_offset(p.last_stable_offset)
                .with_log_start_offset(p.log_start_offset)
                .with_aborted_transactions(
                    p.aborted_transactions.as_ref().map(|list| list.iter().map(aborted).collect()),
                )
                .with_records(Some(p.records.clone().unwrap_or_default()));
            if version >= 11 {
                out.preferred_read_replica = p.preferred_read_replica.into();
            }
            if let Some(diverging) = p.diverging_epoch.filter(|_| version >= 12) {
                out.diverging_epoch.epoch = diverging.epoch;
                out.diverging_epoch.end_offset = diverging.end_offset;
            }
            if let Some(leader) = p.current_leader.filter(|_| version >= 12) {
                out.current_leader.leader_id = leader.leader_id.into();
                out.current_leader.leader_epoch = leader.leader_epoch;
            }
            out
        };
        let topic = |t: &Topic<Bytes>| {
            codec::FetchableTopicResponse::default()
                .with_topic(CodecTopicName(text(t.name.as_str())))
                .with_topic_id(t.id)
                .with_partitions(t.partitions.iter().map(partition).collect())
        };
        let endpoint = |e: &NodeEndpoint| {
            codec::NodeEndpoint::default()
                .with_node_id(e.node_id.into())
                .with_host(text(&e.host))
                .with_port(e.port)
                .with_rack(e.rack.as_deref().map(text))
        };
        let message = codec::FetchResponse::default()
            .with_throttle_time_ms(response.throttle_time_ms)
            .with_error_code(response.error_code.code())
            .with_session_id(if version >= 7 { response.session_id } else { 0 })
            .with_responses(response.topics.iter().map(topic).collect())
            .with_node_endpoints(response.node_endpoints.iter().map(endpoint).collect());
        let header = RequestHeader { api_key: 1, api_version: version, correlation_id, client_id: None };
        encode_response(&header, &ResponseKind::Fetch(message)).unwrap()
    }

    prop_compose! {
        fn partitions()(
            partition_index in any::<i32>(),
            error in -1i16..=127,
            offsets in any::<(i64, i64, i64)>(),
            diverging in proptest::option::of(any::<(i32, i64)>()),
            leader in proptest::option::of(any::<(i32, i32)>()),
            aborted in proptest::option::of(proptest::collection::vec(any::<(i64, i64)>(), 0..4)),
            preferred_read_replica in -1i32..5,
            records in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        ) -> Partition<Bytes> {
            Partition {
                partition_index,
                error_code: ErrorCode::from_code(error),
                high_watermark: offsets.0,
                last_stable_offset: offsets.1,
                log_start_offset: offsets.2,
                diverging_epoch: diverging.map(|(epoch, end_offset)| EpochEndOffset { epoch, end_offset }),
                current_leader: leader.map(|(leader_id, leader_epoch)| LeaderIdAndEpoch { leader_id, leader_epoch }),
                aborted_transactions: aborted.map(|list| {
                    let transaction =
                        |(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset };
                    list.into_iter().map(transaction).collect()
                }),
                preferred_read_replica,
                records: records.map(Bytes::from),
            }
        }
    }

    prop_compose! {
        fn topics()(
            name in "[a-z.]{1,200}",
            id in any::<u128>(),
            partitions in proptest::collection::vec(partitions(), 0..4),
        ) -> Topic<Bytes> {
            Topic { name: TopicName::new(&name), id: Uuid::from_u128(id), partitions }
        }
    }

    prop_compose! {
        fn responses()(
            numbers in any::<(i32, i32)>(),
            error in -1i16..=127,
            topics in proptest::collection::vec(topics(), 0..4),
            endpoints in proptest::collection::vec(
                (any::<i32>(), "[a-z]{0,20}", any::<i32>(), proptest::option::of("[a-z]{0,9}")), 0..3),
        ) -> FetchResponse<Bytes> {
            FetchResponse {
                throttle_time_ms: numbers.0,
                error_code: ErrorCode::from_code(error),
                session_id: numbers.1,
                topics,
                node_endpoints: endpoints
                    .into_iter()
                    .map(|(node_id, host, port, rack)| NodeEndpoint { node_id, host, port, rack })
                    .collect(),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_version_has_the_codecs_bytes(response in responses(), correlation_id in any::<i32>()) {
            for version in ApiKey::Fetch.versions() {
                let rope = response.clone().encode(version, correlation_id).unwrap();
                let bytes = in_one_piece(&rope);
                prop_assert_eq!(rope.len(), bytes.len());
                prop_assert_eq!(&bytes, &by_codec(&response, version, correlation_id), "v{}", version);
            }
        }
    }

    #[test]
    fn records_are_not_copied() {
        let records = Bytes::from(vec![7u8; 4096]);
        let address = records.as_ptr();
        let partition = Partition { records: Some(records), ..Partition::failed(0, ErrorCode::None) };
        let topic = Topic { name: TopicName::new("t"), id: Uuid::nil(), partitions: vec![partition] };
        let response = FetchResponse {
            throttle_time_ms: 0,
            error_code: ErrorCode::None,
            session_id: 0,
            topics: vec![topic],
            node_endpoints: vec![],
        };
        let rope = response.encode(11, 1).unwrap();
        assert!(rope.pieces.iter().any(|piece| matches!(piece, Piece::Payload(bytes) if bytes.as_ptr() == address)));
    }

    #[test]
    fn a_version_not_served_is_refused() {
        let response: FetchResponse<Bytes> = FetchResponse {
            throttle_time_ms: 0,
            error_code: ErrorCode::None,
            session_id: 0,
            topics: vec![],
            node_endpoints: vec![],
        };
        assert!(response.encode(18, 1).is_err());
    }
}
