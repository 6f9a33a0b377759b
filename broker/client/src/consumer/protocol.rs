//! What members of a consumer group tell each other through the coordinator: subscriptions and assignments. Pure.
//! Source: `ConsumerProtocol` of Kafka 3.9.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use wire::messages::consumer_protocol_assignment::TopicPartition as AssignedTopic;
use wire::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicName};
use wire::{Decodable as _, Encodable as _, ErrorCode};

use super::Partition;
use crate::error::Error;

/// Encodes a subscription to these topics.
///
/// # Errors
/// When a topic's name is too long.
pub fn encode_subscription<'a>(topics: impl IntoIterator<Item = &'a str>) -> Result<Bytes, Error> {
    let mut subscription = ConsumerProtocolSubscription::default();
    subscription.topics = topics.into_iter().map(wire::text).collect();
    versioned(1, |out| subscription.encode(out, 1).map_err(|error| error.to_string()))
}

/// Encodes a group protocol's message: its version, then the message.
fn versioned(version: i16, encode: impl FnOnce(&mut BytesMut) -> Result<(), String>) -> Result<Bytes, Error> {
    let mut out = BytesMut::new();
    out.extend_from_slice(&version.to_be_bytes());
    encode(&mut out).map_err(|error| Error::broker("group protocol", ErrorCode::UnknownServerError, Some(&error)))?;
    Ok(out.freeze())
}

fn take_version(bytes: &mut Bytes) -> Option<i16> {
    let version = i16::from_be_bytes(*bytes.first_chunk()?);
    let _version = bytes.split_to(2);
    Some(version)
}

fn inconsistent(what: &str) -> Error {
    Error::broker(what, ErrorCode::InconsistentGroupProtocol, None)
}

/// The topics of an encoded subscription of any version.
///
/// # Errors
/// When the bytes are no subscription.
pub fn subscribed_topics(bytes: &mut Bytes) -> Result<BTreeSet<String>, Error> {
    let version = take_version(bytes).ok_or_else(|| inconsistent("subscription of a member"))?;
    let subscription = ConsumerProtocolSubscription::decode(bytes, version.clamp(0, 3))
        .map_err(|_| inconsistent("subscription of a member"))?;
    Ok(subscription.topics.iter().map(ToString::to_string).collect())
}

/// Encodes what a member is assigned.
///
/// # Errors
/// When a topic's name is too long.
pub fn encode_assignment(partitions: &[Partition]) -> Result<Bytes, Error> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    let mut assignment = ConsumerProtocolAssignment::default();
    for (name, partitions) in topics {
        let mut topic = AssignedTopic::default();
        topic.topic = TopicName(wire::text(name));
        topic.partitions = partitions;
        assignment.assigned_partitions.push(topic);
    }
    versioned(1, |out| assignment.encode(out, 1).map_err(|error| error.to_string()))
}

/// The partitions of an encoded assignment of any version; none for empty bytes.
///
/// # Errors
/// When the bytes are no assignment.
pub fn decode_assignment(mut bytes: Bytes) -> Result<Vec<Partition>, Error> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let version = take_version(&mut bytes).ok_or_else(|| inconsistent("assignment"))?;
    let assignment =
        ConsumerProtocolAssignment::decode(&mut bytes, version.clamp(0, 3)).map_err(|_| inconsistent("assignment"))?;
    let mut partitions = Vec::new();
    for topic in assignment.assigned_partitions {
        partitions.extend(topic.partitions.iter().map(|partition| (topic.topic.0.to_string(), *partition)));
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_and_subscriptions_are_read_as_they_were_written() {
        let partitions = vec![("s".to_owned(), 3), ("t".to_owned(), 0), ("t".to_owned(), 1)];
        assert_eq!(decode_assignment(encode_assignment(&partitions).unwrap()).unwrap(), partitions);
        assert_eq!(decode_assignment(Bytes::new()).unwrap(), Vec::new());
        assert!(decode_assignment(Bytes::from_static(&[0])).is_err());
        let mut bytes = encode_subscription(["b", "a"]).unwrap();
        assert_eq!(subscribed_topics(&mut bytes).unwrap(), ["a".to_owned(), "b".to_owned()].into());
    }

    #[test]
    fn an_assignment_of_a_version_to_come_is_read_as_far_as_it_is_known() {
        let mut bytes = BytesMut::from(&encode_assignment(&[("t".to_owned(), 4)]).unwrap()[..]);
        bytes[1] = 99;
        bytes.extend_from_slice(b"and more");
        assert_eq!(decode_assignment(bytes.freeze()).unwrap(), [("t".to_owned(), 4)]);
    }
}
