//! ApiVersions, Metadata, DescribeCluster, SaslHandshake.

use std::collections::BTreeSet;

use anyhow::Result;
use wire::messages::metadata_request::MetadataRequestTopic;
use wire::messages::{
    ApiVersionsRequest, ApiVersionsResponse, DescribeClusterRequest, DescribeClusterResponse, MetadataRequest,
    MetadataResponse, SaslHandshakeRequest,
};
use wire::{ApiKey, text};

use crate::pair::{Side, both, topic};

/// What we do not serve yet.
const NOT_SERVED_YET: &[ApiKey] = &[
    ApiKey::AddPartitionsToTxn,
    ApiKey::AddOffsetsToTxn,
    ApiKey::EndTxn,
    ApiKey::WriteTxnMarkers,
    ApiKey::TxnOffsetCommit,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::AlterConfigs,
    ApiKey::AlterReplicaLogDirs,
    ApiKey::DescribeLogDirs,
    ApiKey::SaslAuthenticate,
    ApiKey::CreateDelegationToken,
    ApiKey::RenewDelegationToken,
    ApiKey::ExpireDelegationToken,
    ApiKey::DescribeDelegationToken,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::DescribeClientQuotas,
    ApiKey::AlterClientQuotas,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::AlterUserScramCredentials,
    ApiKey::UpdateFeatures,
    ApiKey::Envelope,
    ApiKey::DescribeProducers,
    ApiKey::DescribeTransactions,
    ApiKey::ListTransactions,
];

#[test]
fn the_same_apis_in_the_same_versions() -> Result<()> {
    both(async |pair| {
        let later: BTreeSet<i16> = NOT_SERVED_YET.iter().map(|api| api.key()).collect();
        let request = |_: &Side, version| {
            let request = ApiVersionsRequest::default();
            if version < 3 {
                return request;
            }
            request.with_client_software_name(text("test")).with_client_software_version(text("1.0"))
        };
        let without_later = |response: &mut ApiVersionsResponse| {
            response.api_keys.retain(|row| !later.contains(&row.api_key));
            // Comes with UpdateFeatures.
            response.finalized_features_epoch = 0;
            response.api_keys.sort_by_key(|row| row.api_key);
        };
        pair.same_in_every_version("versions", request, without_later).await?;
        for (name, version) in [("", "1"), ("a", ""), ("a b", "1"), ("-a", "1"), ("a", "1-")] {
            let request = |_: &Side| {
                let request = ApiVersionsRequest::default().with_client_software_name(text(name));
                request.with_client_software_version(text(version))
            };
            pair.same(&format!("software {name:?} {version:?}"), 3, request, without_later).await?;
        }
        Ok(())
    })
}

fn normalised(response: &mut MetadataResponse) {
    for broker in &mut response.brokers {
        broker.port = 1;
    }
    response.cluster_id = response.cluster_id.take().map(|_| text("some"));
    // Other tests make topics at the same time.
    response.topics.retain(|topic| topic.name.as_ref().is_none_or(|name| !is_of_others(name)));
    response.topics.sort_by(|a, b| a.name.cmp(&b.name));
    for topic in &mut response.topics {
        topic.topic_id = uuid::Uuid::from_u128(u128::from(!topic.topic_id.is_nil()));
        topic.partitions.sort_by_key(|partition| partition.partition_index);
    }
}

fn is_of_others(name: &str) -> bool {
    !name.starts_with("meta") && name != "nowhere" && !name.is_empty() && !name.contains('!')
}

fn named(version: i16, names: &[&str]) -> MetadataRequest {
    let topics = names.iter().map(|name| MetadataRequestTopic::default().with_name(Some(topic(name))));
    let request = MetadataRequest::default().with_topics(Some(topics.collect()));
    if version >= 4 { request.with_allow_auto_topic_creation(false) } else { request }
}

#[test]
fn metadata_of_every_kind_of_topic() -> Result<()> {
    both(async |pair| {
        pair.create_topic("meta", 3, &[]).await?;
        pair.create_topic("meta-too", 1, &[]).await?;
        let all = |_: &Side, version| {
            let topics = (version == 0).then(Vec::new);
            MetadataRequest::default().with_topics(topics)
        };
        pair.same_in_every_version("all", all, normalised).await?;
        pair.same_in_every_version(
            "none",
            |_, version| named(version.max(1), &[]),
            |response| {
                // Version 0 means all with it.
                normalised(response);
            },
        )
        .await?;
        let long = "meta".repeat(70);
        for names in
            [&["meta"][..], &["meta-too", "meta"], &["nowhere"], &["meta", "meta"], &["meta!"], &[""], &[&long]]
        {
            let request = |_: &Side, version| named(version, names);
            pair.same_in_every_version(&format!("{names:?}"), request, normalised).await?;
        }
        for version in 8..=12 {
            let request = |_: &Side| {
                let request = named(version, &["meta", "nowhere"]).with_include_topic_authorized_operations(true);
                if version <= 10 { request.with_include_cluster_authorized_operations(true) } else { request }
            };
            pair.same("operations", version, request, normalised).await?;
        }
        for (what, name, id_of) in [
            ("by id", None, Some("meta")),
            ("by unknown id", None, Some("nowhere")),
            ("by id and name", Some("meta"), Some("meta")),
        ] {
            for version in 10..=12 {
                let request = |side: &Side| {
                    let asked = MetadataRequestTopic::default().with_name(name.map(topic));
                    let asked = asked.with_topic_id(id_of.map(|name| side.id(name)).unwrap_or_default());
                    MetadataRequest::default().with_topics(Some(vec![asked]))
                };
                pair.same(what, version, request, normalised).await?;
            }
        }
        Ok(())
    })
}

#[test]
fn the_cluster_describes_itself_alike() -> Result<()> {
    both(async |pair| {
        let normalised = |response: &mut DescribeClusterResponse| {
            response.brokers.iter_mut().for_each(|broker| broker.port = 1);
            response.cluster_id = text(if response.cluster_id.is_empty() { "" } else { "some" });
        };
        for operations in [false, true] {
            for endpoint_type in [1, 2, 3] {
                let request = |_: &Side, version| {
                    let request =
                        DescribeClusterRequest::default().with_include_cluster_authorized_operations(operations);
                    if version >= 1 { request.with_endpoint_type(endpoint_type) } else { request }
                };
                pair.same_in_every_version(&format!("endpoints of type {endpoint_type}"), request, normalised).await?;
            }
        }
        Ok(())
    })
}

#[test]
fn nobody_authenticates_on_a_plain_listener() -> Result<()> {
    both(async |pair| {
        for mechanism in ["PLAIN", "SCRAM-SHA-256", ""] {
            let request = |_: &Side, _| SaslHandshakeRequest::default().with_mechanism(text(mechanism));
            pair.same_in_every_version(mechanism, request, |_| {}).await?;
        }
        Ok(())
    })
}
