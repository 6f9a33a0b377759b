//! Responses: encoded by the server, decoded by clients.
//! Whole frames come out, size first. Fetch responses have their own encoder, see [`crate::fetch_response`].

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ResponseKind;
use kafka_protocol::protocol::{Decodable as _, Encodable, Request};

use crate::frame;
use crate::header::{self, RequestHeader};
use crate::request::{DecodeError, api_of};
use crate::versions::ApiKey;

/// A message that cannot be written in the version asked for.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// No API with this key in ZooKeeper mode.
    #[error("API key {0} is not served")]
    UnknownApiKey(i16),
    /// A field is set that this version lacks, or a text is too long for its length field.
    #[error("{api} v{version}: {reason}")]
    Message {
        /// The API.
        api: ApiKey,
        /// The version.
        version: i16,
        /// What was wrong.
        reason: String,
    },
    /// More bytes than a frame's size can say.
    #[error("{api} v{version}: frame of more than 2 GiB")]
    TooLong {
        /// The API.
        api: ApiKey,
        /// The version.
        version: i16,
    },
}

/// Encodes the answer to the request with this header as a whole frame, size first.
///
/// # Errors
/// [`EncodeError`].
pub fn encode_response(request: &RequestHeader, response: &ResponseKind) -> Result<Bytes, EncodeError> {
    let api = request.api().ok_or(EncodeError::UnknownApiKey(request.api_key))?;
    let mut out = BytesMut::with_capacity(256);
    encode_with(api, request.api_version, request.correlation_id, &mut out, |out| {
        response.encode(out, request.api_version)
    })?;
    Ok(out.freeze())
}

/// Appends the answer to the request with this header to `out`, size first: no allocation when `out` has room.
/// On an error `out` is as it was.
///
/// # Errors
/// [`EncodeError`].
pub fn encode_response_body<M: Encodable>(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &M,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    encode_with(api, version, correlation_id, out, |out| response.encode(out, version))
}

fn encode_with<E: std::fmt::Display>(
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), EncodeError> {
    let start = frame::start(out);
    header::encode_response_header(api, version, correlation_id, out);
    let written = body(out).map_err(|error| EncodeError::Message { api, version, reason: error.to_string() });
    let finished = written.and_then(|()| frame::finish(out, start, 0).ok_or(EncodeError::TooLong { api, version }));
    if finished.is_err() {
        out.truncate(start);
    }
    finished
}

/// Decodes a frame (without its size) as the response to a request of this API and version: correlation id and message.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_response(mut frame: Bytes, api: ApiKey, version: i16) -> Result<(i32, ResponseKind), DecodeError> {
    let correlation_id = header::decode_response_header(&mut frame, api, version)?;
    let response = ResponseKind::decode(api.codec_key(), &mut frame, version)
        .map_err(|error| DecodeError::Malformed { api, version, reason: error.to_string() })?;
    Ok((correlation_id, response))
}

/// Decodes a frame (without its size) as the response to a request of type `R`: correlation id and message.
/// A server that does not know our version of ApiVersions answers in version 0; the caller decodes again as that when
/// the first two bytes of the body are error 35.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_response_body<R: Request>(mut frame: Bytes, version: i16) -> Result<(i32, R::Response), DecodeError> {
    let api = api_of::<R>()?;
    let correlation_id = header::decode_response_header(&mut frame, api, version)?;
    let response = R::Response::decode(&mut frame, version).map_err(|error| DecodeError::Malformed {
        api,
        version,
        reason: error.to_string(),
    })?;
    Ok((correlation_id, response))
}
