//! `/log_dir_event_notification/log_dir_event_<seq>`: a broker lost a log directory.
//! Source: `kafka.zk.LogDirEventNotificationSequenceZNode`.

use crate::BrokerId;
use crate::json::{Document, Error, Json};

/// The bytes to write. The only event there is, 1, is a failed directory.
#[must_use]
pub fn encode(broker: BrokerId) -> Vec<u8> {
    Json::object([("version", 1.into()), ("broker", broker.into()), ("event", 1.into())]).encode()
}

/// Reads which broker it was.
///
/// # Errors
/// What is wrong with the content.
pub fn decode(bytes: &[u8]) -> Result<BrokerId, Error> {
    let document = Document::parse("/log_dir_event_notification/log_dir_event_N", bytes)?;
    document.object()?.require("broker")?.int().map(BrokerId)
}
