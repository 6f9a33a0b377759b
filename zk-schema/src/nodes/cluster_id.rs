//! `/cluster/id`: the cluster's id, written once by whichever broker comes first. Source: `kafka.zk.ClusterIdZNode`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::json::{Document, Error, Json};

/// A new id: 16 random bytes as URL-safe base64 without padding.
#[must_use]
pub fn from_random(bytes: [u8; 16]) -> String {
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

/// The bytes to write. The version is a string in this node.
#[must_use]
pub fn encode(id: &str) -> Vec<u8> {
    Json::object([("version", "1".into()), ("id", id.into())]).encode()
}

/// Reads the id.
///
/// # Errors
/// What is wrong with the content.
pub fn decode(bytes: &[u8]) -> Result<String, Error> {
    let document = Document::parse("/cluster/id", bytes)?;
    Ok(document.object()?.require("id")?.text()?.to_owned())
}
