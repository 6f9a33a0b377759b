//! Requests: decoded by the server, encoded by clients.
//! Decoding copies nothing: texts and records are slices of the frame.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::RequestKind;
use kafka_protocol::protocol::{Request, StrBytes};

use crate::frame;
use crate::header::RequestHeader;
use crate::response::EncodeError;
use crate::shape;
use crate::versions::ApiKey;

/// A frame that is not a request, or not one served here.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The header does not parse.
    #[error("request header: {0}")]
    Header(&'static str),
    /// No API with this key in ZooKeeper mode.
    #[error("API key {0} is not served")]
    UnknownApiKey(i16),
    /// The API is known but not in this version. For ApiVersions the server answers error 35 in version 0.
    #[error("{api} v{} is not served", header.api_version)]
    UnsupportedVersion {
        /// The API.
        api: ApiKey,
        /// The header, so that ApiVersions can be answered.
        header: RequestHeader,
    },
    /// The body does not parse.
    #[error("{api} v{version}: {reason}")]
    Malformed {
        /// The API.
        api: ApiKey,
        /// The version.
        version: i16,
        /// What was wrong.
        reason: String,
    },
}

/// Decodes a frame (without its size) as a request.
///
/// # Errors
/// [`DecodeError`]; an unsupported version of ApiVersions is answered, everything else closes the connection.
pub fn decode_request(frame: Bytes) -> Result<(RequestHeader, RequestKind), DecodeError> {
    let (header, api, mut body) = decode_header(frame)?;
    let version = header.api_version;
    check_shape(api, version, &body)?;
    let request = RequestKind::decode(api.codec_key(), &mut body, version).map_err(|error| DecodeError::Malformed {
        api,
        version,
        reason: error.to_string(),
    })?;
    Ok((header, request))
}

/// Splits a frame into header and body and checks that the version is served.
///
/// # Errors
/// All of [`DecodeError`] but `Malformed`.
pub fn decode_header(mut frame: Bytes) -> Result<(RequestHeader, ApiKey, Bytes), DecodeError> {
    let header = RequestHeader::decode(&mut frame)?;
    let api = header.api().ok_or(DecodeError::UnknownApiKey(header.api_key))?;
    if api.supports(header.api_version) {
        Ok((header, api, frame))
    } else {
        Err(DecodeError::UnsupportedVersion { api, header })
    }
}

/// Decodes the body of a request of known type.
///
/// # Errors
/// [`DecodeError::Malformed`].
pub fn decode_body<R: Request>(mut body: Bytes, version: i16) -> Result<R, DecodeError> {
    let api = api_of::<R>()?;
    check_shape(api, version, &body)?;
    R::decode(&mut body, version).map_err(|error| DecodeError::Malformed { api, version, reason: error.to_string() })
}

/// Encodes a whole frame, size first, from a request of any type.
///
/// # Errors
/// [`EncodeError`] when a field has no place in this version or the frame is too long.
pub fn encode_request(header: &RequestHeader, request: &RequestKind) -> Result<Bytes, EncodeError> {
    let api = header.api().ok_or(EncodeError::UnknownApiKey(header.api_key))?;
    encode_with(api, header, |out| request.encode(out, header.api_version))
}

/// Encodes a whole frame, size first, from a request of known type.
///
/// # Errors
/// As [`encode_request`].
pub fn encode_request_body<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: Option<StrBytes>,
    request: &R,
) -> Result<Bytes, EncodeError> {
    let api = ApiKey::from_key(R::KEY).ok_or(EncodeError::UnknownApiKey(R::KEY))?;
    let header = RequestHeader { api_key: R::KEY, api_version: version, correlation_id, client_id };
    encode_with(api, &header, |out| request.encode(out, version))
}

fn encode_with<E: std::fmt::Display>(
    api: ApiKey,
    header: &RequestHeader,
    body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<Bytes, EncodeError> {
    let version = header.api_version;
    let mut out = BytesMut::with_capacity(256);
    let start = frame::start(&mut out);
    header.encode(api, &mut out).ok_or(EncodeError::TooLong { api, version })?;
    body(&mut out).map_err(|error| EncodeError::Message { api, version, reason: error.to_string() })?;
    frame::finish(&mut out, start, 0).ok_or(EncodeError::TooLong { api, version })?;
    Ok(out.freeze())
}

/// Array counts are believed by the codec: see [`shape`].
fn check_shape(api: ApiKey, version: i16, body: &[u8]) -> Result<(), DecodeError> {
    shape::check(api, version, body).map_err(|reason| DecodeError::Malformed {
        api,
        version,
        reason: reason.to_owned(),
    })
}

pub(crate) fn api_of<R: Request>() -> Result<ApiKey, DecodeError> {
    ApiKey::from_key(R::KEY).ok_or(DecodeError::UnknownApiKey(R::KEY))
}

/// The API a request belongs to.
#[must_use]
pub fn api_of_kind(request: &RequestKind) -> Option<ApiKey> {
    Some(match request {
        RequestKind::Produce(_) => ApiKey::Produce,
        RequestKind::Fetch(_) => ApiKey::Fetch,
        RequestKind::ListOffsets(_) => ApiKey::ListOffsets,
        RequestKind::Metadata(_) => ApiKey::Metadata,
        RequestKind::LeaderAndIsr(_) => ApiKey::LeaderAndIsr,
        RequestKind::StopReplica(_) => ApiKey::StopReplica,
        RequestKind::UpdateMetadata(_) => ApiKey::UpdateMetadata,
        RequestKind::ControlledShutdown(_) => ApiKey::ControlledShutdown,
        RequestKind::OffsetCommit(_) => ApiKey::OffsetCommit,
        RequestKind::OffsetFetch(_) => ApiKey::OffsetFetch,
        RequestKind::FindCoordinator(_) => ApiKey::FindCoordinator,
        RequestKind::JoinGroup(_) => ApiKey::JoinGroup,
        RequestKind::Heartbeat(_) => ApiKey::Heartbeat,
        RequestKind::LeaveGroup(_) => ApiKey::LeaveGroup,
        RequestKind::SyncGroup(_) => ApiKey::SyncGroup,
        RequestKind::DescribeGroups(_) => ApiKey::DescribeGroups,
        RequestKind::ListGroups(_) => ApiKey::ListGroups,
        RequestKind::SaslHandshake(_) => ApiKey::SaslHandshake,
        RequestKind::ApiVersions(_) => ApiKey::ApiVersions,
        RequestKind::CreateTopics(_) => ApiKey::CreateTopics,
        RequestKind::DeleteTopics(_) => ApiKey::DeleteTopics,
        RequestKind::DeleteRecords(_) => ApiKey::DeleteRecords,
        RequestKind::InitProducerId(_) => ApiKey::InitProducerId,
        RequestKind::OffsetForLeaderEpoch(_) => ApiKey::OffsetForLeaderEpoch,
        RequestKind::AddPartitionsToTxn(_) => ApiKey::AddPartitionsToTxn,
        RequestKind::AddOffsetsToTxn(_) => ApiKey::AddOffsetsToTxn,
        RequestKind::EndTxn(_) => ApiKey::EndTxn,
        RequestKind::WriteTxnMarkers(_) => ApiKey::WriteTxnMarkers,
        RequestKind::TxnOffsetCommit(_) => ApiKey::TxnOffsetCommit,
        RequestKind::DescribeAcls(_) => ApiKey::DescribeAcls,
        RequestKind::CreateAcls(_) => ApiKey::CreateAcls,
        RequestKind::DeleteAcls(_) => ApiKey::DeleteAcls,
        RequestKind::DescribeConfigs(_) => ApiKey::DescribeConfigs,
        RequestKind::AlterConfigs(_) => ApiKey::AlterConfigs,
        RequestKind::AlterReplicaLogDirs(_) => ApiKey::AlterReplicaLogDirs,
        RequestKind::DescribeLogDirs(_) => ApiKey::DescribeLogDirs,
        RequestKind::SaslAuthenticate(_) => ApiKey::SaslAuthenticate,
        RequestKind::CreatePartitions(_) => ApiKey::CreatePartitions,
        RequestKind::CreateDelegationToken(_) => ApiKey::CreateDelegationToken,
        RequestKind::RenewDelegationToken(_) => ApiKey::RenewDelegationToken,
        RequestKind::ExpireDelegationToken(_) => ApiKey::ExpireDelegationToken,
        RequestKind::DescribeDelegationToken(_) => ApiKey::DescribeDelegationToken,
        RequestKind::DeleteGroups(_) => ApiKey::DeleteGroups,
        RequestKind::ElectLeaders(_) => ApiKey::ElectLeaders,
        RequestKind::IncrementalAlterConfigs(_) => ApiKey::IncrementalAlterConfigs,
        RequestKind::AlterPartitionReassignments(_) => ApiKey::AlterPartitionReassignments,
        RequestKind::ListPartitionReassignments(_) => ApiKey::ListPartitionReassignments,
        RequestKind::OffsetDelete(_) => ApiKey::OffsetDelete,
        RequestKind::DescribeClientQuotas(_) => ApiKey::DescribeClientQuotas,
        RequestKind::AlterClientQuotas(_) => ApiKey::AlterClientQuotas,
        RequestKind::DescribeUserScramCredentials(_) => ApiKey::DescribeUserScramCredentials,
        RequestKind::AlterUserScramCredentials(_) => ApiKey::AlterUserScramCredentials,
        RequestKind::AlterPartition(_) => ApiKey::AlterPartition,
        RequestKind::UpdateFeatures(_) => ApiKey::UpdateFeatures,
        RequestKind::Envelope(_) => ApiKey::Envelope,
        RequestKind::DescribeCluster(_) => ApiKey::DescribeCluster,
        RequestKind::DescribeProducers(_) => ApiKey::DescribeProducers,
        RequestKind::DescribeTransactions(_) => ApiKey::DescribeTransactions,
        RequestKind::ListTransactions(_) => ApiKey::ListTransactions,
        RequestKind::AllocateProducerIds(_) => ApiKey::AllocateProducerIds,
        RequestKind::ConsumerGroupHeartbeat(_) => ApiKey::ConsumerGroupHeartbeat,
        RequestKind::ConsumerGroupDescribe(_) => ApiKey::ConsumerGroupDescribe,
        _ => return None,
    })
}
