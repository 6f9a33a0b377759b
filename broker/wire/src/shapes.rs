//! The shape of every request: which fields of which length it has in which version.
//! Facts only, in the order of the wire; [`crate::shape`] walks them.
//! Source: the request schemas of Kafka 3.9 (`*Request.json`); a test holds them equal to the codec's.

use crate::shape::Field::{self, All, Between, From, Tagged};
use crate::shape::Shape::{self, Array, Bytes, Fixed, List, Struct, Text};
use crate::versions::ApiKey;

const I8: Shape = Fixed(1);
const I16: Shape = Fixed(2);
const I32: Shape = Fixed(4);
const I64: Shape = Fixed(8);
const UUID: Shape = Fixed(16);
const TEXT: Shape = Text;
const BYTES: Shape = Bytes;

/// The fields of a request.
pub(crate) const fn request(api: ApiKey) -> &'static [Field] {
    match api {
        ApiKey::Produce => {
            const { &[From(3, TEXT), All(I16), All(I32), All(Array(&[All(TEXT), All(Array(&[All(I32), All(BYTES)]))]))] }
        }
        ApiKey::Fetch => {
            const {
                &[
                    Tagged(0, 12, TEXT),
                    Between(0, 14, I32),
                    Tagged(1, 15, Struct(&[From(15, I32), From(15, I64)])),
                    All(I32),
                    All(I32),
                    From(3, I32),
                    From(4, I8),
                    From(7, I32),
                    From(7, I32),
                    All(Array(&[
                        Between(0, 12, TEXT),
                        From(13, UUID),
                        All(Array(&[
                            All(I32),
                            From(9, I32),
                            All(I64),
                            From(12, I32),
                            From(5, I64),
                            All(I32),
                            Tagged(0, 17, UUID),
                        ])),
                    ])),
                    From(7, Array(&[Between(7, 12, TEXT), From(13, UUID), From(7, List(&I32))])),
                    From(11, TEXT),
                ]
            }
        }
        ApiKey::ListOffsets => {
            const {
                &[
                    All(I32),
                    From(2, I8),
                    All(Array(&[All(TEXT), All(Array(&[All(I32), From(4, I32), All(I64), Between(0, 0, I32)]))])),
                ]
            }
        }
        ApiKey::Metadata => {
            const { &[All(Array(&[From(10, UUID), All(TEXT)])), From(4, I8), Between(8, 10, I8), From(8, I8)] }
        }
        ApiKey::LeaderAndIsr => {
            const {
                &[
                    All(I32),
                    From(7, I8),
                    All(I32),
                    From(2, I64),
                    From(5, I8),
                    Between(
                        0,
                        1,
                        Array(&[
                            Between(0, 1, TEXT),
                            All(I32),
                            All(I32),
                            All(I32),
                            All(I32),
                            All(List(&I32)),
                            All(I32),
                            All(List(&I32)),
                            From(3, List(&I32)),
                            From(3, List(&I32)),
                            From(1, I8),
                            From(6, I8),
                        ]),
                    ),
                    From(
                        2,
                        Array(&[
                            From(2, TEXT),
                            From(5, UUID),
                            From(
                                2,
                                Array(&[
                                    Between(0, 1, TEXT),
                                    All(I32),
                                    All(I32),
                                    All(I32),
                                    All(I32),
                                    All(List(&I32)),
                                    All(I32),
                                    All(List(&I32)),
                                    From(3, List(&I32)),
                                    From(3, List(&I32)),
                                    From(1, I8),
                                    From(6, I8),
                                ]),
                            ),
                        ]),
                    ),
                    All(Array(&[All(I32), All(TEXT), All(I32)])),
                ]
            }
        }
        ApiKey::StopReplica => {
            const {
                &[
                    All(I32),
                    From(4, I8),
                    All(I32),
                    From(1, I64),
                    Between(0, 2, I8),
                    Between(0, 0, Array(&[Between(0, 0, TEXT), Between(0, 0, I32)])),
                    Between(1, 2, Array(&[Between(1, 2, TEXT), Between(1, 2, List(&I32))])),
                    From(3, Array(&[From(3, TEXT), From(3, Array(&[From(3, I32), From(3, I32), From(3, I8)]))])),
                ]
            }
        }
        ApiKey::UpdateMetadata => {
            const {
                &[
                    All(I32),
                    From(8, I8),
                    Tagged(0, 8, I8),
                    All(I32),
                    From(5, I64),
                    Between(
                        0,
                        4,
                        Array(&[
                            Between(0, 4, TEXT),
                            All(I32),
                            All(I32),
                            All(I32),
                            All(I32),
                            All(List(&I32)),
                            All(I32),
                            All(List(&I32)),
                            From(4, List(&I32)),
                        ]),
                    ),
                    From(
                        5,
                        Array(&[
                            From(5, TEXT),
                            From(7, UUID),
                            From(
                                5,
                                Array(&[
                                    Between(0, 4, TEXT),
                                    All(I32),
                                    All(I32),
                                    All(I32),
                                    All(I32),
                                    All(List(&I32)),
                                    All(I32),
                                    All(List(&I32)),
                                    From(4, List(&I32)),
                                ]),
                            ),
                        ]),
                    ),
                    All(Array(&[
                        All(I32),
                        Between(0, 0, TEXT),
                        Between(0, 0, I32),
                        From(1, Array(&[From(1, I32), From(1, TEXT), From(3, TEXT), From(1, I16)])),
                        From(2, TEXT),
                    ])),
                ]
            }
        }
        ApiKey::ControlledShutdown => const { &[All(I32), From(2, I64)] },
        ApiKey::OffsetCommit => {
            const {
                &[
                    All(TEXT),
                    From(1, I32),
                    From(1, TEXT),
                    From(7, TEXT),
                    Between(2, 4, I64),
                    All(Array(&[
                        All(TEXT),
                        All(Array(&[All(I32), All(I64), From(6, I32), Between(1, 1, I64), All(TEXT)])),
                    ])),
                ]
            }
        }
        ApiKey::OffsetFetch => {
            const {
                &[
                    Between(0, 7, TEXT),
                    Between(0, 7, Array(&[Between(0, 7, TEXT), Between(0, 7, List(&I32))])),
                    From(
                        8,
                        Array(&[
                            From(8, TEXT),
                            From(9, TEXT),
                            From(9, I32),
                            From(8, Array(&[From(8, TEXT), From(8, List(&I32))])),
                        ]),
                    ),
                    From(7, I8),
                ]
            }
        }
        ApiKey::FindCoordinator => const { &[Between(0, 3, TEXT), From(1, I8), From(4, List(&TEXT))] },
        ApiKey::JoinGroup => {
            const {
                &[
                    All(TEXT),
                    All(I32),
                    From(1, I32),
                    All(TEXT),
                    From(5, TEXT),
                    All(TEXT),
                    All(Array(&[All(TEXT), All(BYTES)])),
                    From(8, TEXT),
                ]
            }
        }
        ApiKey::Heartbeat => const { &[All(TEXT), All(I32), All(TEXT), From(3, TEXT)] },
        ApiKey::LeaveGroup => {
            const { &[All(TEXT), Between(0, 2, TEXT), From(3, Array(&[From(3, TEXT), From(3, TEXT), From(5, TEXT)]))] }
        }
        ApiKey::SyncGroup => {
            const {
                &[
                    All(TEXT),
                    All(I32),
                    All(TEXT),
                    From(3, TEXT),
                    From(5, TEXT),
                    From(5, TEXT),
                    All(Array(&[All(TEXT), All(BYTES)])),
                ]
            }
        }
        ApiKey::DescribeGroups => const { &[All(List(&TEXT)), From(3, I8)] },
        ApiKey::ListGroups => const { &[From(4, List(&TEXT)), From(5, List(&TEXT))] },
        ApiKey::SaslHandshake => const { &[All(TEXT)] },
        ApiKey::ApiVersions => const { &[From(3, TEXT), From(3, TEXT)] },
        ApiKey::CreateTopics => {
            const {
                &[
                    All(Array(&[
                        All(TEXT),
                        All(I32),
                        All(I16),
                        All(Array(&[All(I32), All(List(&I32))])),
                        All(Array(&[All(TEXT), All(TEXT)])),
                    ])),
                    All(I32),
                    From(1, I8),
                ]
            }
        }
        ApiKey::DeleteTopics => {
            const { &[From(6, Array(&[From(6, TEXT), From(6, UUID)])), Between(0, 5, List(&TEXT)), All(I32)] }
        }
        ApiKey::DeleteRecords => const { &[All(Array(&[All(TEXT), All(Array(&[All(I32), All(I64)]))])), All(I32)] },
        ApiKey::InitProducerId => const { &[All(TEXT), All(I32), From(3, I64), From(3, I16)] },
        ApiKey::OffsetForLeaderEpoch => {
            const { &[From(3, I32), All(Array(&[All(TEXT), All(Array(&[All(I32), From(2, I32), All(I32)]))]))] }
        }
        ApiKey::AddPartitionsToTxn => {
            const {
                &[
                    From(
                        4,
                        Array(&[
                            From(4, TEXT),
                            From(4, I64),
                            From(4, I16),
                            From(4, I8),
                            From(4, Array(&[All(TEXT), All(List(&I32))])),
                        ]),
                    ),
                    Between(0, 3, TEXT),
                    Between(0, 3, I64),
                    Between(0, 3, I16),
                    Between(0, 3, Array(&[All(TEXT), All(List(&I32))])),
                ]
            }
        }
        ApiKey::AddOffsetsToTxn => const { &[All(TEXT), All(I64), All(I16), All(TEXT)] },
        ApiKey::EndTxn => const { &[All(TEXT), All(I64), All(I16), All(I8)] },
        ApiKey::WriteTxnMarkers => {
            const { &[All(Array(&[All(I64), All(I16), All(I8), All(Array(&[All(TEXT), All(List(&I32))])), All(I32)]))] }
        }
        ApiKey::TxnOffsetCommit => {
            const {
                &[
                    All(TEXT),
                    All(TEXT),
                    All(I64),
                    All(I16),
                    From(3, I32),
                    From(3, TEXT),
                    From(3, TEXT),
                    All(Array(&[All(TEXT), All(Array(&[All(I32), All(I64), From(2, I32), All(TEXT)]))])),
                ]
            }
        }
        ApiKey::DescribeAcls => const { &[All(I8), All(TEXT), From(1, I8), All(TEXT), All(TEXT), All(I8), All(I8)] },
        ApiKey::CreateAcls => {
            const { &[All(Array(&[All(I8), All(TEXT), From(1, I8), All(TEXT), All(TEXT), All(I8), All(I8)]))] }
        }
        ApiKey::DeleteAcls => {
            const { &[All(Array(&[All(I8), All(TEXT), From(1, I8), All(TEXT), All(TEXT), All(I8), All(I8)]))] }
        }
        ApiKey::DescribeConfigs => {
            const { &[All(Array(&[All(I8), All(TEXT), All(List(&TEXT))])), From(1, I8), From(3, I8)] }
        }
        ApiKey::AlterConfigs => {
            const { &[All(Array(&[All(I8), All(TEXT), All(Array(&[All(TEXT), All(TEXT)]))])), All(I8)] }
        }
        ApiKey::AlterReplicaLogDirs => const { &[All(Array(&[All(TEXT), All(Array(&[All(TEXT), All(List(&I32))]))]))] },
        ApiKey::DescribeLogDirs => const { &[All(Array(&[All(TEXT), All(List(&I32))]))] },
        ApiKey::SaslAuthenticate => const { &[All(BYTES)] },
        ApiKey::CreatePartitions => {
            const { &[All(Array(&[All(TEXT), All(I32), All(Array(&[All(List(&I32))]))])), All(I32), All(I8)] }
        }
        ApiKey::CreateDelegationToken => {
            const { &[From(3, TEXT), From(3, TEXT), All(Array(&[All(TEXT), All(TEXT)])), All(I64)] }
        }
        ApiKey::RenewDelegationToken => const { &[All(BYTES), All(I64)] },
        ApiKey::ExpireDelegationToken => const { &[All(BYTES), All(I64)] },
        ApiKey::DescribeDelegationToken => const { &[All(Array(&[All(TEXT), All(TEXT)]))] },
        ApiKey::DeleteGroups => const { &[All(List(&TEXT))] },
        ApiKey::ElectLeaders => const { &[From(1, I8), All(Array(&[All(TEXT), All(List(&I32))])), All(I32)] },
        ApiKey::IncrementalAlterConfigs => {
            const { &[All(Array(&[All(I8), All(TEXT), All(Array(&[All(TEXT), All(I8), All(TEXT)]))])), All(I8)] }
        }
        ApiKey::AlterPartitionReassignments => {
            const { &[All(I32), All(Array(&[All(TEXT), All(Array(&[All(I32), All(List(&I32))]))]))] }
        }
        ApiKey::ListPartitionReassignments => const { &[All(I32), All(Array(&[All(TEXT), All(List(&I32))]))] },
        ApiKey::OffsetDelete => const { &[All(TEXT), All(Array(&[All(TEXT), All(Array(&[All(I32)]))]))] },
        ApiKey::DescribeClientQuotas => const { &[All(Array(&[All(TEXT), All(I8), All(TEXT)])), All(I8)] },
        ApiKey::AlterClientQuotas => {
            const {
                &[
                    All(Array(&[All(Array(&[All(TEXT), All(TEXT)])), All(Array(&[All(TEXT), All(I64), All(I8)]))])),
                    All(I8),
                ]
            }
        }
        ApiKey::DescribeUserScramCredentials => const { &[All(Array(&[All(TEXT)]))] },
        ApiKey::AlterUserScramCredentials => {
            const {
                &[
                    All(Array(&[All(TEXT), All(I8)])),
                    All(Array(&[All(TEXT), All(I8), All(I32), All(BYTES), All(BYTES)])),
                ]
            }
        }
        ApiKey::AlterPartition => {
            const {
                &[
                    All(I32),
                    All(I64),
                    All(Array(&[
                        Between(0, 1, TEXT),
                        From(2, UUID),
                        All(Array(&[
                            All(I32),
                            All(I32),
                            Between(0, 2, List(&I32)),
                            From(3, Array(&[From(3, I32), From(3, I64)])),
                            From(1, I8),
                            All(I32),
                        ])),
                    ])),
                ]
            }
        }
        ApiKey::UpdateFeatures => {
            const { &[All(I32), All(Array(&[All(TEXT), All(I16), Between(0, 0, I8), From(1, I8)])), From(1, I8)] }
        }
        ApiKey::Envelope => const { &[All(BYTES), All(BYTES), All(BYTES)] },
        ApiKey::DescribeCluster => const { &[All(I8), From(1, I8)] },
        ApiKey::DescribeProducers => const { &[All(Array(&[All(TEXT), All(List(&I32))]))] },
        ApiKey::DescribeTransactions => const { &[All(List(&TEXT))] },
        ApiKey::ListTransactions => const { &[All(List(&TEXT)), All(List(&I64)), From(1, I64)] },
        ApiKey::AllocateProducerIds => const { &[All(I32), All(I64)] },
        ApiKey::ConsumerGroupHeartbeat => {
            const {
                &[
                    All(TEXT),
                    All(TEXT),
                    All(I32),
                    All(TEXT),
                    All(TEXT),
                    All(I32),
                    All(List(&TEXT)),
                    All(TEXT),
                    All(Array(&[All(UUID), All(List(&I32))])),
                ]
            }
        }
        ApiKey::ConsumerGroupDescribe => const { &[All(List(&TEXT)), All(I8)] },
    }
}
