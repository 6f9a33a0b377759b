//! Writes the records of `__consumer_offsets` and `__transaction_state`: as JSON, and as the older formatters did.
//! Source: `ApiMessageFormatter` and its kin, `GroupMetadataManager.OffsetsMessageFormatter` and its kin, and the JSON
//! converters made of the records' schemas, all of Kafka 3.9. As there, JSON objects follow each other without a break.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use record::Record;
use wire::internal::{GroupMetadataValue, OffsetCommitValue, OffsetsKey, TransactionLogKey, TransactionLogValue};

/// Which records, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Internal {
    /// Committed offsets as JSON.
    Offsets,
    /// Groups as JSON.
    GroupMetadata,
    /// Transactions as JSON.
    TransactionLog,
    /// Committed offsets as text.
    OldOffsets,
    /// Groups as text.
    OldGroupMetadata,
    /// Transactions as text.
    OldTransactionLog,
}

impl Internal {
    /// Appends what is to be written of a record: nothing for one of another kind.
    ///
    /// # Errors
    /// When its bytes are not what their version says.
    pub fn write(self, record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
        let text = match self {
            Self::Offsets | Self::GroupMetadata | Self::TransactionLog => self.json(record)?,
            Self::OldOffsets => old_offsets(record)?,
            Self::OldGroupMetadata => old_group(record)?,
            Self::OldTransactionLog => old_transaction(record)?,
        };
        out.extend(text.unwrap_or_default().into_bytes());
        Ok(())
    }

    fn json(self, record: &Record) -> Result<Option<String>, String> {
        let part = |bytes: &Bytes, data: String| {
            Ok::<_, String>(format!(r#"{{"version":{},"data":{data}}}"#, version(bytes)?))
        };
        let key = match &record.key {
            None => "null".to_owned(),
            Some(key) => match self.key(key)? {
                Some(data) => part(key, data)?,
                None => return Ok(None),
            },
        };
        let value = match &record.value {
            None => "null".to_owned(),
            Some(value) => part(value, self.value(value)?)?,
        };
        Ok(Some(format!(r#"{{"key":{key},"value":{value}}}"#)))
    }

    /// `None` for a key of another kind, whose record is left out.
    fn key(self, bytes: &Bytes) -> Result<Option<String>, String> {
        if self == Self::TransactionLog {
            if version(bytes)? != 0 {
                return Ok(Some(UNKNOWN.to_owned()));
            }
            let key = TransactionLogKey::decode(bytes).map_err(|error| error.to_string())?;
            return Ok(Some(format!(r#"{{"transactionalId":{}}}"#, quoted(&key.transactional_id))));
        }
        Ok(match (OffsetsKey::decode(bytes).map_err(|error| error.to_string())?, self) {
            (OffsetsKey::Unknown(_), _) => Some(UNKNOWN.to_owned()),
            (OffsetsKey::OffsetCommit { group, partition }, Self::Offsets) => Some(format!(
                r#"{{"group":{},"topic":{},"partition":{}}}"#,
                quoted(&group),
                quoted(partition.topic.as_str()),
                partition.partition
            )),
            (OffsetsKey::GroupMetadata { group }, Self::GroupMetadata) => {
                Some(format!(r#"{{"group":{}}}"#, quoted(&group)))
            }
            (OffsetsKey::OffsetCommit { .. } | OffsetsKey::GroupMetadata { .. }, _) => None,
        })
    }

    fn value(self, bytes: &Bytes) -> Result<String, String> {
        let version = version(bytes)?;
        let newest = if self == Self::TransactionLog { 1 } else { 4 };
        if !(0..=newest).contains(&version) {
            return Ok(UNKNOWN.to_owned());
        }
        match self {
            Self::TransactionLog => TransactionLogValue::decode(bytes).map(|value| transaction_json(&value)),
            Self::GroupMetadata => GroupMetadataValue::decode(bytes).map(|value| group_json(&value, version)),
            _ => OffsetCommitValue::decode(bytes).map(|value| offset_json(&value, version)),
        }
        .map_err(|error| error.to_string())
    }
}

/// What stands for bytes of a version nobody knows.
const UNKNOWN: &str = "\"unknown\"";

fn version(bytes: &Bytes) -> Result<i16, String> {
    bytes.first_chunk().map(|bytes| i16::from_be_bytes(*bytes)).ok_or_else(|| "less than a version".to_owned())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn nullable(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), quoted)
}

fn offset_json(value: &OffsetCommitValue, version: i16) -> String {
    let epoch = if version >= 3 { format!(r#""leaderEpoch":{},"#, value.leader_epoch.0) } else { String::new() };
    let expires =
        if version == 1 { format!(r#","expireTimestamp":{}"#, value.expire_timestamp) } else { String::new() };
    format!(
        r#"{{"offset":{},{epoch}"metadata":{},"commitTimestamp":{}{expires}}}"#,
        value.offset,
        quoted(&value.metadata),
        value.commit_timestamp
    )
}

fn group_json(value: &GroupMetadataValue, version: i16) -> String {
    let members: Vec<String> = value
        .members
        .iter()
        .map(|member| {
            let instance = format!(r#""groupInstanceId":{},"#, nullable(member.group_instance_id.as_deref()));
            let rebalance = format!(r#""rebalanceTimeout":{},"#, member.rebalance_timeout_ms);
            format!(
                r#"{{"memberId":{},{}"clientId":{},"clientHost":{},{}"sessionTimeout":{},"subscription":"{}","assignment":"{}"}}"#,
                quoted(&member.member_id),
                if version >= 3 { instance } else { String::new() },
                quoted(&member.client_id),
                quoted(&member.client_host),
                if version >= 1 { rebalance } else { String::new() },
                member.session_timeout_ms,
                STANDARD.encode(&member.subscription),
                STANDARD.encode(&member.assignment)
            )
        })
        .collect();
    let since = format!(r#""currentStateTimestamp":{},"#, value.current_state_timestamp);
    format!(
        r#"{{"protocolType":{},"generation":{},"protocol":{},"leader":{},{}"members":[{}]}}"#,
        quoted(&value.protocol_type),
        value.generation.0,
        nullable(value.protocol.as_deref()),
        nullable(value.leader.as_deref()),
        if version >= 2 { since } else { String::new() },
        members.join(",")
    )
}

fn transaction_json(value: &TransactionLogValue) -> String {
    let partitions = value.partitions.as_ref().map_or_else(
        || "null".to_owned(),
        |topics| {
            let topic = |(topic, ids): &(zk_schema::types::TopicName, Vec<i32>)| {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                format!(r#"{{"topic":{},"partitionIds":[{}]}}"#, quoted(topic.as_str()), ids.join(","))
            };
            format!("[{}]", topics.iter().map(topic).collect::<Vec<_>>().join(","))
        },
    );
    format!(
        r#"{{"producerId":{},"producerEpoch":{},"transactionTimeoutMs":{},"transactionStatus":{},"transactionPartitions":{partitions},"transactionLastUpdateTimestampMs":{},"transactionStartTimestampMs":{}}}"#,
        value.producer_id.0,
        value.producer_epoch.0,
        value.transaction_timeout_ms,
        value.status,
        value.last_update_timestamp,
        value.start_timestamp
    )
}

fn old_offsets(record: &Record) -> Result<Option<String>, String> {
    let Some(key) = &record.key else { return Ok(None) };
    let key = OffsetsKey::decode(key).map_err(|error| error.to_string())?;
    let OffsetsKey::OffsetCommit { group, partition } = key else { return Ok(None) };
    let value = match &record.value {
        None => "NULL".to_owned(),
        Some(bytes) => {
            let value = OffsetCommitValue::decode(bytes).map_err(|error| error.to_string())?;
            let epoch = value.leader_epoch.0;
            let epoch = if epoch < 0 { "Optional.empty".to_owned() } else { format!("Optional[{epoch}]") };
            let expires = value.expire_timestamp;
            let expires = if expires < 0 { "None".to_owned() } else { format!("Some({expires})") };
            format!(
                "OffsetAndMetadata(offset={}, leaderEpoch={epoch}, metadata={}, commitTimestamp={}, \
                 expireTimestamp={expires})",
                value.offset, value.metadata, value.commit_timestamp
            )
        }
    };
    Ok(Some(format!("[{group},{},{}]::{value}\n", partition.topic.as_str(), partition.partition)))
}

fn old_group(record: &Record) -> Result<Option<String>, String> {
    let Some(key) = &record.key else { return Ok(None) };
    let key = OffsetsKey::decode(key).map_err(|error| error.to_string())?;
    let OffsetsKey::GroupMetadata { group } = key else { return Ok(None) };
    let Some(bytes) = &record.value else { return Ok(Some(format!("{group}::NULL\n"))) };
    let value = GroupMetadataValue::decode(bytes).map_err(|error| error.to_string())?;
    let option = |text: Option<&str>| text.map_or_else(|| "None".to_owned(), |text| format!("Some({text})"));
    let protocol = value.protocol.as_deref().unwrap_or("null");
    let members: Vec<String> = value
        .members
        .iter()
        .map(|member| {
            format!(
                "{0} -> MemberMetadata(memberId={0}, groupInstanceId={1}, clientId={2}, clientHost={3}, \
                 sessionTimeoutMs={4}, rebalanceTimeoutMs={5}, supportedProtocols=List({protocol}))",
                member.member_id,
                option(member.group_instance_id.as_deref()),
                member.client_id,
                member.client_host,
                member.session_timeout_ms,
                member.rebalance_timeout_ms
            )
        })
        .collect();
    let kind = option(Some(&*value.protocol_type).filter(|kind| !kind.is_empty()));
    let state = if members.is_empty() { "Empty" } else { "Stable" };
    Ok(Some(format!(
        "{group}::GroupMetadata(groupId={group}, generation={}, protocolType={kind}, currentState={state}, \
         members=HashMap({}))\n",
        value.generation.0,
        members.join(", ")
    )))
}

fn old_transaction(record: &Record) -> Result<Option<String>, String> {
    let Some(key) = &record.key else { return Ok(None) };
    if version(key)? != 0 {
        return Ok(None);
    }
    let id = TransactionLogKey::decode(key).map_err(|error| error.to_string())?.transactional_id;
    let Some(bytes) = &record.value else { return Ok(Some(format!("{id}::NULL\n"))) };
    let value = TransactionLogValue::decode(bytes).map_err(|error| error.to_string())?;
    let states = [
        "Empty",
        "Ongoing",
        "PrepareCommit",
        "PrepareAbort",
        "CompleteCommit",
        "CompleteAbort",
        "Dead",
        "PrepareEpochFence",
    ];
    let state = usize::try_from(value.status).ok().and_then(|status| states.get(status)).copied().unwrap_or("Unknown");
    let partitions: Vec<String> = value
        .partitions
        .iter()
        .flatten()
        .flat_map(|(topic, ids)| ids.iter().map(move |id| format!("{}-{id}", topic.as_str())))
        .collect();
    Ok(Some(format!(
        "{id}::TransactionMetadata(transactionalId={id}, producerId={}, producerEpoch={}, txnTimeoutMs={}, state={state}, \
         pendingState=None, topicPartitions=HashSet({}), txnStartTimestamp={}, txnLastUpdateTimestamp={})\n",
        value.producer_id.0,
        value.producer_epoch.0,
        value.transaction_timeout_ms,
        partitions.join(", "),
        value.start_timestamp,
        value.last_update_timestamp
    )))
}
