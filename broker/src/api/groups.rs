//! What the handlers of group requests share: the way to the coordinator, and words both sides know.
//! Holds no state.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use coordinator::group::{Error, GroupId, InstanceId, MemberId, Reply, Request};
use wire::messages::TopicName;
use wire::{ErrorCode, StrBytes, text};
use zk_schema::types::TopicPartition;

use super::RequestContext;
use super::errors::KafkaError as _;
use crate::broker::Broker;

/// Asks the coordinator of the request's group.
///
/// # Errors
/// `COORDINATOR_NOT_AVAILABLE` if there is none, or it is stopping.
pub(super) async fn ask(broker: &Broker, request: Request) -> Result<Reply, ErrorCode> {
    let Some(groups) = &broker.groups else { return Err(ErrorCode::CoordinatorNotAvailable) };
    groups.ask(request).await.map_err(|_| ErrorCode::CoordinatorNotAvailable)
}

/// The number of an outcome.
pub(super) fn code<T>(outcome: &Result<T, Error>) -> i16 {
    outcome.as_ref().err().map_or(ErrorCode::None, |error| error.code()).code()
}

/// Static members need every broker to know them.
pub(super) fn knows_static_members(broker: &Broker) -> bool {
    broker.config().ibp().at_least(config::MetadataVersion::IBP_2_3_IV0)
}

pub(super) fn group(id: &wire::messages::GroupId) -> GroupId {
    GroupId::new(&id.0)
}

pub(super) fn member(id: &StrBytes) -> MemberId {
    MemberId::new(id)
}

pub(super) fn instance(id: Option<&StrBytes>) -> Option<InstanceId> {
    id.map(|id| InstanceId::new(id))
}

/// A copy: what a group keeps must not keep the request's frame.
pub(super) fn copied(words: Option<&StrBytes>) -> Option<Arc<str>> {
    words.map(|words| Arc::from(&**words))
}

pub(super) fn told(words: Option<&Arc<str>>) -> Option<StrBytes> {
    words.map(|words| text(words))
}

/// The client's address as Java prints it: a slash, and IPv6 without its short form.
pub(super) fn client_host(context: &RequestContext<'_>) -> Arc<str> {
    match context.connection.peer_addr.ip().to_canonical() {
        IpAddr::V4(address) => Arc::from(format!("/{address}")),
        IpAddr::V6(address) => {
            let groups: Vec<_> = address.segments().iter().map(|group| format!("{group:x}")).collect();
            Arc::from(format!("/{}", groups.join(":")))
        }
    }
}

/// Partitions gathered under their topics, in order.
pub(super) fn by_topic<T>(
    partitions: impl IntoIterator<Item = (TopicPartition, T)>,
) -> Vec<(TopicName, Vec<(i32, T)>)> {
    let mut topics = BTreeMap::<_, Vec<_>>::new();
    for (partition, what) in partitions {
        topics.entry(partition.topic).or_default().push((partition.partition, what));
    }
    topics.into_iter().map(|(topic, partitions)| (TopicName(text(topic.as_str())), partitions)).collect()
}
