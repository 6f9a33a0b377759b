//! DescribeCluster: brokers and controller, for admin clients.
//! Source: `AuthHelper.computeDescribeClusterResponse`.

use wire::messages::describe_cluster_response::DescribeClusterBroker;
use wire::messages::{DescribeClusterRequest, DescribeClusterResponse};
use wire::{ErrorCode, text};
use zk_schema::types::BrokerId;

use super::RequestContext;
use super::access::{NOT_REQUESTED, Operation, Resource};
use crate::broker::Broker;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers from one snapshot. Asking for controllers is a mistake: a ZooKeeper-mode cluster has none of their own.
pub async fn handle(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    match request.endpoint_type {
        BROKERS => describe(broker, context, &request),
        CONTROLLERS => {
            let message =
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
            refuse(context, ErrorCode::MismatchedEndpointType, message)
        }
        other => refuse(context, ErrorCode::UnsupportedEndpointType, &format!("Unsupported endpoint type {other}")),
    }
}

fn refuse(context: &RequestContext<'_>, error: ErrorCode, message: &str) -> DescribeClusterResponse {
    let error = if context.version() == 0 { ErrorCode::InvalidRequest } else { error };
    DescribeClusterResponse::default().with_error_code(error.code()).with_error_message(Some(text(message)))
}

fn describe(
    broker: &Broker,
    context: &RequestContext<'_>,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let snapshot = broker.metadata.snapshot();
    let brokers: Vec<_> = snapshot
        .brokers
        .values()
        .filter_map(|broker| {
            let endpoint = broker.endpoint(context.listener())?;
            let told = DescribeClusterBroker::default()
                .with_broker_id(broker.id.0.into())
                .with_host(text(&endpoint.host))
                .with_port(endpoint.port)
                .with_rack(broker.rack.as_deref().map(text));
            Some(told)
        })
        .collect();
    let is_told = |id: &BrokerId| brokers.iter().any(|broker| *broker.broker_id == id.0);
    let controller = snapshot.controller_id.filter(is_told).unwrap_or(BrokerId::NONE);
    let operations = if !request.include_cluster_authorized_operations {
        NOT_REQUESTED
    } else if context.may(Operation::Describe, Resource::Cluster) {
        context.authorized_operations(Resource::Cluster)
    } else {
        0
    };
    DescribeClusterResponse::default()
        .with_cluster_id(text(&broker.cluster_id))
        .with_controller_id(controller.0.into())
        .with_brokers(brokers)
        .with_cluster_authorized_operations(operations)
}
