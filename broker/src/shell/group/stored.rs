//! Between the groups' own records and the bytes of `__consumer_offsets`.
//! Decides nothing but versions: which one is written follows from `inter.broker.protocol.version`.
//! Source: `GroupMetadataManager.offsetCommitValue`, `groupMetadataValue`, `readGroupMessageValue`.

use bytes::Bytes;
use config::MetadataVersion;
use coordinator::group::{CommittedOffset, GroupId, GroupMetadata, InstanceId, MemberId, MemberMetadata, Record};
use coordinator::time::Timestamp;
use record::{BatchBuilder, BatchOptions, Compression};
use wire::internal::{self, GroupMetadataValue, OffsetCommitValue, OffsetsKey, StoredMember};
use zk_schema::types::{LeaderEpoch, ProducerEpoch, ProducerId};

const NO_TIMESTAMP: i64 = -1;

/// How records are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    /// `inter.broker.protocol.version`.
    pub(super) ibp: MetadataVersion,
    /// `offsets.topic.compression.codec`.
    pub(super) compression: Compression,
}

impl Format {
    /// One batch of these records.
    ///
    /// # Errors
    /// If a record does not fit a batch.
    pub(super) fn batch(
        self,
        records: &[Record],
        transaction: Option<(ProducerId, ProducerEpoch)>,
        now: Timestamp,
    ) -> Result<Bytes, record::Error> {
        let mut options = BatchOptions { compression: self.compression, ..BatchOptions::default() };
        if records.iter().any(|record| matches!(record, Record::Offset { value: Some(_), .. })) {
            // Kafka numbers batches of commits from 0, without a producer too; nobody checks it.
            options.base_sequence = 0;
        }
        if let Some((producer_id, producer_epoch)) = transaction {
            options.producer_id = producer_id.0;
            options.producer_epoch = producer_epoch.0;
            options.is_transactional = true;
        }
        let mut batch = BatchBuilder::new(options);
        for record in records {
            let Some((key, value)) = self.encode(record) else { continue };
            batch.append(now.0, Some(&key), value.as_deref(), &[])?;
        }
        batch.build()
    }

    fn encode(self, record: &Record) -> Option<(Bytes, Option<Bytes>)> {
        match record {
            Record::Offset { group, partition, value } => {
                let key = OffsetsKey::encode_offset_commit(group.as_str(), partition);
                Some((key, value.as_ref().map(|value| self.offset_value(value))))
            }
            Record::Group { group, value } => {
                let key = OffsetsKey::encode_group_metadata(group.as_str());
                Some((key, value.as_ref().map(|value| self.group_value(value))))
            }
            // Markers are written by the transaction coordinator's order, as control batches.
            Record::TransactionEnd { .. } => None,
        }
    }

    fn offset_value(self, value: &CommittedOffset) -> Bytes {
        let version = match self.ibp {
            _ if value.expire_timestamp.is_some() => 1,
            ibp if ibp < MetadataVersion::IBP_2_1_IV0 => 1,
            ibp if ibp < MetadataVersion::IBP_2_1_IV1 => 2,
            _ => 3,
        };
        let stored = OffsetCommitValue {
            offset: value.offset,
            leader_epoch: value.leader_epoch.unwrap_or(LeaderEpoch::NONE),
            metadata: value.metadata.clone(),
            commit_timestamp: value.commit_timestamp.0,
            expire_timestamp: value.expire_timestamp.map_or(NO_TIMESTAMP, |at| at.0),
        };
        stored.encode(version)
    }

    fn group_value(self, value: &GroupMetadata) -> Bytes {
        let version = match self.ibp {
            ibp if ibp < MetadataVersion::IBP_0_10_1_IV0 => 0,
            ibp if ibp < MetadataVersion::IBP_2_1_IV0 => 1,
            ibp if ibp < MetadataVersion::IBP_2_3_IV0 => 2,
            _ => 3,
        };
        let stored = GroupMetadataValue {
            protocol_type: value.protocol_type.clone().unwrap_or_default(),
            generation: value.generation,
            protocol: value.protocol.clone(),
            leader: value.leader.clone().map(Into::into),
            current_state_timestamp: value.state_since.map_or(NO_TIMESTAMP, |since| since.0),
            members: value.members.iter().map(stored_member).collect(),
        };
        stored.encode(version)
    }
}

fn stored_member(member: &MemberMetadata) -> StoredMember {
    StoredMember {
        member_id: member.member.clone().into(),
        group_instance_id: member.instance.clone().map(Into::into),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        session_timeout_ms: member.session_timeout_ms,
        subscription: member.subscription.clone(),
        assignment: member.assignment.clone(),
    }
}

/// Reads one record; `Ok(None)` is one of another kind of coordinator.
///
/// # Errors
/// If the bytes are not what their version says.
pub(super) fn decode(key: &Bytes, value: Option<&Bytes>) -> Result<Option<Record>, internal::Error> {
    match OffsetsKey::decode(key)? {
        OffsetsKey::OffsetCommit { group, partition } => {
            let value = value.map(OffsetCommitValue::decode).transpose()?.map(committed_offset);
            Ok(Some(Record::Offset { group: GroupId::from(group), partition, value }))
        }
        OffsetsKey::GroupMetadata { group } => {
            let value = value.map(GroupMetadataValue::decode).transpose()?.map(group_metadata);
            Ok(Some(Record::Group { group: GroupId::from(group), value }))
        }
        OffsetsKey::Unknown(_) => Ok(None),
    }
}

fn known(timestamp: i64) -> Option<Timestamp> {
    (timestamp != NO_TIMESTAMP).then_some(Timestamp(timestamp))
}

fn committed_offset(stored: OffsetCommitValue) -> CommittedOffset {
    CommittedOffset {
        offset: stored.offset,
        leader_epoch: Some(stored.leader_epoch).filter(|epoch| *epoch != LeaderEpoch::NONE),
        metadata: stored.metadata,
        commit_timestamp: Timestamp(stored.commit_timestamp),
        expire_timestamp: known(stored.expire_timestamp),
    }
}

fn group_metadata(stored: GroupMetadataValue) -> GroupMetadata {
    let member = |stored: StoredMember| MemberMetadata {
        member: MemberId::from(stored.member_id),
        instance: stored.group_instance_id.map(InstanceId::from),
        client_id: stored.client_id,
        client_host: stored.client_host,
        rebalance_timeout_ms: stored.rebalance_timeout_ms,
        session_timeout_ms: stored.session_timeout_ms,
        subscription: stored.subscription,
        assignment: stored.assignment,
    };
    GroupMetadata {
        protocol_type: Some(stored.protocol_type).filter(|protocol_type| !protocol_type.is_empty()),
        generation: stored.generation,
        protocol: stored.protocol,
        leader: stored.leader.map(MemberId::from),
        state_since: known(stored.current_state_timestamp),
        members: stored.members.into_iter().map(member).collect(),
    }
}
