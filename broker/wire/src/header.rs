//! Headers of requests and responses, of every version.
//! Written by hand: the codec's own copies the client id's default and cannot say which part was wrong.
//! Source: `RequestHeader.json`, `ResponseHeader.json`.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;

use crate::request::DecodeError;
use crate::versions::ApiKey;

/// What stands before every request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which API; see [`RequestHeader::api`].
    pub api_key: i16,
    /// Version of the request, and of the response expected.
    pub api_version: i16,
    /// Chosen by the client, repeated in the response.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<StrBytes>,
}

impl RequestHeader {
    /// The API asked for, if there is one with this key.
    #[must_use]
    pub const fn api(&self) -> Option<ApiKey> {
        ApiKey::from_key(self.api_key)
    }

    /// Takes the header off the front of `frame` and leaves the body.
    ///
    /// # Errors
    /// [`DecodeError::UnknownApiKey`], or [`DecodeError::Header`] when bytes are missing or the client id is no text.
    /// The version is not checked: ApiVersions must be answered in any version.
    pub fn decode(frame: &mut Bytes) -> Result<Self, DecodeError> {
        let api_key = frame.try_get_i16().map_err(|_| DecodeError::Header("no API key"))?;
        let api_version = frame.try_get_i16().map_err(|_| DecodeError::Header("no API version"))?;
        let correlation_id = frame.try_get_i32().map_err(|_| DecodeError::Header("no correlation id"))?;
        let api = ApiKey::from_key(api_key).ok_or(DecodeError::UnknownApiKey(api_key))?;
        let header_version = api.request_header_version(api_version);
        let client_id = if header_version >= 1 { decode_client_id(frame)? } else { None };
        if header_version >= 2 {
            skip_tagged_fields(frame)?;
        }
        Ok(Self { api_key, api_version, correlation_id, client_id })
    }

    /// Appends the header to `out`, in the header version its API and version ask for.
    pub(crate) fn encode(&self, api: ApiKey, out: &mut BytesMut) -> Option<()> {
        out.put_i16(self.api_key);
        out.put_i16(self.api_version);
        out.put_i32(self.correlation_id);
        let header_version = api.request_header_version(self.api_version);
        if header_version >= 1 {
            match &self.client_id {
                Some(client_id) => {
                    out.put_i16(i16::try_from(client_id.len()).ok()?);
                    out.put_slice(client_id.as_bytes());
                }
                None => out.put_i16(-1),
            }
        }
        if header_version >= 2 {
            out.put_u8(0);
        }
        Some(())
    }
}

/// Appends a response's header.
pub(crate) fn encode_response_header(api: ApiKey, version: i16, correlation_id: i32, out: &mut BytesMut) {
    out.put_i32(correlation_id);
    if api.response_header_version(version) >= 1 {
        out.put_u8(0);
    }
}

/// Takes a response's header off the front of `frame`: the correlation id.
pub(crate) fn decode_response_header(frame: &mut Bytes, api: ApiKey, version: i16) -> Result<i32, DecodeError> {
    let correlation_id = frame.try_get_i32().map_err(|_| DecodeError::Header("no correlation id"))?;
    if api.response_header_version(version) >= 1 {
        skip_tagged_fields(frame)?;
    }
    Ok(correlation_id)
}

fn decode_client_id(frame: &mut Bytes) -> Result<Option<StrBytes>, DecodeError> {
    let len = frame.try_get_i16().map_err(|_| DecodeError::Header("no client id"))?;
    if len == -1 {
        return Ok(None);
    }
    let len = usize::try_from(len).map_err(|_| DecodeError::Header("client id of negative length"))?;
    if len > frame.len() {
        return Err(DecodeError::Header("client id longer than the frame"));
    }
    let text = StrBytes::from_utf8(frame.split_to(len));
    text.map(Some).map_err(|_| DecodeError::Header("client id is not UTF-8"))
}

fn skip_tagged_fields(frame: &mut Bytes) -> Result<(), DecodeError> {
    let count = unsigned_varint(frame)?;
    for _ in 0..count {
        unsigned_varint(frame)?;
        let len = unsigned_varint(frame)? as usize;
        if len > frame.len() {
            return Err(DecodeError::Header("tagged field longer than the frame"));
        }
        frame.advance(len);
    }
    Ok(())
}

fn unsigned_varint(frame: &mut Bytes) -> Result<u32, DecodeError> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = frame.try_get_u8().map_err(|_| DecodeError::Header("tagged fields end early"))?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(DecodeError::Header("varint of more than five bytes"))
}
