//! ListOffsets, OffsetForLeaderEpoch, DeleteRecords.

use anyhow::Result;
use record::Codec;
use wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use wire::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use wire::messages::{BrokerId, DeleteRecordsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest};

use crate::pair::{Pair, Side, both, topic};
use crate::produce::{produce_request, without_clock};
use crate::records;

fn list_offsets(version: i16, name: &str, partition: i32, timestamp: i64) -> ListOffsetsRequest {
    let mut partition = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(timestamp);
    if version == 0 {
        partition.max_num_offsets = 3;
    }
    let topics = ListOffsetsTopic::default().with_name(topic(name)).with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topics])
}

async fn fill(pair: &mut Pair, name: &str) -> Result<()> {
    for codec in [Codec::None, Codec::Gzip, Codec::None] {
        let request = |_: &Side| produce_request(name, 0, -1, Some(records::plain(codec, 3)));
        pair.same("fill", 9, request, without_clock).await?;
    }
    Ok(())
}

#[test]
fn every_kind_of_timestamp() -> Result<()> {
    both(async |pair| {
        pair.create_topic("listed", 2, &[]).await?;
        fill(pair, "listed").await?;
        let start = records::timestamp();
        let times =
            [-1, -2, -3, -4, -5, -6, 0, start - 1, start, start + 1, start + 15, start + 20, start + 21, i64::MAX];
        for timestamp in times {
            for partition in [0, 1] {
                let what = format!(
                    "timestamp {} of {partition}",
                    if timestamp < 1000 { timestamp } else { timestamp - start }
                );
                let request = |_: &Side, version| list_offsets(version, "listed", partition, timestamp);
                pair.same_in_every_version(&what, request, |_| {}).await?;
            }
            for version in 2..=9 {
                let request = |_: &Side| list_offsets(version, "listed", 0, timestamp).with_isolation_level(1);
                pair.same(&format!("committed, {timestamp}"), version, request, |_| {}).await?;
            }
        }
        Ok(())
    })
}

#[test]
fn list_offsets_refusals() -> Result<()> {
    both(async |pair| {
        pair.create_topic("unlisted", 1, &[]).await?;
        for (name, partition) in [("nowhere", 0), ("unlisted", 5), ("unlisted", -1), ("b@d", 0)] {
            let request = |_: &Side, version| list_offsets(version, name, partition, -1);
            pair.same_in_every_version(&format!("{name}-{partition}"), request, |_| {}).await?;
        }
        for version in 4..=9 {
            for epoch in [0, 1, -2] {
                let request = |_: &Side| {
                    let mut request = list_offsets(version, "unlisted", 0, -1);
                    request.topics[0].partitions[0].current_leader_epoch = epoch;
                    request
                };
                pair.same(&format!("leader epoch {epoch}"), version, request, |_| {}).await?;
            }
        }
        let twice = |_: &Side, version| {
            let mut request = list_offsets(version, "unlisted", 0, -1);
            let again = request.topics[0].partitions[0].clone();
            request.topics[0].partitions.push(again);
            request
        };
        pair.same_in_every_version("twice", twice, |_| {}).await?;
        pair.same_in_every_version("nothing", |_, _| ListOffsetsRequest::default(), |_| {}).await
    })
}

#[test]
fn ends_of_leader_epochs() -> Result<()> {
    both(async |pair| {
        pair.create_topic("epochs", 1, &[]).await?;
        fill(pair, "epochs").await?;
        for (name, partition) in [("epochs", 0), ("epochs", 4), ("nowhere", 0)] {
            for leader_epoch in [-1, 0, 1, 100] {
                for current_leader_epoch in [-2, -1, 0, 1] {
                    let request = |_: &Side, version| {
                        let mut asked = OffsetForLeaderPartition::default()
                            .with_partition(partition)
                            .with_leader_epoch(leader_epoch);
                        if version >= 2 {
                            asked.current_leader_epoch = current_leader_epoch;
                        }
                        let topic =
                            OffsetForLeaderTopic::default().with_topic(topic(name)).with_partitions(vec![asked]);
                        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
                        if version >= 3 { request.with_replica_id(BrokerId(-1)) } else { request }
                    };
                    let what = format!("{name}-{partition}, {leader_epoch} in {current_leader_epoch}");
                    pair.same_in_every_version(&what, request, |_| {}).await?;
                }
            }
        }
        Ok(())
    })
}

#[test]
fn records_are_deleted_alike() -> Result<()> {
    both(async |pair| {
        pair.create_topic("emptied", 1, &[]).await?;
        pair.create_topic("kept", 1, &[("cleanup.policy", "compact")]).await?;
        fill(pair, "emptied").await?;
        let cases = [("emptied", 0, 2), ("emptied", 0, 1), ("emptied", 0, 100), ("emptied", 0, -2), ("emptied", 9, 0)];
        let more =
            [("nowhere", 0, 1), ("kept", 0, 0), ("__consumer_offsets", 0, 0), ("emptied", 0, -1), ("emptied", 0, 3)];
        for (name, partition, offset) in cases.into_iter().chain(more) {
            let request = |_: &Side, _| {
                let asked = DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
                let topic = DeleteRecordsTopic::default().with_name(topic(name)).with_partitions(vec![asked]);
                DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000)
            };
            let what = format!("{name}-{partition} up to {offset}");
            pair.same_in_every_version(&what, request, |_| {}).await?;
            pair.same("earliest", 7, |_| list_offsets(7, "emptied", 0, -2), |_| {}).await?;
        }
        Ok(())
    })
}
