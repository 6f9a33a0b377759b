//! The table of APIs: decode, call the handler, encode. One row per API key; a handler is named here and nowhere else.
//! A row is `plain` (`async fn handle(&Broker, &RequestContext, XRequest) -> XResponse`), `produce` or `fetch`.
//! A row that says `unserved` is not advertised and closes the connection, as a key nobody knows would.
//! Source: `KafkaApis.handle`, `RequestContext.parseRequest`.

pub mod access;
pub mod allocate_producer_ids;
pub mod alter_configs;
pub mod alter_partition;
pub mod alter_partition_reassignments;
pub mod api_versions;
mod config_changes;
pub mod consumer_group_describe;
pub mod consumer_group_heartbeat;
mod context;
mod control;
pub mod controlled_shutdown;
pub mod create_partitions;
pub mod create_topics;
mod current_leader;
pub mod delete_groups;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod elect_leaders;
pub mod errors;
pub mod fetch;
pub mod find_coordinator;
mod groups;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
pub mod leader_and_isr;
mod leaders;
pub mod leave_group;
pub mod list_groups;
pub mod list_offsets;
pub mod list_partition_reassignments;
pub mod metadata;
pub mod missing_topics;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod sasl_handshake;
pub mod stop_replica;
pub mod sync_group;
mod throttle;
pub mod update_metadata;

use std::sync::Arc;

use bytes::Bytes;
use wire::messages::*;
use wire::{ApiKey, DecodeError};

pub use context::RequestContext;
pub use throttle::Throttle;

use crate::broker::Broker;
use crate::metrics::{Flow, RequestKind};
use crate::net::{ConnectionContext, Handling, Reply, RequestHandler};

/// Answers requests with what a [`Broker`] has.
pub struct Table {
    broker: Arc<Broker>,
}

impl Table {
    /// A table over this broker.
    #[must_use]
    pub fn new(broker: Arc<Broker>) -> Self {
        Self { broker }
    }
}

impl RequestHandler for Table {
    fn handle<'a>(&'a self, connection: &'a ConnectionContext, frame: Bytes) -> Handling<'a> {
        match start(&self.broker, connection, frame) {
            Ok(handling) => handling,
            Err(DecodeError::UnsupportedVersion { api: ApiKey::ApiVersions, header }) => {
                Handling::Done(api_versions::unsupported_version(&header))
            }
            Err(error) => {
                tracing::warn!(peer = %connection.peer_addr, listener = %connection.listener, %error, "closing connection");
                Handling::Done(Reply::close(error.to_string()))
            }
        }
    }
}

fn record_bytes(request: &ProduceRequest) -> usize {
    let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    partitions.filter_map(|partition| partition.records.as_ref()).map(Bytes::len).sum()
}

macro_rules! table {
    ($($api:ident $(($request:ident))? => $kind:ident $($module:ident)?,)*) => {
        /// Whether this broker answers the API: what ApiVersions advertises.
        #[must_use]
        pub const fn is_served(api: ApiKey) -> bool {
            match api {
                $(ApiKey::$api => table!(@served $kind),)*
            }
        }

        fn start<'a>(
            broker: &'a Broker,
            connection: &'a ConnectionContext,
            frame: Bytes,
        ) -> Result<Handling<'a>, DecodeError> {
            let request_bytes = frame.len();
            let (header, api, body) = wire::request::decode_header(frame)?;
            let mut context = RequestContext::new(broker, connection, header, api);
            context.request_bytes = request_bytes;
            Ok(match api {
                $(ApiKey::$api => table!(@start $kind $(, $request)? $(, $module)?; broker, context, body),)*
            })
        }
    };
    (@served unserved) => { false };
    (@served $kind:ident) => { true };
    (@start unserved; $broker:ident, $context:ident, $body:ident) => {{
        let _ = $broker;
        return Err(DecodeError::UnknownApiKey($context.api.key()));
    }};
    // Produce: later requests may start while it waits for replicas, and acks=0 wants no answer.
    (@start produce, $request:ident, $module:ident; $broker:ident, $context:ident, $body:ident) => {{
        let request: $request = wire::decode_body($body, $context.version())?;
        let is_answered = request.acks != 0;
        Flow::Produced.count(record_bytes(&request));
        // A transaction may have to be verified first, after which records must still be appended in order.
        let overlaps = request.transactional_id.is_none();
        let reply: crate::net::ReplyFuture<'a> = Box::pin(async move {
            let response = $module::handle($broker, &$context, request).await;
            if is_answered { $context.answer(response) } else { $context.answer_nothing(&response) }
        });
        if overlaps { Handling::Overlapping(reply) } else { Handling::Alone(reply) }
    }};
    // Fetch: its records stay in their files.
    (@start fetch, $request:ident, $module:ident; $broker:ident, $context:ident, $body:ident) => {{
        let request: $request = wire::decode_body($body, $context.version())?;
        let is_follower = *request.replica_id >= 0 || *request.replica_state.replica_id >= 0;
        $context.kind = if is_follower { RequestKind::FetchFollower } else { RequestKind::FetchConsumer };
        Handling::Alone(Box::pin(async move {
            let response = $module::handle($broker, &$context, request).await;
            $context.answer_fetch(response)
        }))
    }};
    (@start plain, $request:ident, $module:ident; $broker:ident, $context:ident, $body:ident) => {{
        let request: $request = wire::decode_body($body, $context.version())?;
        Handling::Alone(Box::pin(async move {
            let response = $module::handle($broker, &$context, request).await;
            $context.answer(response)
        }))
    }};
}

table! {
    Produce(ProduceRequest) => produce produce,
    Fetch(FetchRequest) => fetch fetch,
    ListOffsets(ListOffsetsRequest) => plain list_offsets,
    Metadata(MetadataRequest) => plain metadata,
    LeaderAndIsr(LeaderAndIsrRequest) => plain leader_and_isr,
    StopReplica(StopReplicaRequest) => plain stop_replica,
    UpdateMetadata(UpdateMetadataRequest) => plain update_metadata,
    ControlledShutdown(ControlledShutdownRequest) => plain controlled_shutdown,
    OffsetCommit(OffsetCommitRequest) => plain offset_commit,
    OffsetFetch(OffsetFetchRequest) => plain offset_fetch,
    FindCoordinator(FindCoordinatorRequest) => plain find_coordinator,
    JoinGroup(JoinGroupRequest) => plain join_group,
    Heartbeat(HeartbeatRequest) => plain heartbeat,
    LeaveGroup(LeaveGroupRequest) => plain leave_group,
    SyncGroup(SyncGroupRequest) => plain sync_group,
    DescribeGroups(DescribeGroupsRequest) => plain describe_groups,
    ListGroups(ListGroupsRequest) => plain list_groups,
    SaslHandshake(SaslHandshakeRequest) => plain sasl_handshake,
    ApiVersions(ApiVersionsRequest) => plain api_versions,
    CreateTopics(CreateTopicsRequest) => plain create_topics,
    DeleteTopics(DeleteTopicsRequest) => plain delete_topics,
    DeleteRecords(DeleteRecordsRequest) => plain delete_records,
    InitProducerId(InitProducerIdRequest) => plain init_producer_id,
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest) => plain offset_for_leader_epoch,
    AddPartitionsToTxn => unserved,
    AddOffsetsToTxn => unserved,
    EndTxn => unserved,
    WriteTxnMarkers => unserved,
    TxnOffsetCommit => unserved,
    DescribeAcls => unserved,
    CreateAcls => unserved,
    DeleteAcls => unserved,
    DescribeConfigs(DescribeConfigsRequest) => plain describe_configs,
    AlterConfigs(AlterConfigsRequest) => plain alter_configs,
    AlterReplicaLogDirs => unserved,
    DescribeLogDirs => unserved,
    SaslAuthenticate => unserved,
    CreatePartitions(CreatePartitionsRequest) => plain create_partitions,
    CreateDelegationToken => unserved,
    RenewDelegationToken => unserved,
    ExpireDelegationToken => unserved,
    DescribeDelegationToken => unserved,
    DeleteGroups(DeleteGroupsRequest) => plain delete_groups,
    ElectLeaders(ElectLeadersRequest) => plain elect_leaders,
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest) => plain incremental_alter_configs,
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest) => plain alter_partition_reassignments,
    ListPartitionReassignments(ListPartitionReassignmentsRequest) => plain list_partition_reassignments,
    OffsetDelete(OffsetDeleteRequest) => plain offset_delete,
    DescribeClientQuotas => unserved,
    AlterClientQuotas => unserved,
    DescribeUserScramCredentials => unserved,
    AlterUserScramCredentials => unserved,
    AlterPartition(AlterPartitionRequest) => plain alter_partition,
    UpdateFeatures => unserved,
    Envelope => unserved,
    DescribeCluster(DescribeClusterRequest) => plain describe_cluster,
    DescribeProducers => unserved,
    DescribeTransactions => unserved,
    ListTransactions => unserved,
    AllocateProducerIds(AllocateProducerIdsRequest) => plain allocate_producer_ids,
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest) => plain consumer_group_heartbeat,
    ConsumerGroupDescribe(ConsumerGroupDescribeRequest) => plain consumer_group_describe,
}

#[cfg(test)]
mod tests;
