//! Finding out where followers' logs have to end, and cutting them there: before anything is fetched, when the leader's
//! log leaves ours, and when it does not have our offset. Source: `AbstractFetcherThread.maybeTruncate`,
//! `truncateOnFetchResponse`, `fetchOffsetAndTruncate` in Kafka 3.9.

use std::sync::Arc;

use client::{Connection, Error};
use wire::ErrorCode;
use zk_schema::Offset;

use super::{Worker, requests};
use crate::replica::fetcher::{LeaderEnd, LogEnd, Pending, Reaction, Truncation, truncation};

/// What the leader has of a partition of which it does not have our offset.
enum Range {
    EndsAt(Offset),
    BeginsAt(Offset),
}

impl Worker {
    /// Finds out where logs have to end before anything is fetched for them.
    pub(super) async fn find_ends(self: &Arc<Self>, connection: &mut Option<Connection>, pending: Vec<Pending>) {
        let (mut asked, mut ends) = (Vec::new(), Vec::new());
        let version = self.settings.versions.offset_for_leader_epoch;
        for pending in pending {
            let latest_epoch = self.log(&pending.partition).and_then(|log| log.latest_epoch());
            match latest_epoch.filter(|_| version.is_some()) {
                Some(epoch) => asked.push((pending, epoch)),
                // Nothing to compare: back to what was committed.
                None => ends.push((pending, LeaderEnd { leader_epoch: None, end_offset: None })),
            }
        }
        if let Some(version) = version.filter(|_| !asked.is_empty()) {
            let request = requests::epoch_ends(self.settings.broker, version, &asked);
            match self.call(connection, version, &request).await {
                Ok(response) => {
                    for (pending, _) in asked {
                        match requests::epoch_end(&response, &pending.partition) {
                            Some(Ok(end)) => ends.push((pending, end)),
                            told => {
                                let error = told.and_then(Result::err).unwrap_or(ErrorCode::UnknownServerError);
                                self.refused(&pending, error);
                            }
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(leader = %self.leader, "ends of epochs not known, trying again: {error}");
                    let (mut fetcher, now_ms) = (self.fetcher(), self.clock.now_ms());
                    asked.iter().for_each(|(pending, _)| fetcher.back_off(&pending.partition, now_ms));
                }
            }
        }
        self.truncate_all(ends).await;
    }

    fn refused(&self, pending: &Pending, error: ErrorCode) {
        let (mut fetcher, now_ms) = (self.fetcher(), self.clock.now_ms());
        if fetcher.is_current(pending) && fetcher.on_error(pending, error, now_ms) == Reaction::FindOffset {
            fetcher.back_off(&pending.partition, now_ms);
        }
    }

    /// Truncates on a disk thread, as checkpoints are written with it.
    pub(super) async fn truncate_all(self: &Arc<Self>, ends: Vec<(Pending, LeaderEnd)>) {
        if ends.is_empty() {
            return;
        }
        self.on_disk_thread(move |worker| {
            for (pending, end) in ends {
                worker.truncate(&pending, end);
            }
        })
        .await;
    }

    fn truncate(&self, pending: &Pending, leader: LeaderEnd) {
        let id = &pending.partition;
        let mut fetcher = self.fetcher();
        if !fetcher.is_current(pending) {
            return;
        }
        let Some(log) = self.log(id) else { return fetcher.back_off(id, self.clock.now_ms()) };
        let end = LogEnd {
            end_offset: log.log_end_offset(),
            high_watermark: pending.fetch_offset,
            of_leaders_epoch: leader.leader_epoch.and_then(|epoch| log.end_offset_for_epoch(epoch)),
        };
        let Truncation { offset, is_complete } = truncation(leader, end);
        if offset < log.high_watermark() {
            tracing::warn!(partition = %id, offset, high_watermark = log.high_watermark(), "truncating below the high watermark");
        }
        match log.truncate_to(offset) {
            Ok(_) => fetcher.on_truncated(id, log.log_end_offset(), log.latest_epoch(), is_complete),
            Err(error) => {
                tracing::error!(partition = %id, %error, "log not truncated; fetching stops");
                fetcher.fail(id);
            }
        }
    }

    /// The leader does not have our offset: finds out what it has, and goes on from there.
    pub(super) async fn find_offset(self: &Arc<Self>, connection: &mut Option<Connection>, pending: Pending) {
        let range = match self.leaders_range(connection, &pending).await {
            Ok(Ok(range)) => range,
            Ok(Err(error)) => return self.refused(&pending, error),
            Err(error) => {
                tracing::warn!(leader = %self.leader, partition = %pending.partition, "the leader's offsets not known, trying again: {error}");
                return self.fetcher().back_off(&pending.partition, self.clock.now_ms());
            }
        };
        self.on_disk_thread(move |worker| worker.move_into(&pending, &range)).await;
    }

    async fn leaders_range(
        &self,
        connection: &mut Option<Connection>,
        pending: &Pending,
    ) -> Result<Result<Range, ErrorCode>, Error> {
        let end = match self.leaders_offset(connection, pending, requests::LATEST).await? {
            Ok(end) => end,
            Err(error) => return Ok(Err(error)),
        };
        if end < pending.fetch_offset {
            return Ok(Ok(Range::EndsAt(end)));
        }
        let start = self.leaders_offset(connection, pending, requests::EARLIEST).await?;
        Ok(start.map(Range::BeginsAt))
    }

    async fn leaders_offset(
        &self,
        connection: &mut Option<Connection>,
        pending: &Pending,
        timestamp: i64,
    ) -> Result<Result<Offset, ErrorCode>, Error> {
        let version = self.settings.versions.list_offsets;
        let request = requests::list_offset(self.settings.broker, pending, timestamp);
        let response = self.call(connection, version, &request).await?;
        Ok(requests::listed_offset(&response, version))
    }

    fn move_into(&self, pending: &Pending, range: &Range) {
        let id = &pending.partition;
        let mut fetcher = self.fetcher();
        if !fetcher.is_current(pending) {
            return;
        }
        let Some(log) = self.log(id) else { return fetcher.back_off(id, self.clock.now_ms()) };
        let end = log.log_end_offset();
        let moved = match *range {
            Range::EndsAt(leader_end) => {
                tracing::warn!(partition = %id, end, leader_end, leader = %self.leader, "the leader has less than we have; truncating");
                log.truncate_to(leader_end).map(drop)
            }
            Range::BeginsAt(leader_start) if end < leader_start => {
                tracing::warn!(partition = %id, end, leader_start, leader = %self.leader, "the leader no longer has what we need; beginning anew");
                log.truncate_fully_and_start_at(leader_start)
            }
            Range::BeginsAt(_) => {
                // It has the offset, and yet refused it: something is about to change.
                return fetcher.back_off(id, self.clock.now_ms());
            }
        };
        match moved {
            Ok(()) => fetcher.on_truncated(id, log.log_end_offset(), log.latest_epoch(), true),
            Err(error) => {
                tracing::error!(partition = %id, %error, "log not truncated; fetching stops");
                fetcher.fail(id);
            }
        }
    }
}
