//! ConsumerGroupDescribe: the newer group protocol, which a broker in ZooKeeper mode advertises but does not speak.
//! Source: `KafkaApis.handleConsumerGroupDescribe` with the classic coordinator.

use wire::ErrorCode;
use wire::messages::consumer_group_describe_response::DescribedGroup;
use wire::messages::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};

use super::RequestContext;
use crate::broker::Broker;

/// `UNSUPPORTED_VERSION` for each group.
pub async fn handle(
    _: &Broker,
    _: &RequestContext<'_>,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let refused =
        |id| DescribedGroup::default().with_group_id(id).with_error_code(ErrorCode::UnsupportedVersion.code());
    ConsumerGroupDescribeResponse::default().with_groups(request.group_ids.into_iter().map(refused).collect())
}
