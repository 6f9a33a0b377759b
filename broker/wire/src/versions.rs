//! The APIs of a Kafka 3.9 broker in ZooKeeper mode: key, name, versions, first flexible version, deprecated versions.
//! A table and lookups in it; which rows a server advertises is the server's affair.
//! Source: the message schemas of Kafka 3.9 and `ApiKeys`/`ApiMessageType`, listener `zkBroker`.

use std::fmt;
use std::ops::RangeInclusive;

use kafka_protocol::messages;

macro_rules! apis {
    ($($variant:ident = $key:literal, $name:literal, $range:expr,
       flexible $flexible:tt, deprecated $deprecated:tt;)*) => {
        /// One kind of request a ZooKeeper-mode broker serves, with its number on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        #[expect(missing_docs, reason = "the names are Kafka's")]
        pub enum ApiKey {
            $($variant = $key,)*
        }

        impl ApiKey {
            /// Every API in order of its key.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The API with this number, if a ZooKeeper-mode broker has it.
            #[must_use]
            pub const fn from_key(key: i16) -> Option<Self> {
                match key {
                    $($key => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The API's row.
            #[must_use]
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Self::$variant => const { &Row {
                        api: Self::$variant,
                        name: $name,
                        versions: $range,
                        first_flexible: apis!(@ $flexible),
                        last_deprecated: apis!(@ $deprecated),
                    } },)*
                }
            }

            pub(crate) const fn codec_key(self) -> messages::ApiKey {
                match self {
                    $(Self::$variant => messages::ApiKey::$variant,)*
                }
            }
        }
    };
    (@ none) => { None };
    (@ ($version:literal)) => { Some($version) };
}

/// What is fixed about one API.
#[derive(Debug)]
pub struct Row {
    /// Which API.
    pub api: ApiKey,
    /// Kafka's name in upper camel case, as in metrics and logs.
    pub name: &'static str,
    /// Versions served.
    pub versions: RangeInclusive<i16>,
    /// First version with compact strings and tagged fields; `None` if there is none yet.
    pub first_flexible: Option<i16>,
    /// Last version whose use is discouraged and counted; still served.
    pub last_deprecated: Option<i16>,
}

apis! {
    Produce = 0, "Produce", 0..=11, flexible (9), deprecated (6);
    Fetch = 1, "Fetch", 0..=17, flexible (12), deprecated (3);
    ListOffsets = 2, "ListOffsets", 0..=9, flexible (6), deprecated (0);
    Metadata = 3, "Metadata", 0..=12, flexible (9), deprecated (3);
    LeaderAndIsr = 4, "LeaderAndIsr", 0..=7, flexible (4), deprecated none;
    StopReplica = 5, "StopReplica", 0..=4, flexible (2), deprecated none;
    UpdateMetadata = 6, "UpdateMetadata", 0..=8, flexible (6), deprecated none;
    ControlledShutdown = 7, "ControlledShutdown", 0..=3, flexible (3), deprecated none;
    OffsetCommit = 8, "OffsetCommit", 0..=9, flexible (8), deprecated (1);
    OffsetFetch = 9, "OffsetFetch", 0..=9, flexible (6), deprecated (0);
    FindCoordinator = 10, "FindCoordinator", 0..=6, flexible (3), deprecated (0);
    JoinGroup = 11, "JoinGroup", 0..=9, flexible (6), deprecated (1);
    Heartbeat = 12, "Heartbeat", 0..=4, flexible (4), deprecated none;
    LeaveGroup = 13, "LeaveGroup", 0..=5, flexible (4), deprecated none;
    SyncGroup = 14, "SyncGroup", 0..=5, flexible (4), deprecated none;
    DescribeGroups = 15, "DescribeGroups", 0..=5, flexible (5), deprecated none;
    ListGroups = 16, "ListGroups", 0..=5, flexible (3), deprecated none;
    SaslHandshake = 17, "SaslHandshake", 0..=1, flexible none, deprecated (0);
    ApiVersions = 18, "ApiVersions", 0..=4, flexible (3), deprecated none;
    CreateTopics = 19, "CreateTopics", 0..=7, flexible (5), deprecated (1);
    DeleteTopics = 20, "DeleteTopics", 0..=6, flexible (4), deprecated (0);
    DeleteRecords = 21, "DeleteRecords", 0..=2, flexible (2), deprecated none;
    InitProducerId = 22, "InitProducerId", 0..=5, flexible (2), deprecated none;
    OffsetForLeaderEpoch = 23, "OffsetForLeaderEpoch", 0..=4, flexible (4), deprecated (1);
    AddPartitionsToTxn = 24, "AddPartitionsToTxn", 0..=5, flexible (3), deprecated none;
    AddOffsetsToTxn = 25, "AddOffsetsToTxn", 0..=4, flexible (3), deprecated none;
    EndTxn = 26, "EndTxn", 0..=4, flexible (3), deprecated none;
    WriteTxnMarkers = 27, "WriteTxnMarkers", 0..=1, flexible (1), deprecated none;
    TxnOffsetCommit = 28, "TxnOffsetCommit", 0..=4, flexible (3), deprecated none;
    DescribeAcls = 29, "DescribeAcls", 0..=3, flexible (2), deprecated (0);
    CreateAcls = 30, "CreateAcls", 0..=3, flexible (2), deprecated (0);
    DeleteAcls = 31, "DeleteAcls", 0..=3, flexible (2), deprecated (0);
    DescribeConfigs = 32, "DescribeConfigs", 0..=4, flexible (4), deprecated (0);
    AlterConfigs = 33, "AlterConfigs", 0..=2, flexible (2), deprecated none;
    AlterReplicaLogDirs = 34, "AlterReplicaLogDirs", 0..=2, flexible (2), deprecated (0);
    DescribeLogDirs = 35, "DescribeLogDirs", 0..=4, flexible (2), deprecated (0);
    SaslAuthenticate = 36, "SaslAuthenticate", 0..=2, flexible (2), deprecated none;
    CreatePartitions = 37, "CreatePartitions", 0..=3, flexible (2), deprecated none;
    CreateDelegationToken = 38, "CreateDelegationToken", 0..=3, flexible (2), deprecated (0);
    RenewDelegationToken = 39, "RenewDelegationToken", 0..=2, flexible (2), deprecated (0);
    ExpireDelegationToken = 40, "ExpireDelegationToken", 0..=2, flexible (2), deprecated (0);
    DescribeDelegationToken = 41, "DescribeDelegationToken", 0..=3, flexible (2), deprecated (0);
    DeleteGroups = 42, "DeleteGroups", 0..=2, flexible (2), deprecated (0);
    ElectLeaders = 43, "ElectLeaders", 0..=2, flexible (2), deprecated none;
    IncrementalAlterConfigs = 44, "IncrementalAlterConfigs", 0..=1, flexible (1), deprecated none;
    AlterPartitionReassignments = 45, "AlterPartitionReassignments", 0..=0, flexible (0), deprecated none;
    ListPartitionReassignments = 46, "ListPartitionReassignments", 0..=0, flexible (0), deprecated none;
    OffsetDelete = 47, "OffsetDelete", 0..=0, flexible none, deprecated none;
    DescribeClientQuotas = 48, "DescribeClientQuotas", 0..=1, flexible (1), deprecated none;
    AlterClientQuotas = 49, "AlterClientQuotas", 0..=1, flexible (1), deprecated none;
    DescribeUserScramCredentials = 50, "DescribeUserScramCredentials", 0..=0, flexible (0), deprecated none;
    AlterUserScramCredentials = 51, "AlterUserScramCredentials", 0..=0, flexible (0), deprecated none;
    AlterPartition = 56, "AlterPartition", 0..=3, flexible (0), deprecated none;
    UpdateFeatures = 57, "UpdateFeatures", 0..=1, flexible (0), deprecated none;
    Envelope = 58, "Envelope", 0..=0, flexible (0), deprecated none;
    DescribeCluster = 60, "DescribeCluster", 0..=1, flexible (0), deprecated none;
    DescribeProducers = 61, "DescribeProducers", 0..=0, flexible (0), deprecated none;
    DescribeTransactions = 65, "DescribeTransactions", 0..=0, flexible (0), deprecated none;
    ListTransactions = 66, "ListTransactions", 0..=1, flexible (0), deprecated none;
    AllocateProducerIds = 67, "AllocateProducerIds", 0..=0, flexible (0), deprecated none;
    ConsumerGroupHeartbeat = 68, "ConsumerGroupHeartbeat", 0..=0, flexible (0), deprecated none;
    ConsumerGroupDescribe = 69, "ConsumerGroupDescribe", 0..=0, flexible (0), deprecated none;
}

impl ApiKey {
    /// The number on the wire.
    #[must_use]
    pub const fn key(self) -> i16 {
        self as i16
    }

    /// Kafka's name in upper camel case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Versions served.
    #[must_use]
    pub fn versions(self) -> RangeInclusive<i16> {
        self.row().versions.clone()
    }

    /// The newest version served.
    #[must_use]
    pub const fn latest(self) -> i16 {
        *self.row().versions.end()
    }

    /// Whether this version is served.
    #[must_use]
    pub fn supports(self, version: i16) -> bool {
        self.row().versions.contains(&version)
    }

    /// Whether this version uses compact strings and tagged fields.
    #[must_use]
    pub fn is_flexible(self, version: i16) -> bool {
        self.row().first_flexible.is_some_and(|first| first <= version)
    }

    /// Whether use of this version is discouraged.
    #[must_use]
    pub fn is_deprecated(self, version: i16) -> bool {
        self.row().last_deprecated.is_some_and(|last| version <= last)
    }

    /// Whether only brokers send it: LeaderAndIsr, StopReplica, UpdateMetadata and the other cluster actions.
    #[must_use]
    pub const fn is_cluster_action(self) -> bool {
        matches!(
            self,
            Self::LeaderAndIsr
                | Self::StopReplica
                | Self::UpdateMetadata
                | Self::ControlledShutdown
                | Self::WriteTxnMarkers
                | Self::AlterPartition
                | Self::Envelope
                | Self::AllocateProducerIds
        )
    }

    /// Version of the header before a request: 2 when flexible, else 1; ControlledShutdown v0 alone has 0.
    #[must_use]
    pub fn request_header_version(self, version: i16) -> i16 {
        match self {
            Self::ControlledShutdown if version == 0 => 0,
            _ if self.is_flexible(version) => 2,
            _ => 1,
        }
    }

    /// Version of the header before a response: 1 when flexible, else 0; always 0 for ApiVersions, so that a client
    /// that asked in a version unknown here can still read the answer.
    #[must_use]
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != Self::ApiVersions && self.is_flexible(version))
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The newest version both sides have, if any. `theirs` is what the other side's ApiVersions said.
#[must_use]
pub fn newest_common(ours: &RangeInclusive<i16>, theirs: &RangeInclusive<i16>) -> Option<i16> {
    let newest = *ours.end().min(theirs.end());
    let oldest = *ours.start().max(theirs.start());
    (oldest <= newest).then_some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codec_agrees_on_every_range_and_header_version() {
        for &api in ApiKey::ALL {
            let codec = api.codec_key();
            assert_eq!(codec as i16, api.key());
            let range = codec.valid_versions();
            assert!(range.min <= *api.versions().start() && *api.versions().end() <= range.max, "{api}: {range}");
            for version in api.versions() {
                assert_eq!(
                    api.request_header_version(version),
                    codec.request_header_version(version),
                    "{api} v{version}"
                );
                assert_eq!(
                    api.response_header_version(version),
                    codec.response_header_version(version),
                    "{api} v{version}"
                );
            }
        }
    }

    #[test]
    fn a_zookeeper_broker_has_sixty_two_apis() {
        assert_eq!(ApiKey::ALL.len(), 62);
        for key in [-1, 52, 53, 54, 55, 59, 62, 63, 64, 70, 71, 75, 87, i16::MAX] {
            assert_eq!(ApiKey::from_key(key), None, "{key}");
        }
    }

    #[test]
    fn the_newest_common_version_lies_in_both_ranges() {
        assert_eq!(newest_common(&(0..=5), &(2..=9)), Some(5));
        assert_eq!(newest_common(&(6..=7), &(0..=5)), None);
    }
}
