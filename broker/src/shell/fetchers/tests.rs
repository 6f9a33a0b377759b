//! Facts about a follower's requests, and about who fetches what.

use config::MetadataVersion;
use uuid::Uuid;
use wire::encode_request_body;
use zk_schema::LeaderEpoch;

use super::*;
use crate::replica::fetcher::{Asked, FetchPlan, Pending};

const US: BrokerId = BrokerId(3);

fn settings(ibp: MetadataVersion) -> Settings {
    Settings { versions: Versions::of(ibp), ..Settings::new(US, &BrokerConfig::for_tests()) }
}

fn asked(topic_id: TopicId) -> Asked {
    let leader_epoch = LeaderEpoch(4);
    Asked { topic_id, fetch_offset: 9, log_start_offset: 2, leader_epoch, last_fetched_epoch: Some(LeaderEpoch(3)) }
}

fn plan(settings: &Settings, topic_id: TopicId) -> FetchPlan {
    let versions = settings.versions;
    let has_sessions = versions.has_sessions();
    let all_have_ids = topic_id.is_known();
    let partition = |topic, index| (TopicPartition::new(topic, index), asked(topic_id));
    FetchPlan {
        version: versions.fetch(all_have_ids),
        uses_topic_ids: versions.uses_topic_ids(all_have_ids),
        session_id: if has_sessions { 5 } else { 0 },
        session_epoch: if has_sessions { 1 } else { -1 },
        partitions: vec![partition("t", 0), partition("t", 1)],
        forgotten: if has_sessions { vec![(TopicPartition::new("t", 2), topic_id)] } else { Vec::new() },
    }
}

#[test]
fn every_protocol_version_can_say_what_a_follower_has_to() {
    for ibp in MetadataVersion::all().filter(|ibp| *ibp <= MetadataVersion::LATEST_PRODUCTION) {
        let settings = settings(ibp);
        for topic_id in [TopicId::ZERO, TopicId(Uuid::from_u128(7))] {
            let plan = plan(&settings, topic_id);
            let request = requests::fetch(&plan, &settings);
            assert_eq!(request.topics.len(), 1, "partitions of a topic side by side");
            let encoded = encode_request_body(plan.version, 1, None, &request);
            assert!(encoded.is_ok(), "{ibp}: {:?}", encoded.err());
        }
        let partition = TopicPartition::new("t", 0);
        let pending = Pending { partition, leader_epoch: LeaderEpoch(4), fetch_offset: 9 };
        let offsets = requests::list_offset(US, &pending, requests::LATEST);
        assert!(encode_request_body(settings.versions.list_offsets, 1, None, &offsets).is_ok(), "{ibp}");
        if let Some(version) = settings.versions.offset_for_leader_epoch {
            let ends = requests::epoch_ends(US, version, &[(pending, LeaderEpoch(3))]);
            assert!(encode_request_body(version, 1, None, &ends).is_ok(), "{ibp}");
        }
    }
}

#[test]
fn topics_are_named_by_id_where_the_protocol_has_ids() {
    let settings = settings(MetadataVersion::LATEST_PRODUCTION);
    let with_ids = requests::fetch(&plan(&settings, TopicId(Uuid::from_u128(7))), &settings);
    assert_eq!((with_ids.topics[0].topic_id, with_ids.topics[0].topic.as_str()), (Uuid::from_u128(7), ""));
    assert_eq!(with_ids.replica_state.replica_id.0, 3);
    let without = requests::fetch(&plan(&settings, TopicId::ZERO), &settings);
    assert_eq!((without.topics[0].topic_id, without.topics[0].topic.as_str()), (Uuid::nil(), "t"));
    assert_eq!(without.replica_id.0, 3);
}

#[test]
fn partitions_of_a_topic_are_spread_over_the_fetchers() {
    let seats: Vec<_> = (0..4).map(|partition| index(&TopicPartition::new("orders", partition), 4)).collect();
    let mut sorted = seats.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 1, 2, 3], "{seats:?}");
}
