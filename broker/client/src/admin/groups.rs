//! Groups: list, describe, delete, and their committed offsets. Every broker lists the groups it coordinates; everything
//! else goes to the coordinator, which is looked up again when it has moved.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    TopicName,
};

use super::{Admin, Partition, unanswered};
use crate::cluster::Node;
use crate::connection::Connection;
use crate::consumer::decode_assignment;
use crate::error::{Error, check};
use crate::offsets;

/// A group as its coordinator lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group: String,
    /// `consumer` for a consumer group.
    pub protocol_type: String,
    /// Its state; empty from brokers older than 2.6.
    pub state: String,
    /// `classic` or `consumer`; empty from brokers older than 3.8.
    pub kind: String,
}

/// Groups of the brokers that answered, and what the others said.
#[derive(Debug, Default)]
pub struct ListedGroups {
    /// By id.
    pub groups: Vec<GroupListing>,
    /// Brokers that gave no list.
    pub failed: Vec<Error>,
}

/// A group as its coordinator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its id.
    pub group: String,
    /// `Empty`, `Stable`, `PreparingRebalance`, `CompletingRebalance` or `Dead`.
    pub state: String,
    /// `consumer` for a consumer group.
    pub protocol_type: String,
    /// The assignor in use, or empty.
    pub assignor: String,
    /// Who coordinates it.
    pub coordinator: Node,
    /// Its members as the coordinator orders them.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Member id.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// What it calls itself.
    pub client_id: String,
    /// `/address`.
    pub host: String,
    /// What it is to read; empty for other than consumer groups.
    pub assignment: Vec<Partition>,
}

impl Admin {
    /// The groups of every broker. Filters that are empty let everything pass; a broker too old to filter is asked for all,
    /// and its answer is filtered here.
    ///
    /// # Errors
    /// When no broker answers in time. Single brokers that do not are in the answer.
    pub async fn list_groups(&self, states: &[String], kinds: &[String]) -> Result<ListedGroups, Error> {
        let cluster = self.describe_cluster().await?;
        let mut listed = ListedGroups::default();
        let asked = cluster.nodes.iter().map(|node| self.groups_of(node.id, states, kinds));
        for answer in futures::future::join_all(asked).await {
            match answer {
                Ok(groups) => listed.groups.extend(groups),
                Err(error) => listed.failed.push(error),
            }
        }
        listed.groups.sort_by(|a, b| a.group.cmp(&b.group));
        listed.groups.dedup_by(|a, b| a.group == b.group);
        Ok(listed)
    }

    async fn groups_of(&self, broker: i32, states: &[String], kinds: &[String]) -> Result<Vec<GroupListing>, Error> {
        let response = self
            .retrying(async || {
                let connection = self.cluster.broker(broker).await?;
                let version = connection.version_of::<ListGroupsRequest>(i16::MAX)?;
                let mut request = ListGroupsRequest::default();
                if version >= 4 {
                    request.states_filter = states.iter().map(|state| wire::text(state)).collect();
                }
                if version >= 5 {
                    request.types_filter = kinds.iter().map(|kind| wire::text(kind)).collect();
                }
                let response = connection.call_at(version, &request).await?;
                check(response.error_code, None, || format!("groups of broker {broker}"))?;
                Ok(response)
            })
            .await?;
        let passes = |filter: &[String], value: &str| {
            filter.is_empty() || value.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        let listings = response.groups.iter().map(|group| GroupListing {
            group: group.group_id.to_string(),
            protocol_type: group.protocol_type.to_string(),
            state: group.group_state.to_string(),
            kind: group.group_type.to_string(),
        });
        Ok(listings.filter(|group| passes(states, &group.state) && passes(kinds, &group.kind)).collect())
    }

    /// State, coordinator and members of a group. One that does not exist has state `Dead`.
    ///
    /// # Errors
    /// What the coordinator refuses, or when there is none in time.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription, Error> {
        let what = || format!("group '{group}'");
        self.coordinated(group, async |coordinator, node| {
            let mut request = DescribeGroupsRequest::default();
            request.groups = vec![GroupId(wire::text(group))];
            let response = coordinator.call(&request).await?;
            let described = response.groups.into_iter().next().ok_or_else(|| unanswered(what()))?;
            check(described.error_code, None, what)?;
            let is_consumer = described.protocol_type.as_str() == "consumer" || described.protocol_type.is_empty();
            let members = described
                .members
                .into_iter()
                .map(|member| {
                    // Other protocols keep what they like in here.
                    let assignment =
                        if is_consumer { decode_assignment(member.member_assignment)? } else { Vec::new() };
                    Ok(GroupMember {
                        member_id: member.member_id.to_string(),
                        instance_id: member.group_instance_id.map(|id| id.to_string()),
                        client_id: member.client_id.to_string(),
                        host: member.client_host.to_string(),
                        assignment,
                    })
                })
                .collect::<Result<_, Error>>()?;
            Ok(GroupDescription {
                group: group.to_owned(),
                state: described.group_state.to_string(),
                protocol_type: described.protocol_type.to_string(),
                assignor: described.protocol_data.to_string(),
                coordinator: node,
                members,
            })
        })
        .await
    }

    /// Deletes a group that has no members.
    ///
    /// # Errors
    /// What the coordinator refuses, or when there is none in time.
    pub async fn delete_group(&self, group: &str) -> Result<(), Error> {
        let mut request = DeleteGroupsRequest::default();
        request.groups_names = vec![GroupId(wire::text(group))];
        self.coordinated(group, async |coordinator, _| {
            let response = coordinator.call(&request).await?;
            let answer = response.results.first().ok_or_else(|| unanswered(format!("group '{group}'")))?;
            check(answer.error_code, None, || format!("group '{group}'"))
        })
        .await
    }

    /// The offsets a group has committed.
    ///
    /// # Errors
    /// What the coordinator refuses, or when there is none in time.
    pub async fn committed_offsets(&self, group: &str) -> Result<BTreeMap<Partition, i64>, Error> {
        self.coordinated(group, async |coordinator, _| offsets::committed(&coordinator, group, None).await).await
    }

    /// Sets committed offsets of a group that has no members.
    ///
    /// # Errors
    /// What the coordinator refuses, for all or for one partition, or when there is none in time.
    pub async fn alter_offsets(&self, group: &str, offsets: &BTreeMap<Partition, i64>) -> Result<(), Error> {
        if offsets.is_empty() {
            return Ok(());
        }
        let request = offsets::commit_request(GroupId(wire::text(group)), offsets);
        self.coordinated(group, async |coordinator, _| {
            let version = coordinator.version_of::<OffsetCommitRequest>(i16::MAX)?;
            offsets::commit(&coordinator, version, &request).await
        })
        .await
    }

    /// Deletes committed offsets; gives what became of each partition.
    ///
    /// # Errors
    /// What the coordinator refuses for the group as a whole, or when there is none in time.
    pub async fn delete_offsets(
        &self,
        group: &str,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, Result<(), Error>>, Error> {
        let mut by_topic: BTreeMap<&str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for (topic, index) in partitions {
            let mut partition = OffsetDeleteRequestPartition::default();
            partition.partition_index = *index;
            by_topic.entry(topic).or_default().push(partition);
        }
        let mut request = OffsetDeleteRequest::default();
        request.group_id = GroupId(wire::text(group));
        request.topics = by_topic
            .into_iter()
            .map(|(name, partitions)| {
                let mut topic = OffsetDeleteRequestTopic::default();
                topic.name = TopicName(wire::text(name));
                topic.partitions = partitions;
                topic
            })
            .collect();
        self.coordinated(group, async |coordinator, _| {
            let response = coordinator.call(&request).await?;
            check(response.error_code, None, || format!("group '{group}'"))?;
            let mut results = BTreeMap::new();
            for topic in &response.topics {
                for partition in &topic.partitions {
                    let home = (topic.name.0.to_string(), partition.partition_index);
                    let what = || format!("offset of {}-{} in group '{group}'", home.0, home.1);
                    let result = check(partition.error_code, None, what);
                    results.insert(home, result);
                }
            }
            Ok(results)
        })
        .await
    }

    /// Asks the coordinator of a group, found anew for every try.
    async fn coordinated<T>(
        &self,
        group: &str,
        ask: impl AsyncFn(Arc<Connection>, Node) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.retrying(async || {
            let node = self.cluster.find_coordinator(group).await?;
            let connection = self.cluster.connect(&node.address()).await?;
            ask(connection, node).await
        })
        .await
    }
}
