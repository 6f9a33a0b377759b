//! The follower's half of a fetch session: after the first fetch only what has changed is named.
//! Knows what the leader believes we want; sends nothing.
//! Source: KIP-227; `FetchSessionHandler` in Kafka 3.9.

use std::collections::{BTreeMap, HashMap};

use wire::ErrorCode;
use zk_schema::types::{LeaderEpoch, Offset, TopicId, TopicName, TopicPartition};

use super::Versions;
use crate::replica::fetch_session::{FINAL_EPOCH, INITIAL_EPOCH, NO_SESSION};

/// What is asked of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Id of its topic; zero if it has none.
    pub topic_id: TopicId,
    /// Where to read from.
    pub fetch_offset: Offset,
    /// Our log start offset.
    pub log_start_offset: Offset,
    /// Epoch of the leadership followed.
    pub leader_epoch: LeaderEpoch,
    /// Epoch of our last record.
    pub last_fetched_epoch: Option<LeaderEpoch>,
}

/// A fetch about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPlan {
    /// Version of the request.
    pub version: i16,
    /// Topics are named by their ids.
    pub uses_topic_ids: bool,
    /// Session, 0 for none.
    pub session_id: i32,
    /// Its epoch.
    pub session_epoch: i32,
    /// Partitions to be named, those of a topic side by side.
    pub partitions: Vec<(TopicPartition, Asked)>,
    /// Partitions the leader shall forget.
    pub forgotten: Vec<(TopicPartition, TopicId)>,
}

/// What the leader believes we want.
#[derive(Debug)]
pub(super) struct Session {
    id: i32,
    /// Of the next request.
    epoch: i32,
    uses_topic_ids: bool,
    asked: BTreeMap<TopicPartition, Asked>,
    names: HashMap<TopicId, TopicName>,
    /// Fetches without a session so far: each begins with another partition, so that none starves.
    full_fetches: usize,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            id: NO_SESSION,
            epoch: INITIAL_EPOCH,
            uses_topic_ids: false,
            asked: BTreeMap::new(),
            names: HashMap::new(),
            full_fetches: 0,
        }
    }
}

impl Session {
    pub(super) fn asked(&self, partition: &TopicPartition) -> Option<&Asked> {
        self.asked.get(partition)
    }

    pub(super) fn topic_name(&self, id: TopicId) -> Option<&TopicName> {
        self.names.get(&id)
    }

    /// The next fetch, of all these.
    pub(super) fn plan(&mut self, wanted: BTreeMap<TopicPartition, Asked>, versions: Versions) -> FetchPlan {
        let all_have_ids = wanted.values().all(|asked| asked.topic_id.is_known());
        let uses_topic_ids = versions.uses_topic_ids(all_have_ids);
        let is_kept = |(id, before): (&TopicPartition, &Asked)| {
            wanted.get(id).is_none_or(|asked| asked.topic_id == before.topic_id)
        };
        // A session goes by ids or by names, and a partition in it by one id.
        if self.epoch != INITIAL_EPOCH
            && (uses_topic_ids != self.uses_topic_ids || uses_topic_ids && !self.asked.iter().all(is_kept))
        {
            self.epoch = INITIAL_EPOCH;
        }
        self.uses_topic_ids = uses_topic_ids;
        let (session_id, session_epoch) =
            if versions.has_sessions() { (self.id, self.epoch) } else { (NO_SESSION, FINAL_EPOCH) };
        let (partitions, forgotten) =
            if self.epoch == INITIAL_EPOCH { (self.all(&wanted), Vec::new()) } else { self.changes(&wanted) };
        if uses_topic_ids {
            self.names.extend(partitions.iter().map(|(id, asked)| (asked.topic_id, id.topic.clone())));
        }
        self.asked = wanted;
        let version = versions.fetch(all_have_ids);
        FetchPlan { version, uses_topic_ids, session_id, session_epoch, partitions, forgotten }
    }

    fn all(&mut self, wanted: &BTreeMap<TopicPartition, Asked>) -> Vec<(TopicPartition, Asked)> {
        self.names.clear();
        let mut all: Vec<_> = wanted.iter().map(|(id, asked)| (id.clone(), *asked)).collect();
        let first = self.full_fetches.checked_rem(all.len()).unwrap_or(0);
        all.rotate_left(first);
        self.full_fetches = self.full_fetches.wrapping_add(1);
        all
    }

    #[expect(clippy::type_complexity, reason = "the two lists of a plan")]
    fn changes(
        &self,
        wanted: &BTreeMap<TopicPartition, Asked>,
    ) -> (Vec<(TopicPartition, Asked)>, Vec<(TopicPartition, TopicId)>) {
        let is_news = |(id, asked): &(&TopicPartition, &Asked)| self.asked.get(*id) != Some(*asked);
        let named = wanted.iter().filter(is_news).map(|(id, asked)| (id.clone(), *asked));
        let forgotten = self.asked.iter().filter(|(id, _)| !wanted.contains_key(*id));
        (named.collect(), forgotten.map(|(id, asked)| (id.clone(), asked.topic_id)).collect())
    }

    pub(super) fn on_answered(&mut self, session_id: i32) {
        if session_id == NO_SESSION {
            (self.id, self.epoch) = (NO_SESSION, INITIAL_EPOCH);
        } else {
            self.id = session_id;
            self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
        }
    }

    pub(super) fn on_refused(&mut self, error: ErrorCode) {
        if error == ErrorCode::FetchSessionIdNotFound {
            self.id = NO_SESSION;
        }
        self.epoch = INITIAL_EPOCH;
    }

    pub(super) fn on_connection_lost(&mut self) {
        self.epoch = INITIAL_EPOCH;
    }
}
