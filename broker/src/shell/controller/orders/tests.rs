use coordinator::controller::effect::{Endpoint, ReplicaToStop, SecurityProtocol};
use uuid::Uuid;
use wire::messages::leader_and_isr_response::{LeaderAndIsrPartitionError, LeaderAndIsrTopicError};
use wire::{decode_body, encode_request_body};
use zk_schema::{ControllerEpoch, LeaderEpoch, PartitionEpoch, TopicId};

use super::*;

fn broker(id: i32) -> Arc<LiveBroker> {
    Arc::new(LiveBroker {
        id: BrokerId(id),
        epoch: BrokerEpoch(100),
        endpoints: vec![Endpoint {
            listener: "PLAINTEXT".to_owned(),
            security_protocol: SecurityProtocol::Plaintext,
            host: "h".to_owned(),
            port: 9092,
        }],
        rack: Some("r".to_owned()),
        features: BTreeMap::new(),
    })
}

fn replicas(ids: &[i32]) -> Replicas {
    ids.iter().copied().map(BrokerId).collect()
}

fn lead() -> LeaderAndIsr {
    let partition = PartitionOrder {
        partition: 0,
        controller_epoch: ControllerEpoch(3),
        leader: BrokerId(1),
        leader_epoch: LeaderEpoch(4),
        isr: replicas(&[1, 2]),
        partition_epoch: PartitionEpoch(5),
        replicas: replicas(&[1, 2]),
        adding: replicas(&[2]),
        removing: replicas(&[]),
        is_new: true,
        leader_recovery: LeaderRecovery::Recovering,
    };
    LeaderAndIsr {
        broker: BrokerId(1),
        broker_epoch: BrokerEpoch(100),
        controller_epoch: ControllerEpoch(3),
        topics: vec![OfTopic { topic: "t".into(), topic_id: TopicId(Uuid::from_u128(7)), partitions: vec![partition] }],
        live_leaders: vec![broker(1)],
    }
}

fn stop() -> StopReplica {
    let replica = |partition, delete| ReplicaToStop { partition, leader_epoch: LeaderEpoch(4), delete };
    StopReplica {
        broker: BrokerId(1),
        broker_epoch: BrokerEpoch(100),
        controller_epoch: ControllerEpoch(3),
        topics: vec![OfTopic {
            topic: "t".into(),
            topic_id: TopicId::ZERO,
            partitions: vec![replica(0, false), replica(1, true)],
        }],
    }
}

fn body() -> MetadataBody {
    let partition = PartitionMetadata {
        partition: 0,
        controller_epoch: ControllerEpoch(3),
        leader: BrokerId(1),
        leader_epoch: LeaderEpoch(4),
        isr: replicas(&[1]),
        partition_epoch: PartitionEpoch(5),
        replicas: replicas(&[1, 2]),
        offline_replicas: replicas(&[2]),
    };
    let topic = OfTopic { topic: "t".into(), topic_id: TopicId(Uuid::from_u128(7)), partitions: vec![partition] };
    MetadataBody { controller_epoch: ControllerEpoch(3), topics: vec![topic], live_brokers: vec![broker(1)] }
}

/// What a request is on the wire in its version, read back.
fn sent<R: wire::Request + PartialEq + std::fmt::Debug>(version: i16, request: &R) -> R {
    let frame = encode_request_body(version, 1, None, request).unwrap();
    let (_, _, body) = wire::request::decode_header(frame.slice(4..)).unwrap();
    decode_body(body, version).unwrap()
}

#[test]
fn every_version_can_be_sent() {
    for version in 0..=7 {
        let request = leader_and_isr(BrokerId(9), &lead(), version, "PLAINTEXT");
        assert_eq!(sent(version, &request), request, "LeaderAndIsr v{version}");
    }
    for version in 0..=8 {
        let request = update_metadata(BrokerId(9), BrokerEpoch(100), &body(), version);
        assert_eq!(sent(version, &request), request, "UpdateMetadata v{version}");
    }
    for version in 0..=4 {
        for (_, request) in stop_replica(BrokerId(9), &stop(), version) {
            assert_eq!(sent(version, &request), request, "StopReplica v{version}");
        }
    }
}

#[test]
fn versions_follow_the_inter_broker_protocol() {
    let versions = |name: &str| Versions::of(MetadataVersion::from_name(name).unwrap());
    assert_eq!(versions("3.9"), Versions { leader_and_isr: 7, update_metadata: 8, stop_replica: 4 });
    assert_eq!(versions("3.2"), Versions { leader_and_isr: 6, update_metadata: 7, stop_replica: 3 });
    assert_eq!(versions("2.8-IV0"), Versions { leader_and_isr: 4, update_metadata: 6, stop_replica: 3 });
    assert_eq!(versions("2.4-IV0"), Versions { leader_and_isr: 3, update_metadata: 5, stop_replica: 1 });
    assert_eq!(versions("0.9.0"), Versions { leader_and_isr: 0, update_metadata: 1, stop_replica: 0 });
}

#[test]
fn old_stop_replica_is_split_by_what_becomes_of_the_log() {
    let requests = stop_replica(BrokerId(9), &stop(), 2);
    let flags: Vec<(bool, i32)> =
        requests.iter().map(|(_, r)| (r.delete_partitions, r.topics[0].partition_indexes[0])).collect();
    assert_eq!(flags, [(false, 0), (true, 1)]);
    assert_eq!(stop_replica(BrokerId(9), &stop(), 3).len(), 1);
}

#[test]
fn answers_by_topic_id_find_their_names() {
    let mut error = LeaderAndIsrPartitionError::default();
    error.error_code = ErrorCode::KafkaStorageError.code();
    let mut of = LeaderAndIsrTopicError::default();
    of.topic_id = Uuid::from_u128(7);
    of.partition_errors = vec![error];
    let mut response = LeaderAndIsrResponse::default();
    response.topics = vec![of];
    let expected = vec![(TopicPartition::new("t", 0), Err(OrderError::KafkaStorage))];
    assert_eq!(
        leader_and_isr_answer(&lead(), &response),
        OrderAnswer::LeaderAndIsr { result: Ok(()), partitions: expected }
    );
}

#[test]
fn a_refused_stop_replica_is_an_answer_for_each_partition() {
    let mut response = StopReplicaResponse::default();
    response.error_code = ErrorCode::StaleBrokerEpoch.code();
    let OrderAnswer::StopReplica { result, partitions } = stop_replica_answer(&stop(), &response) else {
        panic!("another answer");
    };
    assert_eq!(result, Err(OrderError::StaleBrokerEpoch));
    assert_eq!(partitions.len(), 2);
    assert!(partitions.iter().all(|answer| answer.result == Err(OrderError::StaleBrokerEpoch)));
    assert!(partitions[1].delete);
}
