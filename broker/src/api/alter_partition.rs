//! AlterPartition: a leader proposes ISRs to the controller.
//! Source: `KafkaController.alterPartitions`; contract 2.10.

use coordinator::controller::effect::{AlteredPartition, Answer, PartitionLeadership};
use coordinator::controller::event::{LeaderRecovery, ProposedIsr, Request, TopicRef};
use wire::ErrorCode;
use wire::messages::alter_partition_request::{PartitionData, TopicData};
use wire::messages::alter_partition_response::{PartitionData as Altered, TopicData as AlteredTopic};
use wire::messages::{self, AlterPartitionRequest, AlterPartitionResponse};
use wire::text;
use zk_schema::{BrokerEpoch, BrokerId, LeaderEpoch, PartitionEpoch, TopicId, TopicName};

use super::RequestContext;
use super::access::{Operation, Resource};
use super::errors::KafkaError as _;
use crate::broker::Broker;

/// The last version that names topics instead of their ids.
const LAST_WITH_NAMES: i16 = 1;

/// Asks the controller.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: AlterPartitionRequest,
) -> AlterPartitionResponse {
    let mut response = AlterPartitionResponse::default();
    match alter(broker, context, &request).await {
        Ok(partitions) => response.topics = topics(partitions, context.version()),
        Err(code) => response.error_code = code.code(),
    }
    response
}

async fn alter(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: &AlterPartitionRequest,
) -> Result<Vec<AlteredPartition>, ErrorCode> {
    if !context.may(Operation::ClusterAction, Resource::Cluster) {
        return Err(ErrorCode::ClusterAuthorizationFailed);
    }
    let proposals = request
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| proposed(topic, partition, context.version())));
    let asked = Request::AlterPartition {
        broker: BrokerId(*request.broker_id),
        broker_epoch: BrokerEpoch(request.broker_epoch),
        partitions: proposals.collect(),
    };
    let controller = broker.controller.as_ref().ok_or(ErrorCode::NotController)?;
    match controller.ask(asked).await {
        Ok(Answer::AlterPartition(answer)) => answer.map_err(|error| error.code()),
        Ok(_) | Err(_) => Err(ErrorCode::NotController),
    }
}

fn proposed(topic: &TopicData, partition: &PartitionData, version: i16) -> ProposedIsr {
    let topic = if version <= LAST_WITH_NAMES {
        TopicRef::Name(TopicName::new(&topic.topic_name))
    } else {
        TopicRef::Id(TopicId(topic.topic_id))
    };
    let isr = if version < 3 {
        partition.new_isr.iter().map(|id| BrokerId(**id)).collect()
    } else {
        partition.new_isr_with_epochs.iter().map(|state| BrokerId(*state.broker_id)).collect()
    };
    ProposedIsr {
        topic,
        partition: partition.partition_index,
        leader_epoch: LeaderEpoch(partition.leader_epoch),
        isr,
        leader_recovery: match partition.leader_recovery_state {
            1 => LeaderRecovery::Recovering,
            _ => LeaderRecovery::Recovered,
        },
        partition_epoch: PartitionEpoch(partition.partition_epoch),
    }
}

/// Answers by topic, in the order of the request.
fn topics(partitions: Vec<AlteredPartition>, version: i16) -> Vec<AlteredTopic> {
    let mut topics: Vec<(TopicRef, AlteredTopic)> = Vec::new();
    for partition in partitions {
        let altered = altered(&partition, version);
        match topics.last_mut().filter(|(topic, _)| *topic == partition.topic) {
            Some((_, topic)) => topic.partitions.push(altered),
            None => {
                let mut topic = AlteredTopic::default();
                match &partition.topic {
                    TopicRef::Name(name) => topic.topic_name = messages::TopicName(text(name.as_str())),
                    TopicRef::Id(id) => topic.topic_id = id.0,
                }
                topic.partitions.push(altered);
                topics.push((partition.topic, topic));
            }
        }
    }
    topics.into_iter().map(|(_, topic)| topic).collect()
}

fn altered(partition: &AlteredPartition, version: i16) -> Altered {
    let mut altered = Altered::default();
    altered.partition_index = partition.partition;
    match &partition.result {
        Ok(state) => fill(&mut altered, state, version),
        Err(error) => {
            let code = match error.code() {
                // Leaders too old to know this code.
                ErrorCode::IneligibleReplica if version <= LAST_WITH_NAMES => ErrorCode::OperationNotAttempted,
                code => code,
            };
            altered.error_code = code.code();
        }
    }
    altered
}

fn fill(altered: &mut Altered, state: &PartitionLeadership, version: i16) {
    altered.leader_id = messages::BrokerId(state.leader.0);
    altered.leader_epoch = state.leader_epoch.0;
    altered.isr = state.isr.iter().map(|id| messages::BrokerId(id.0)).collect();
    altered.partition_epoch = state.partition_epoch.0;
    if 1 <= version {
        altered.leader_recovery_state = i8::from(state.leader_recovery == LeaderRecovery::Recovering);
    }
}
