//! `/delegation_token/tokens/<id>`: who owns a delegation token and until when it lives; and the notification that one
//! changed. The token's secret is not stored. Source: `kafka.server.DelegationTokenManagerZk`.

use crate::json::{self, Document, Error, Field, Json};
use crate::sanitize::{desanitize, sanitize};

const NODE: &str = "/delegation_token/tokens/ID";

/// Content of a token's node. Principals are `Type:name` in plain text here and sanitised in the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationToken {
    /// Also the node's name.
    pub token_id: String,
    /// Whom the token speaks for.
    pub owner: String,
    /// Who asked for it.
    pub token_requester: String,
    /// Who may renew it besides.
    pub renewers: Vec<String>,
    /// When it was made, in ms.
    pub issue_timestamp_ms: i64,
    /// Beyond this it cannot be renewed, in ms.
    pub max_timestamp_ms: i64,
    /// When it ends unless renewed, in ms.
    pub expiry_timestamp_ms: i64,
}

impl DelegationToken {
    /// The bytes to write; always version 3.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Json::object([
            ("issueTimestamp", self.issue_timestamp_ms.into()),
            ("renewers", Json::list(self.renewers.iter().map(|renewer| sanitize(renewer)))),
            ("tokenRequester", sanitize(&self.token_requester).into()),
            ("tokenId", self.token_id.as_str().into()),
            ("owner", sanitize(&self.owner).into()),
            ("expiryTimestamp", self.expiry_timestamp_ms.into()),
            ("maxTimestamp", self.max_timestamp_ms.into()),
            ("version", 3.into()),
        ])
        .encode()
    }

    /// Reads versions 1 to 3; a node without data is no token.
    ///
    /// # Errors
    /// What is wrong with the content.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, Error> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let document = Document::parse(NODE, bytes)?;
        let object = document.object()?;
        let version = object.version(1..=3)?;
        let owner = principal(&object.require("owner")?)?;
        let token_requester = if 3 <= version { principal(&object.require("tokenRequester")?)? } else { owner.clone() };
        Ok(Some(Self {
            token_id: object.require("tokenId")?.text()?.to_owned(),
            owner,
            token_requester,
            renewers: object.require("renewers")?.list_of(principal)?,
            issue_timestamp_ms: object.require("issueTimestamp")?.long()?,
            max_timestamp_ms: object.require("maxTimestamp")?.long()?,
            expiry_timestamp_ms: object.require("expiryTimestamp")?.long()?,
        }))
    }
}

fn principal(field: &Field<'_>) -> Result<String, Error> {
    let name = desanitize(field.text()?).map_err(|why| field.invalid(why))?;
    if name.contains(':') { Ok(name) } else { Err(field.invalid("expected Type:name")) }
}

/// The bytes of a change notification: the token's id.
#[must_use]
pub fn encode_change(token_id: &str) -> Vec<u8> {
    token_id.as_bytes().to_vec()
}

/// Reads which token changed.
///
/// # Errors
/// If the content is not text.
pub fn decode_change(bytes: &[u8]) -> Result<String, Error> {
    json::text("/delegation_token/token_changes/token_change_N", bytes).map(str::to_owned)
}
