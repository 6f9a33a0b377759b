//! Kafka's wire protocol: frames, headers, messages of every version, error codes.
//! The only crate that names the codec; knows neither sockets nor what a message means.
//!
//! ```text
//! frame:  size i32 │ header │ body          size does not count itself
//! ```
//! Everything decoded from a frame is a slice of it: a kept string or record set keeps its whole frame in memory, so
//! what outlives a request is copied by its keeper.

pub mod error_code;
pub mod fetch_response;
pub mod frame;
pub mod header;
pub mod internal;
pub mod request;
pub mod response;
pub mod rope;
mod shape;
mod shapes;
pub mod versions;

pub use error_code::ErrorCode;
pub use header::RequestHeader;
pub use kafka_protocol::messages;
pub use kafka_protocol::messages::{RequestKind, ResponseKind};
pub use kafka_protocol::protocol::{Decodable, Encodable, Message, Request, StrBytes};
pub use request::{DecodeError, decode_body, decode_request, encode_request, encode_request_body};
pub use response::{EncodeError, decode_response, decode_response_body, encode_response, encode_response_body};
pub use rope::{Piece, Rope};
pub use versions::ApiKey;

/// A string field from owned or borrowed text; the text is copied.
#[must_use]
pub fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}
