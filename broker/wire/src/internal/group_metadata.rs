//! Value of a group: its generation, its leader and its members with their assignments.
//! Never looks inside subscriptions or assignments: they belong to the clients.
//! Source: `GroupMetadataValue` versions 0 to 4 of Kafka 3.9.

use std::sync::Arc;

use bytes::Bytes;
use zk_schema::types::GenerationId;

use super::field::{Error, Reader, Writer};

const FLEXIBLE_FROM: i16 = 4;

/// A group as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadataValue {
    /// `consumer`, `connect`, ...; empty for none.
    pub protocol_type: Arc<str>,
    /// Generation this record describes.
    pub generation: GenerationId,
    /// Chosen protocol, such as `range`; none when the group is empty.
    pub protocol: Option<Arc<str>>,
    /// Member id of the leader; none when the group is empty.
    pub leader: Option<Arc<str>>,
    /// When the group entered its state, milliseconds since 1970; -1 before version 2.
    pub current_state_timestamp: i64,
    /// Everybody in the group.
    pub members: Vec<StoredMember>,
}

/// One member of a group as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMember {
    /// Member id.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member; kept from version 3 on.
    pub group_instance_id: Option<Arc<str>>,
    /// Client id it joined with.
    pub client_id: Arc<str>,
    /// Address it joined from, such as `/127.0.0.1`.
    pub client_host: Arc<str>,
    /// Rebalance timeout in milliseconds; version 0 has none and means the session timeout.
    pub rebalance_timeout_ms: i32,
    /// Session timeout in milliseconds.
    pub session_timeout_ms: i32,
    /// What it said about itself under the chosen protocol.
    pub subscription: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}

impl GroupMetadataValue {
    /// Reads any version.
    ///
    /// # Errors
    /// [`Error`] if the version is unknown or the bytes are not what it says.
    pub fn decode(bytes: &Bytes) -> Result<Self, Error> {
        let (version, mut fields) = Reader::open("GroupMetadataValue", bytes, 0..=4, FLEXIBLE_FROM)?;
        let value = Self {
            protocol_type: fields.string("protocolType")?,
            generation: GenerationId(fields.i32("generation")?),
            protocol: fields.nullable_string("protocol")?,
            leader: fields.nullable_string("leader")?,
            current_state_timestamp: if version >= 2 { fields.i64("currentStateTimestamp")? } else { -1 },
            members: fields.array("members", |fields| StoredMember::decode(version, fields))?,
        };
        fields.end()?;
        Ok(value)
    }

    /// Writes the given version, 0 to 4. What that version has no field for is left out.
    #[must_use]
    pub fn encode(&self, version: i16) -> Bytes {
        let mut fields = Writer::open(version, FLEXIBLE_FROM);
        fields.string(&self.protocol_type);
        fields.i32(self.generation.0);
        fields.nullable_string(self.protocol.as_deref());
        fields.nullable_string(self.leader.as_deref());
        if version >= 2 {
            fields.i64(self.current_state_timestamp);
        }
        fields.array(&self.members, |fields, member| member.encode(version, fields));
        fields.end();
        fields.finish()
    }
}

impl StoredMember {
    fn decode(version: i16, fields: &mut Reader) -> Result<Self, Error> {
        let member_id = fields.string("memberId")?;
        let group_instance_id = if version >= 3 { fields.nullable_string("groupInstanceId")? } else { None };
        let client_id = fields.string("clientId")?;
        let client_host = fields.string("clientHost")?;
        let rebalance_timeout_ms = if version >= 1 { Some(fields.i32("rebalanceTimeout")?) } else { None };
        let session_timeout_ms = fields.i32("sessionTimeout")?;
        let member = Self {
            member_id,
            group_instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: rebalance_timeout_ms.unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription: fields.bytes("subscription")?,
            assignment: fields.bytes("assignment")?,
        };
        fields.end()?;
        Ok(member)
    }

    fn encode(&self, version: i16, fields: &mut Writer) {
        fields.string(&self.member_id);
        if version >= 3 {
            fields.nullable_string(self.group_instance_id.as_deref());
        }
        fields.string(&self.client_id);
        fields.string(&self.client_host);
        if version >= 1 {
            fields.i32(self.rebalance_timeout_ms);
        }
        fields.i32(self.session_timeout_ms);
        fields.bytes(&self.subscription);
        fields.bytes(&self.assignment);
        fields.end();
    }
}
