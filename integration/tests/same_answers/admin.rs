//! CreateTopics, CreatePartitions, DeleteTopics, DescribeConfigs.

use anyhow::Result;
use uuid::Uuid;
use wire::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use wire::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use wire::messages::delete_topics_request::DeleteTopicState;
use wire::messages::describe_configs_request::DescribeConfigsResource;
use wire::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
};
use wire::text;

use crate::pair::{Side, both, topic};

fn new_topic(name: &str, partition_count: i32, replication_factor: i16) -> CreatableTopic {
    let topic = CreatableTopic::default().with_name(topic(name)).with_num_partitions(partition_count);
    topic.with_replication_factor(replication_factor)
}

fn with_config(topic: CreatableTopic, name: &str, value: Option<&str>) -> CreatableTopic {
    topic.with_configs(vec![CreatableTopicConfig::default().with_name(text(name)).with_value(value.map(text))])
}

fn assigned(name: &str, replicas: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments = replicas.iter().map(|(partition, brokers)| {
        let broker_ids = brokers.iter().map(|id| BrokerId(*id)).collect();
        CreatableReplicaAssignment::default().with_partition_index(*partition).with_broker_ids(broker_ids)
    });
    new_topic(name, -1, -1).with_assignments(assignments.collect())
}

fn create(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000)
}

fn created(response: &mut CreateTopicsResponse) {
    response.topics.sort_by(|a, b| a.name.cmp(&b.name));
    for topic in &mut response.topics {
        topic.topic_id = Uuid::from_u128(u128::from(!topic.topic_id.is_nil()));
        // Which of Scala's maps Kafka happens to use is in its text.
        topic.error_message = topic.error_message.as_ref().map(|message| text(&message.replace("HashMap(", "Map(")));
        if let Some(configs) = &mut topic.configs {
            configs.sort_by(|a, b| a.name.cmp(&b.name));
        }
    }
}

#[test]
fn topics_are_created_alike() -> Result<()> {
    both(async |pair| {
        let cases: Vec<(&str, Vec<CreatableTopic>)> = vec![
            ("plain", vec![new_topic("NAME", 2, 1)]),
            ("exists", vec![new_topic("NAME", 2, 1)]),
            ("two at once", vec![new_topic("NAME-a", 1, 1), new_topic("NAME-b", 1, 1)]),
            ("twice the same", vec![new_topic("NAME-c", 1, 1), new_topic("NAME-c", 1, 1)]),
            ("empty name", vec![new_topic("", 1, 1)]),
            ("dot", vec![new_topic(".", 1, 1)]),
            ("bad character", vec![new_topic("NAME!", 1, 1)]),
            ("collision", vec![new_topic("col_li.sion", 1, 1), new_topic("col.li_sion", 1, 1)]),
            ("replication factor 0", vec![new_topic("NAME-d", 1, 0)]),
            ("replication factor 2", vec![new_topic("NAME-d", 1, 2)]),
            ("replication factor -2", vec![new_topic("NAME-d", 1, -2)]),
            ("no partitions", vec![new_topic("NAME-d", 0, 1)]),
            ("negative partitions", vec![new_topic("NAME-d", -3, 1)]),
            ("config", vec![with_config(new_topic("NAME-e", 1, 1), "retention.ms", Some("1234567"))]),
            ("unknown config", vec![with_config(new_topic("NAME-f", 1, 1), "no.such", Some("1"))]),
            ("config not a number", vec![with_config(new_topic("NAME-f", 1, 1), "retention.ms", Some("x"))]),
            ("config out of range", vec![with_config(new_topic("NAME-f", 1, 1), "segment.bytes", Some("1"))]),
            ("config of bad words", vec![with_config(new_topic("NAME-f", 1, 1), "cleanup.policy", Some("burn"))]),
            ("config null", vec![with_config(new_topic("NAME-f", 1, 1), "retention.ms", None)]),
            ("assigned", vec![assigned("NAME-g", &[(0, &[1]), (1, &[1])])]),
            ("assigned with a gap", vec![assigned("NAME-h", &[(0, &[1]), (2, &[1])])]),
            ("assigned twice to one", vec![assigned("NAME-h", &[(0, &[1, 1])])]),
            ("assigned unevenly", vec![assigned("NAME-h", &[(0, &[1]), (1, &[1, 7])])]),
            ("assigned, counted too", vec![assigned("NAME-h", &[(0, &[1])]).with_num_partitions(1)]),
            ("nothing", vec![]),
        ];
        for (what, topics) in cases {
            for validate_only in [true, false] {
                let request = |_: &Side, version: i16| {
                    let mut topics = topics.clone();
                    for it in &mut topics {
                        it.name = topic(&it.name.replace("NAME", &format!("created-{version}")));
                    }
                    let request = create(topics);
                    if version >= 1 { request.with_validate_only(validate_only) } else { request }
                };
                let what = format!("{what}{}", if validate_only { ", validated only" } else { "" });
                pair.same_in_every_version(&what, request, created).await?;
            }
        }
        for version in 4..=7 {
            let request = |_: &Side| create(vec![new_topic(&format!("defaults-{version}"), -1, -1)]);
            pair.same("defaults", version, request, created).await?;
        }
        Ok(())
    })
}

#[test]
fn partitions_are_added_alike() -> Result<()> {
    both(async |pair| {
        for version in 0..=3 {
            let name = format!("grown-{version}");
            pair.create_topic(&name, 1, &[]).await?;
            let cases: Vec<(&str, &str, i32, Option<Vec<Vec<i32>>>)> = vec![
                ("same", &name, 1, None),
                ("fewer", &name, 0, None),
                ("negative", &name, -1, None),
                ("unknown", "nowhere", 3, None),
                ("assigned to a stranger", &name, 2, Some(vec![vec![9]])),
                ("assigned unevenly", &name, 2, Some(vec![vec![1, 9]])),
                ("too few assigned", &name, 3, Some(vec![vec![1]])),
                ("nobody assigned", &name, 2, Some(vec![vec![]])),
                ("twice assigned", &name, 2, Some(vec![vec![1, 1]])),
                ("assigned", &name, 2, Some(vec![vec![1]])),
                ("more", &name, 4, None),
            ];
            for (what, name, count, assignments) in cases {
                for validate_only in [true, false] {
                    let request = |_: &Side| {
                        let assignments = assignments.as_ref().map(|all| {
                            let one = |ids: &Vec<i32>| {
                                let broker_ids = ids.iter().map(|id| BrokerId(*id)).collect();
                                CreatePartitionsAssignment::default().with_broker_ids(broker_ids)
                            };
                            all.iter().map(one).collect()
                        });
                        let grown = CreatePartitionsTopic::default().with_name(topic(name)).with_count(count);
                        CreatePartitionsRequest::default()
                            .with_topics(vec![grown.with_assignments(assignments)])
                            .with_timeout_ms(20_000)
                            .with_validate_only(validate_only)
                    };
                    pair.same(&format!("{what}, validated only {validate_only}"), version, request, |_| {}).await?;
                }
            }
        }
        Ok(())
    })
}

#[test]
fn topics_are_deleted_alike() -> Result<()> {
    both(async |pair| {
        let normalised = |response: &mut DeleteTopicsResponse| {
            response.responses.sort_by(|a, b| a.name.cmp(&b.name));
            for topic in &mut response.responses {
                topic.topic_id = Uuid::from_u128(u128::from(!topic.topic_id.is_nil()));
            }
        };
        for version in 0..=6 {
            let name = format!("deleted-{version}");
            pair.create_topic(&name, 1, &[]).await?;
            pair.create_topic(&format!("{name}-id"), 1, &[]).await?;
            for names in [vec!["nowhere"], vec!["b@d"], vec![&*name], vec![&*name], vec!["nowhere", "nowhere"]] {
                let request = |_: &Side| {
                    let request = DeleteTopicsRequest::default().with_timeout_ms(20_000);
                    if version < 6 {
                        return request.with_topic_names(names.iter().map(|name| topic(name)).collect());
                    }
                    let states = names.iter().map(|name| DeleteTopicState::default().with_name(Some(topic(name))));
                    request.with_topics(states.collect())
                };
                pair.same(&format!("{names:?}"), version, request, normalised).await?;
            }
        }
        for (what, name, of) in [
            ("by id", None, Some("deleted-6-id")),
            ("by unknown id", None, Some("nowhere")),
            ("by id and name", Some("deleted-5-id"), Some("deleted-5-id")),
        ] {
            let request = |side: &Side| {
                let state = DeleteTopicState::default().with_name(name.map(topic));
                let state = state.with_topic_id(of.map(|of| side.id(of)).unwrap_or_default());
                DeleteTopicsRequest::default().with_timeout_ms(20_000).with_topics(vec![state])
            };
            pair.same(what, 6, request, normalised).await?;
        }
        Ok(())
    })
}

#[test]
fn configurations_are_described_alike() -> Result<()> {
    both(async |pair| {
        pair.create_topic("described", 1, &[("retention.ms", "7654321"), ("cleanup.policy", "compact")]).await?;
        let own = ["log.dirs", "log.dir", "listeners", "zookeeper.connect", "advertised.listeners", "port"];
        let normalised = |response: &mut DescribeConfigsResponse| {
            for result in &mut response.results {
                result.configs.retain(|config| !own.contains(&&*config.name));
                result.configs.sort_by(|a, b| a.name.cmp(&b.name));
                // Each tells in its own words what a property means.
                for config in &mut result.configs {
                    config.is_default = false;
                    config.documentation =
                        config.documentation.take().filter(|text| !text.is_empty()).map(|_| text("some"));
                }
            }
        };
        let keys = |names: &[&str]| Some(names.iter().map(|name| text(name)).collect::<Vec<_>>());
        let cases = [
            ("topic", 2, "described", None),
            ("some of a topic", 2, "described", keys(&["retention.ms", "segment.bytes", "no.such"])),
            ("none of a topic", 2, "described", keys(&[])),
            ("unknown topic", 2, "nowhere", None),
            ("bad topic", 2, "b@d", None),
            ("no topic", 2, "", None),
            ("broker", 4, "1", None),
            ("cluster", 4, "", None),
            ("unknown broker", 4, "9", None),
            ("broker of no number", 4, "x", None),
            ("loggers of an unknown broker", 8, "9", None),
            ("unknown kind", 3, "x", None),
        ];
        for (what, resource_type, name, keys) in cases {
            for (synonyms, documentation) in [(false, false), (true, true)] {
                let request = |_: &Side, version| {
                    let resource = DescribeConfigsResource::default().with_resource_type(resource_type);
                    let resource = resource.with_resource_name(text(name)).with_configuration_keys(keys.clone());
                    let mut request = DescribeConfigsRequest::default().with_resources(vec![resource]);
                    request.include_synonyms = synonyms && version >= 1;
                    request.include_documentation = documentation && version >= 3;
                    request
                };
                pair.same_in_every_version(what, request, normalised).await?;
            }
        }
        Ok(())
    })
}
