//! Fetch: all versions, sessions, conversion for old consumers, limits and refusals.

use anyhow::Result;
use bytes::Bytes;
use record::Codec;
use wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use wire::messages::{BrokerId, FetchRequest, FetchResponse, ProduceRequest};

use crate::pair::{Pair, Side, both, topic};
use crate::produce::{produce_request, without_clock};
use crate::records;

/// Fetches one partition of a topic by name; see [`by_id`] for the versions that know only ids.
pub fn fetch_request(version: i16, name: &str, partition: i32, offset: i64, max_bytes: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(max_bytes);
    let topics = FetchTopic::default().with_topic(topic(name)).with_partitions(vec![partition]);
    let request = FetchRequest::default().with_max_wait_ms(100).with_topics(vec![topics]);
    let request = if version < 15 { request.with_replica_id(BrokerId(-1)) } else { request };
    if version < 7 { request } else { request.with_session_epoch(-1) }
}

/// In the versions from 13 on topics go by their id.
pub fn by_id(side: &Side, version: i16, mut request: FetchRequest) -> FetchRequest {
    if version >= 13 {
        for topic in &mut request.topics {
            topic.topic_id = side.id(&topic.topic);
            topic.topic = Default::default();
        }
        for topic in &mut request.forgotten_topics_data {
            topic.topic_id = side.id(&topic.topic);
            topic.topic = Default::default();
        }
    }
    request
}

/// Ids are random; records are compared by what they say.
pub fn normalised(response: &mut FetchResponse) {
    if response.session_id != 0 {
        response.session_id = 1;
    }
    for topic in &mut response.responses {
        topic.topic_id = uuid::Uuid::from_u128(u128::from(!topic.topic_id.is_nil()));
        for partition in &mut topic.partitions {
            // Null and empty are one, see `fetch_response::Partition::records`.
            let records = partition.records.take().unwrap_or_default();
            partition.records = Some(records::said(&records).into());
        }
    }
}

async fn fill(pair: &mut Pair, name: &str, sets: &[Bytes]) -> Result<()> {
    for set in sets {
        // Magic says which version may carry it.
        let version = if set[16] == 2 { 11 } else { 2 };
        let request = |_: &Side| -> ProduceRequest { produce_request(name, 0, -1, Some(set.clone())) };
        pair.same("fill", version, request, without_clock).await?;
    }
    Ok(())
}

#[test]
fn every_version_from_every_offset() -> Result<()> {
    both(async |pair| {
        pair.create_topic("fetched", 2, &[]).await?;
        let sets: Vec<Bytes> =
            [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4].map(|c| records::plain(c, 3)).into();
        fill(pair, "fetched", &sets).await?;
        for offset in [0, 1, 4, 11, 12, 13, -1, i64::MAX] {
            let request =
                |side: &Side, version| by_id(side, version, fetch_request(version, "fetched", 0, offset, 1 << 20));
            pair.same_in_every_version(&format!("offset {offset}"), request, normalised).await?;
        }
        for isolation in [0, 1] {
            for version in 4..=17 {
                let request = |side: &Side| {
                    let request = fetch_request(version, "fetched", 0, 2, 1 << 20);
                    by_id(side, version, request.with_isolation_level(isolation))
                };
                pair.same(&format!("isolation {isolation}"), version, request, normalised).await?;
            }
        }
        Ok(())
    })
}

#[test]
fn old_consumers_get_old_formats() -> Result<()> {
    both(async |pair| {
        pair.create_topic("converted", 1, &[]).await?;
        pair.create_topic("converted-zstd", 1, &[]).await?;
        pair.create_topic("old-format", 1, &[("message.format.version", "0.10.0")]).await?;
        let sets: Vec<Bytes> =
            [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4].map(|c| records::plain(c, 3)).into();
        fill(pair, "converted", &sets).await?;
        fill(pair, "converted-zstd", &[records::plain(Codec::None, 2), records::plain(Codec::Zstd, 2)]).await?;
        fill(pair, "old-format", &[records::old(1, Codec::None, 3), records::old(0, Codec::Gzip, 3)]).await?;
        for (name, offsets) in
            [("converted", [0, 2, 4, 7]), ("converted-zstd", [0, 1, 2, 3]), ("old-format", [0, 1, 3, 5])]
        {
            for offset in offsets {
                for max_bytes in [1 << 20, 150, 1] {
                    let request =
                        |side: &Side, version| by_id(side, version, fetch_request(version, name, 0, offset, max_bytes));
                    let what = format!("{name} from {offset}, {max_bytes} bytes");
                    pair.same_in_every_version(&what, request, normalised).await?;
                }
            }
        }
        Ok(())
    })
}

#[test]
fn limits() -> Result<()> {
    both(async |pair| {
        pair.create_topic("limits", 2, &[]).await?;
        let sets: Vec<Bytes> = (0..4).map(|_| records::plain(Codec::None, 3)).collect();
        fill(pair, "limits", &sets).await?;
        let batch_bytes = i32::try_from(sets[0].len())?;
        for max_bytes in [0, 1, batch_bytes - 1, batch_bytes, batch_bytes + 5, 2 * batch_bytes, i32::MAX] {
            let partition =
                |side: &Side, version| by_id(side, version, fetch_request(version, "limits", 0, 0, max_bytes));
            pair.same_in_every_version(&format!("partition's max bytes {max_bytes}"), partition, normalised).await?;
            for version in 3..=17 {
                let request = |side: &Side| {
                    let request = fetch_request(version, "limits", 0, 0, i32::MAX).with_max_bytes(max_bytes);
                    by_id(side, version, request)
                };
                pair.same(&format!("max bytes {max_bytes}"), version, request, normalised).await?;
            }
        }
        for min_bytes in [-1, 0, 1, batch_bytes, 10 * batch_bytes] {
            let request = |side: &Side, version| {
                by_id(side, version, fetch_request(version, "limits", 0, 3, i32::MAX).with_min_bytes(min_bytes))
            };
            pair.same_in_every_version(&format!("min bytes {min_bytes}"), request, normalised).await?;
        }
        Ok(())
    })
}

#[test]
fn refusals() -> Result<()> {
    both(async |pair| {
        pair.create_topic("refused-fetch", 1, &[]).await?;
        fill(pair, "refused-fetch", &[records::plain(Codec::None, 3)]).await?;
        for (name, partition) in [("nowhere", 0), ("refused-fetch", 3), ("refused-fetch", -1), ("b@d", 0)] {
            let request =
                |side: &Side, version| by_id(side, version, fetch_request(version, name, partition, 0, 1 << 20));
            pair.same_in_every_version(&format!("{name}-{partition}"), request, normalised).await?;
        }
        for version in 9..=17 {
            for epoch in [-1, 0, 1, -2] {
                let request = |side: &Side| {
                    let mut request = fetch_request(version, "refused-fetch", 0, 0, 1 << 20);
                    request.topics[0].partitions[0].current_leader_epoch = epoch;
                    by_id(side, version, request)
                };
                pair.same(&format!("leader epoch {epoch}"), version, request, normalised).await?;
            }
        }
        for version in 12..=17 {
            for last_fetched in [0, 1] {
                let request = |side: &Side| {
                    let mut request = fetch_request(version, "refused-fetch", 0, 3, 1 << 20);
                    request.topics[0].partitions[0].last_fetched_epoch = last_fetched;
                    by_id(side, version, request)
                };
                pair.same(&format!("last fetched epoch {last_fetched}"), version, request, normalised).await?;
            }
        }
        for version in 13..=17 {
            let no_id = |_: &Side| fetch_request(version, "", 0, 0, 1 << 20);
            pair.same("the zero id", version, no_id, normalised).await?;
        }
        let nothing = |_: &Side, version| {
            let mut request = fetch_request(version, "", 0, 0, 0);
            request.topics.clear();
            request
        };
        pair.same_in_every_version("nothing", nothing, normalised).await?;
        let twice = |side: &Side, version| {
            let mut request = fetch_request(version, "refused-fetch", 0, 0, 1 << 20);
            let again = request.topics[0].partitions[0].clone().with_fetch_offset(1);
            request.topics[0].partitions.push(again);
            by_id(side, version, request)
        };
        pair.same_in_every_version("a partition twice", twice, normalised).await?;
        Ok(())
    })
}

#[test]
fn sessions() -> Result<()> {
    both(async |pair| {
        pair.create_topic("session-a", 2, &[]).await?;
        pair.create_topic("session-b", 1, &[]).await?;
        for version in 7..=17 {
            fill(pair, "session-a", &[records::plain(Codec::None, 1)]).await?;
            let open = |side: &Side| {
                let mut request = fetch_request(version, "session-a", 0, 0, 1 << 20).with_session_epoch(0);
                request.topics[0]
                    .partitions
                    .push(FetchPartition::default().with_partition(1).with_partition_max_bytes(99));
                request.topics.push(fetch_request(version, "session-b", 0, 0, 1 << 20).topics.remove(0));
                by_id(side, version, request)
            };
            let note = |side: &mut Side, response: &FetchResponse| {
                side.numbers.insert("session", i64::from(response.session_id));
            };
            pair.same_and_note("open", version, open, normalised, note).await?;
            let session = |side: &Side| i32::try_from(side.number("session")).expect("it was an i32");
            let empty = |side: &Side, epoch| {
                let request = fetch_request(version, "", 0, 0, 0).with_topics(Vec::new());
                request.with_session_id(session(side)).with_session_epoch(epoch)
            };
            pair.same("nothing new is asked", version, |side| empty(side, 1), normalised).await?;
            let moved = |side: &Side| {
                let request = fetch_request(version, "session-a", 0, 1, 1 << 20);
                by_id(side, version, request.with_session_id(session(side)).with_session_epoch(2))
            };
            pair.same("moved on", version, moved, normalised).await?;
            fill(pair, "session-b", &[records::plain(Codec::None, 1)]).await?;
            pair.same("one has news", version, |side| empty(side, 3), normalised).await?;
            let forget = |side: &Side| {
                let forgotten = ForgottenTopic::default().with_topic(topic("session-b")).with_partitions(vec![0]);
                by_id(side, version, empty(side, 4).with_forgotten_topics_data(vec![forgotten]))
            };
            pair.same("forget", version, forget, normalised).await?;
            let unknown = |side: &Side| {
                let request = fetch_request(version, "session-c", 0, 1, 1 << 20);
                by_id(side, version, request.with_session_id(session(side)).with_session_epoch(5))
            };
            pair.same("add what does not exist", version, unknown, normalised).await?;
            pair.same("and again", version, |side| empty(side, 6), normalised).await?;
            pair.same("wrong epoch", version, |side| empty(side, 9), normalised).await?;
            let stranger = |_: &Side| {
                let request = fetch_request(version, "", 0, 0, 0).with_topics(Vec::new());
                request.with_session_id(123).with_session_epoch(1)
            };
            pair.same("unknown session", version, stranger, normalised).await?;
            pair.same("close", version, |side| empty(side, -1), normalised).await?;
            pair.same("it is gone", version, |side| empty(side, 7), normalised).await?;
        }
        Ok(())
    })
}
