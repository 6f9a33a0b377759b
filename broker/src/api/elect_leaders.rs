//! ElectLeaders: on the controller's broker, and answered once this broker's metadata shows the leaders elected.
//! Source: `KafkaApis.handleElectLeaders`, `DelayedElectLeader`; contract 2.9.

use std::collections::BTreeMap;
use std::time::Duration;

use coordinator::controller::effect::Answer;
use coordinator::controller::event::{ElectionType, Request};
use wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use wire::messages::{self, ElectLeadersRequest, ElectLeadersResponse};
use wire::{ErrorCode, text};
use zk_schema::{BrokerId, TopicName, TopicPartition};

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::{KafkaError as _, Refusal};
use crate::broker::Broker;
use crate::metadata::Snapshot;

type Elections = Vec<(TopicPartition, Result<BrokerId, Refusal>)>;

/// Asks the controller, then waits for the outcome to be known here.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    let mut response = ElectLeadersResponse::default();
    match elect(broker, context, &request).await {
        Ok(mut elections) => {
            let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
            wait(broker, &mut elections, timeout).await;
            response.replica_election_results = results(elections);
        }
        // Version 0 has no place for an error of the whole request.
        Err(code) if context.version() == 0 => {
            let refused = named(&request).into_iter().flatten().map(|partition| (partition, Err(code.into())));
            response.replica_election_results = results(refused.collect());
        }
        Err(code) => response.error_code = code.code(),
    }
    response
}

fn named(request: &ElectLeadersRequest) -> Option<Vec<TopicPartition>> {
    let topics = request.topic_partitions.as_ref()?;
    let partitions = topics.iter().flat_map(|topic| {
        let name = TopicName::new(&topic.topic);
        topic.partitions.iter().map(move |index| TopicPartition { topic: name.clone(), partition: *index })
    });
    Some(partitions.collect())
}

async fn elect(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: &ElectLeadersRequest,
) -> Result<Elections, ErrorCode> {
    if !context.may(Operation::Alter, Resource::Cluster) {
        return Err(ErrorCode::ClusterAuthorizationFailed);
    }
    let election_type = match request.election_type {
        0 => ElectionType::Preferred,
        1 => ElectionType::Unclean,
        _ => return Err(ErrorCode::InvalidRequest),
    };
    let controller = broker.controller.as_ref().ok_or(ErrorCode::NotController)?;
    match controller.ask(Request::ElectLeaders { partitions: named(request), election_type }).await {
        Ok(Answer::ElectLeaders(elections)) => Ok(elections
            .into_iter()
            .map(|(partition, result)| {
                let refused = |error: coordinator::controller::effect::ApiError| Refusal {
                    code: error.error.code(),
                    message: error.message,
                };
                (partition, result.map_err(refused))
            })
            .collect()),
        Ok(_) | Err(_) => Err(ErrorCode::NotController),
    }
}

async fn wait(broker: &Broker, elections: &mut Elections, timeout: Duration) {
    let leads = |snapshot: &Snapshot, partition: &TopicPartition, leader: BrokerId| {
        snapshot.partition(partition).is_some_and(|found| found.leader == leader)
    };
    let is_seen = |snapshot: &Snapshot, (partition, result): &(TopicPartition, Result<BrokerId, Refusal>)| {
        result.as_ref().is_err() || result.as_ref().is_ok_and(|leader| leads(snapshot, partition, *leader))
    };
    let all = |snapshot: &Snapshot| elections.iter().all(|election| is_seen(snapshot, election));
    if broker.metadata.wait_until(timeout, all).await.is_none() {
        let snapshot = broker.metadata.snapshot();
        for election in elections.iter_mut().filter(|election| !is_seen(&snapshot, election)) {
            election.1 = Err(ErrorCode::RequestTimedOut.into());
        }
    }
}

fn results(elections: Elections) -> Vec<ReplicaElectionResult> {
    let mut topics: BTreeMap<TopicName, Vec<PartitionResult>> = BTreeMap::new();
    for (partition, result) in elections {
        let mut told = PartitionResult::default();
        told.partition_id = partition.partition;
        told.error_message = None;
        if let Err(refusal) = result {
            told.error_code = refusal.code.code();
            told.error_message = refusal.message.as_deref().map(text);
        }
        topics.entry(partition.topic).or_default().push(told);
    }
    let of_topic = |(topic, partitions): (TopicName, Vec<PartitionResult>)| {
        let mut result = ReplicaElectionResult::default();
        result.topic = messages::TopicName(text(topic.as_str()));
        result.partition_result = partitions;
        result
    };
    topics.into_iter().map(of_topic).collect()
}
