//! A consumer's place in its group: joining, sharing out, heartbeats, leaving.
//! Joining and heartbeats run as tasks of their own: a poll that has no more time leaves them running, and heartbeats go on
//! while the caller works on what it was given, for as long as `max.poll.interval.ms` lets it.
//! Source: `AbstractCoordinator` and `ConsumerCoordinator` of Kafka 3.9, with the eager protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use wire::messages::join_group_request::JoinGroupRequestProtocol;
use wire::messages::leave_group_request::MemberIdentity;
use wire::messages::sync_group_request::SyncGroupRequestAssignment;
use wire::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use wire::{ErrorCode, StrBytes};

use super::protocol::{decode_assignment, encode_assignment, encode_subscription, subscribed_topics};
use super::{Config, Partition, millis};
use crate::assignor::{self, Member};
use crate::cluster::ClusterClient;
use crate::connection::Connection;
use crate::error::{Error, check};

const ASSIGNOR: &str = "range";
const PROTOCOL_TYPE: &str = "consumer";

/// What a member that asks to join brings along.
#[derive(Clone)]
pub struct Joiner {
    /// The cluster.
    pub cluster: Arc<ClusterClient>,
    /// The coordinator, on a connection of its own: a join may be kept waiting, and everything behind it with it.
    pub coordinator: Arc<Connection>,
    /// The group.
    pub group: GroupId,
    /// How it wants to be a member.
    pub config: Config,
    /// What it wants to read.
    pub topics: BTreeSet<String>,
    /// Who it was before, or empty.
    pub member_id: StrBytes,
}

/// A member that has joined.
pub struct Joined {
    /// Of the group, since this rebalance.
    pub generation: i32,
    /// What it is to read.
    pub assigned: Vec<Partition>,
    /// As the group's leader: how many partitions the group's topics had when they were shared out.
    pub shared_out: Option<BTreeMap<String, i32>>,
}

/// Under which id, and whether it came to anything.
pub type JoinOutcome = (StrBytes, Result<Joined, Error>);

impl Joiner {
    /// Joins, shares out if chosen to, and learns what to read.
    pub async fn run(mut self) -> JoinOutcome {
        let joined = self.join().await;
        (self.member_id, joined)
    }

    async fn join(&mut self) -> Result<Joined, Error> {
        let mut answer = self.ask().await?;
        if ErrorCode::from_code(answer.error_code) == ErrorCode::MemberIdRequired {
            self.member_id = wire::text(&answer.member_id);
            answer = self.ask().await?;
        }
        check(answer.error_code, None, || "join group".to_owned())?;
        self.member_id = wire::text(&answer.member_id);
        let is_leader = answer.leader == answer.member_id && !answer.skip_assignment;
        let (shares, shared_out) = if is_leader {
            let (shares, counts) = self.share_out(&answer).await?;
            (shares, Some(counts))
        } else {
            (BTreeMap::new(), None)
        };
        let assigned = self.sync(&answer, shares).await?;
        Ok(Joined { generation: answer.generation_id, assigned, shared_out })
    }

    fn instance_id(&self) -> Option<StrBytes> {
        self.config.group_instance_id.as_deref().map(wire::text)
    }

    async fn ask(&self) -> Result<JoinGroupResponse, Error> {
        let mut protocol = JoinGroupRequestProtocol::default();
        protocol.name = StrBytes::from_static_str(ASSIGNOR);
        protocol.metadata = encode_subscription(self.topics.iter().map(String::as_str))?;
        let version = self.coordinator.version_of::<JoinGroupRequest>(i16::MAX)?;
        let mut request = JoinGroupRequest::default();
        request.group_id = self.group.clone();
        request.session_timeout_ms = millis(self.config.session_timeout);
        request.member_id = self.member_id.clone();
        request.protocol_type = StrBytes::from_static_str(PROTOCOL_TYPE);
        request.protocols = vec![protocol];
        if version >= 1 {
            request.rebalance_timeout_ms = millis(self.config.rebalance_timeout);
        }
        if version >= 5 {
            request.group_instance_id = self.instance_id();
        }
        let wait = self.config.rebalance_timeout + Duration::from_secs(5);
        self.coordinator.call_within(version, &request, wait).await
    }

    /// The leader's part: who gets which partitions, and of how many of each topic.
    async fn share_out(
        &self,
        joined: &JoinGroupResponse,
    ) -> Result<(BTreeMap<String, Vec<Partition>>, BTreeMap<String, i32>), Error> {
        let mut members = Vec::new();
        let mut topics = BTreeSet::new();
        for member in &joined.members {
            let subscribed = subscribed_topics(&mut member.metadata.clone())?;
            topics.extend(subscribed.iter().cloned());
            let instance_id = member.group_instance_id.as_ref().map(ToString::to_string);
            members.push(Member { id: member.member_id.to_string(), instance_id, topics: subscribed });
        }
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let counts = self.cluster.partition_counts(&names, self.config.allow_auto_create_topics).await?;
        Ok((assignor::range(&members, &counts), counts))
    }

    async fn sync(
        &self,
        joined: &JoinGroupResponse,
        shares: BTreeMap<String, Vec<Partition>>,
    ) -> Result<Vec<Partition>, Error> {
        let version = self.coordinator.version_of::<SyncGroupRequest>(i16::MAX)?;
        let mut request = SyncGroupRequest::default();
        request.group_id = self.group.clone();
        request.generation_id = joined.generation_id;
        request.member_id = self.member_id.clone();
        for (member, partitions) in shares {
            let mut assignment = SyncGroupRequestAssignment::default();
            assignment.member_id = wire::text(&member);
            assignment.assignment = encode_assignment(&partitions)?;
            request.assignments.push(assignment);
        }
        if version >= 3 {
            request.group_instance_id = self.instance_id();
        }
        if version >= 5 {
            request.protocol_type = Some(StrBytes::from_static_str(PROTOCOL_TYPE));
            request.protocol_name.clone_from(&joined.protocol_name);
        }
        let wait = self.config.rebalance_timeout + Duration::from_secs(5);
        let response = self.coordinator.call_within(version, &request, wait).await?;
        check(response.error_code, None, || "sync group".to_owned())?;
        decode_assignment(response.assignment)
    }
}

/// What the heartbeats of a member have come to.
struct Pulse {
    last_poll: Instant,
    ended: Option<Error>,
}

/// A member in good standing, as far as its heartbeats know. They end with it.
pub struct Membership {
    /// Its generation.
    pub generation: i32,
    request: HeartbeatRequest,
    interval: Duration,
    patience: Duration,
    pulse: Arc<Mutex<Pulse>>,
    heartbeats: JoinHandle<()>,
}

impl Membership {
    /// Starts the heartbeats of a member that has just joined.
    #[must_use]
    pub fn begin(joiner: &Joiner, member_id: StrBytes, generation: i32) -> Self {
        let mut request = HeartbeatRequest::default();
        request.group_id = joiner.group.clone();
        request.generation_id = generation;
        request.member_id = member_id;
        request.group_instance_id = joiner.instance_id();
        let pulse = Arc::new(Mutex::new(Pulse { last_poll: Instant::now(), ended: None }));
        let (interval, patience) = (joiner.config.heartbeat_interval, joiner.config.rebalance_timeout);
        let heartbeats = tokio::spawn(async {});
        let mut membership = Self { generation, request, interval, patience, pulse, heartbeats };
        membership.resume(&joiner.coordinator);
        membership
    }

    /// Goes on with heartbeats, to a coordinator that may be another one.
    pub fn resume(&mut self, coordinator: &Arc<Connection>) {
        self.heartbeats.abort();
        let beat = Beat {
            coordinator: Arc::clone(coordinator),
            request: self.request.clone(),
            interval: self.interval,
            patience: self.patience,
            pulse: Arc::clone(&self.pulse),
        };
        self.heartbeats = tokio::spawn(beat.run());
    }

    /// Whether heartbeats go on.
    #[must_use]
    pub fn is_beating(&self) -> bool {
        !self.heartbeats.is_finished()
    }

    /// Notes that the caller still polls; gives what ended the heartbeats, if anything did.
    pub fn poll(&self) -> Option<Error> {
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        pulse.last_poll = Instant::now();
        pulse.ended.take()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.heartbeats.abort();
    }
}

struct Beat {
    coordinator: Arc<Connection>,
    request: HeartbeatRequest,
    interval: Duration,
    patience: Duration,
    pulse: Arc<Mutex<Pulse>>,
}

impl Beat {
    async fn run(mut self) {
        let ended = match self.coordinator.version_of::<HeartbeatRequest>(i16::MAX) {
            Ok(version) => self.go_on(version).await,
            Err(error) => Some(error),
        };
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner).ended = ended;
    }

    /// Ends without an error when the caller is stuck: then the coordinator is to give its partitions to others.
    async fn go_on(&mut self, version: i16) -> Option<Error> {
        if version < 3 {
            self.request.group_instance_id = None;
        }
        loop {
            tokio::time::sleep(self.interval).await;
            let last_poll = self.pulse.lock().unwrap_or_else(PoisonError::into_inner).last_poll;
            if self.patience < last_poll.elapsed() {
                return None;
            }
            let answer = self.coordinator.call_at(version, &self.request).await;
            let answer = answer.and_then(|response| check(response.error_code, None, || "heartbeat".to_owned()));
            if let Err(error) = answer {
                return Some(error);
            }
        }
    }
}

/// Leaves the group under this id.
///
/// # Errors
/// When the coordinator does not answer; it notices by itself in time.
pub async fn leave(coordinator: &Connection, group: &GroupId, member_id: &StrBytes) -> Result<(), Error> {
    let version = coordinator.version_of::<LeaveGroupRequest>(i16::MAX)?;
    let mut request = LeaveGroupRequest::default();
    request.group_id = group.clone();
    if version >= 3 {
        let mut member = MemberIdentity::default();
        member.member_id = member_id.clone();
        request.members = vec![member];
    } else {
        request.member_id = member_id.clone();
    }
    coordinator.call_at(version, &request).await.map(drop)
}
