//! Which responses tell the client for how long it is throttled.
//! Source: `throttleTimeMs` in the response schemas.

use wire::messages::*;

/// A response that may say how long its client is throttled.
pub trait Throttle {
    /// Sets the time, in milliseconds, where the response has a field for it.
    fn set_throttle_time_ms(&mut self, throttle_time_ms: i32);
}

macro_rules! throttled {
    ($($response:ident)*) => {
        $(impl Throttle for $response {
            fn set_throttle_time_ms(&mut self, throttle_time_ms: i32) {
                self.throttle_time_ms = throttle_time_ms;
            }
        })*
    };
}

macro_rules! never_throttled {
    ($($response:ident)*) => {
        $(impl Throttle for $response {
            fn set_throttle_time_ms(&mut self, _: i32) {}
        })*
    };
}

throttled! {
    ProduceResponse
    FetchResponse
    ListOffsetsResponse
    MetadataResponse
    OffsetCommitResponse
    OffsetFetchResponse
    FindCoordinatorResponse
    JoinGroupResponse
    HeartbeatResponse
    LeaveGroupResponse
    SyncGroupResponse
    DescribeGroupsResponse
    ListGroupsResponse
    ApiVersionsResponse
    CreateTopicsResponse
    DeleteTopicsResponse
    DeleteRecordsResponse
    InitProducerIdResponse
    OffsetForLeaderEpochResponse
    AddPartitionsToTxnResponse
    AddOffsetsToTxnResponse
    EndTxnResponse
    TxnOffsetCommitResponse
    DescribeAclsResponse
    CreateAclsResponse
    DeleteAclsResponse
    DescribeConfigsResponse
    AlterConfigsResponse
    AlterReplicaLogDirsResponse
    DescribeLogDirsResponse
    CreatePartitionsResponse
    CreateDelegationTokenResponse
    RenewDelegationTokenResponse
    ExpireDelegationTokenResponse
    DescribeDelegationTokenResponse
    DeleteGroupsResponse
    ElectLeadersResponse
    IncrementalAlterConfigsResponse
    AlterPartitionReassignmentsResponse
    ListPartitionReassignmentsResponse
    OffsetDeleteResponse
    DescribeClientQuotasResponse
    AlterClientQuotasResponse
    DescribeUserScramCredentialsResponse
    AlterUserScramCredentialsResponse
    AlterPartitionResponse
    UpdateFeaturesResponse
    DescribeClusterResponse
    DescribeProducersResponse
    DescribeTransactionsResponse
    ListTransactionsResponse
    AllocateProducerIdsResponse
    ConsumerGroupHeartbeatResponse
    ConsumerGroupDescribeResponse
}

never_throttled! {
    ControlledShutdownResponse
    EnvelopeResponse
    LeaderAndIsrResponse
    SaslAuthenticateResponse
    SaslHandshakeResponse
    StopReplicaResponse
    UpdateMetadataResponse
    WriteTxnMarkersResponse
}
