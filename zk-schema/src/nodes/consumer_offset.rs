//! `/consumers/G/offsets/T/P`: an offset committed by version 0 of OffsetCommit, as plain decimal text.
//! Source: `kafka.zk.ConsumerOffset`.

use crate::Offset;
use crate::json::{self, Error};

/// The bytes to write.
#[must_use]
pub fn encode(committed_offset: Offset) -> Vec<u8> {
    committed_offset.to_string().into_bytes()
}

/// Reads the offset.
///
/// # Errors
/// If the content is no decimal number.
pub fn decode(bytes: &[u8]) -> Result<Offset, Error> {
    json::decimal("/consumers/G/offsets/T/P", bytes)
}
