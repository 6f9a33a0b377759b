//! Produce: every format and codec, acknowledgements, refusals, idempotent producers.

use anyhow::Result;
use bytes::Bytes;
use record::Codec;
use wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use wire::messages::{FetchRequest, InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse};

use crate::fetch::{self, fetch_request};
use crate::pair::{Pair, Side, both, topic, versions};
use crate::records;

/// Produces one partition's records.
pub fn produce_request(name: &str, partition: i32, acks: i16, records: Option<Bytes>) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_index(partition).with_records(records);
    let data = TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(vec![data])
}

/// The server's clock is its own.
pub fn without_clock(response: &mut ProduceResponse) {
    for partition in response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
        for error in &mut partition.record_errors {
            // The range is told in the server's time.
            let told = error
                .batch_index_error_message
                .take()
                .map(|told| told.split(" within [").next().unwrap_or("").to_owned());
            error.batch_index_error_message = told.map(|told| wire::text(&told));
        }
        if partition.log_append_time_ms > 0 {
            partition.log_append_time_ms = 1;
        }
    }
}

/// What lies in the topic's first partition.
async fn stored(pair: &mut Pair, name: &str) -> Result<()> {
    let request = |_: &Side| -> FetchRequest { fetch_request(11, name, 0, 0, 1 << 20) };
    pair.same("what is stored", 11, request, fetch::normalised).await
}

#[test]
fn every_format_and_codec_of_every_version() -> Result<()> {
    both(async |pair| {
        pair.create_topic("formats", 1, &[]).await?;
        for version in versions::<ProduceRequest>() {
            let sets: Vec<Bytes> = match version {
                0 | 1 => [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4].map(|c| records::old(0, c, 4)).into(),
                2 => [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4].map(|c| records::old(1, c, 4)).into(),
                _ => Codec::ALL.map(|codec| records::plain(codec, 4)).into(),
            };
            for (index, set) in sets.into_iter().enumerate() {
                let what = format!("set {index}");
                let request = |_: &Side| produce_request("formats", 0, 1, Some(set.clone()));
                pair.same(&what, version, request, without_clock).await?;
            }
        }
        stored(pair, "formats").await
    })
}

#[test]
fn formats_a_version_does_not_know_are_refused_alike() -> Result<()> {
    both(async |pair| {
        pair.create_topic("misfits", 1, &[]).await?;
        let two_batches = [records::plain(Codec::None, 1), records::plain(Codec::None, 2)].concat();
        let sets = [
            ("magic 0", records::old(0, Codec::None, 2)),
            ("magic 1", records::old(1, Codec::None, 2)),
            ("magic 1, gzip", records::old(1, Codec::Gzip, 2)),
            ("magic 2", records::plain(Codec::None, 2)),
            ("magic 2, zstd", records::plain(Codec::Zstd, 2)),
            ("two batches", two_batches.into()),
            ("no bytes", Bytes::new()),
        ];
        for (what, set) in sets {
            let request = |_: &Side, _| produce_request("misfits", 0, -1, Some(set.clone()));
            pair.same_in_every_version(what, request, without_clock).await?;
        }
        stored(pair, "misfits").await
    })
}

#[test]
fn every_acknowledgement() -> Result<()> {
    both(async |pair| {
        pair.create_topic("acks", 1, &[]).await?;
        for version in versions::<ProduceRequest>() {
            let set = records::of_version(version, 1);
            for acks in [1, -1, 2, -2] {
                let request = |_: &Side| produce_request("acks", 0, acks, Some(set.clone()));
                pair.same(&format!("acks {acks}"), version, request, without_clock).await?;
            }
            pair.send_unanswered(version, &produce_request("acks", 0, 0, Some(set.clone()))).await?;
        }
        stored(pair, "acks").await
    })
}

#[test]
fn refusals() -> Result<()> {
    both(async |pair| {
        pair.create_topic("refusals", 1, &[("max.message.bytes", "300")]).await?;
        pair.create_topic("compacted", 1, &[("cleanup.policy", "compact")]).await?;
        pair.create_topic("recent", 1, &[("message.timestamp.before.max.ms", "1000")]).await?;
        pair.create_topic("append-time", 1, &[("message.timestamp.type", "LogAppendTime")]).await?;
        pair.create_topic("strict", 1, &[("min.insync.replicas", "2")]).await?;
        let set = records::of_version;
        let cases = [
            ("unknown topic", "nowhere", 0, -1),
            ("unknown partition", "refusals", 7, -1),
            ("negative partition", "refusals", -1, -1),
            ("a bad name", "no/such", 0, -1),
            ("internal topic", "__consumer_offsets", 0, -1),
            ("null key in a compacted topic", "compacted", 0, -1),
            ("too old", "recent", 0, -1),
            ("log append time", "append-time", 0, -1),
            ("too few in sync, all wanted", "strict", 0, -1),
            ("too few in sync, leader wanted", "strict", 0, 1),
        ];
        for (what, name, partition, acks) in cases {
            let request = |_: &Side, version| produce_request(name, partition, acks, Some(set(version, 3)));
            pair.same_in_every_version(what, request, without_clock).await?;
        }
        let request = |_: &Side, version| produce_request("refusals", 0, -1, Some(set(version, 30)));
        pair.same_in_every_version("too large", request, without_clock).await?;
        let torn = |_: &Side, version| {
            let mut bytes = set(version, 2).to_vec();
            let last = bytes.len() - 2;
            bytes[last] ^= 1;
            produce_request("refusals", 0, -1, Some(bytes.into()))
        };
        pair.same_in_every_version("wrong checksum", torn, without_clock).await?;
        let cut = |_: &Side, version| {
            let bytes = set(version, 2);
            produce_request("refusals", 0, -1, Some(bytes.slice(..bytes.len() - 3)))
        };
        pair.same_in_every_version("cut short", cut, without_clock).await?;
        let twice = |_: &Side, version| {
            let mut request = produce_request("refusals", 0, -1, Some(set(version, 1)));
            let mut more = produce_request("nowhere", 0, -1, Some(set(version, 1)));
            request.topic_data.append(&mut more.topic_data);
            request
        };
        pair.same_in_every_version("one good, one unknown", twice, without_clock).await?;
        pair.same_in_every_version("nothing", |_, _| ProduceRequest::default().with_acks(1), without_clock).await?;
        for name in ["refusals", "append-time", "strict"] {
            stored(pair, name).await?;
        }
        Ok(())
    })
}

#[test]
fn batches_that_contradict_themselves() -> Result<()> {
    both(async |pair| {
        pair.create_topic("contradictions", 1, &[]).await?;
        let good = records::plain(Codec::None, 3);
        let changed = |at: usize, bytes: &[u8]| {
            let mut batch = good.to_vec();
            batch[at..at + bytes.len()].copy_from_slice(bytes);
            let crc = record::crc::crc32c(&batch[21..]);
            batch[17..21].copy_from_slice(&crc.to_be_bytes());
            Bytes::from(batch)
        };
        let cases = [
            ("base offset", changed(0, &7_i64.to_be_bytes())),
            ("length too great", changed(8, &9999_i32.to_be_bytes())),
            ("length too small", changed(8, &10_i32.to_be_bytes())),
            ("length too small for magic 2", changed(8, &20_i32.to_be_bytes())),
            ("leader epoch", changed(12, &9_i32.to_be_bytes())),
            ("magic 3", changed(16, &[3])),
            ("magic -1", changed(16, &[0xff])),
            // Not "codec 5" or "gzip, but plain": see `record::Error::kind`.
            ("log append time", changed(21, &[0, 8])),
            ("transactional without producer", changed(21, &[0, 16])),
            ("control", changed(21, &[0, 32])),
            ("delete horizon", changed(21, &[0, 64])),
            ("last offset delta", changed(23, &5_i32.to_be_bytes())),
            ("base timestamp far ahead", changed(27, &(records::timestamp() + 10_000_000).to_be_bytes())),
            ("base timestamp negative", changed(27, &(-1_i64).to_be_bytes())),
            ("max timestamp", changed(35, &1_i64.to_be_bytes())),
            ("producer without epoch", changed(43, &5_i64.to_be_bytes())),
            ("count too great", changed(57, &4_i32.to_be_bytes())),
            ("count too small", changed(57, &2_i32.to_be_bytes())),
            ("count 0", changed(57, &0_i32.to_be_bytes())),
            ("count negative", changed(57, &(-1_i32).to_be_bytes())),
        ];
        for (what, set) in cases {
            for version in [3, 7, 8, 9, 11] {
                let request = |_: &Side| produce_request("contradictions", 0, -1, Some(set.clone()));
                pair.same(what, version, request, without_clock).await?;
            }
        }
        stored(pair, "contradictions").await
    })
}

#[test]
fn idempotent_producers() -> Result<()> {
    both(async |pair| {
        pair.create_topic("idempotent", 1, &[]).await?;
        pair.until(
            "the first producer ids are there",
            0,
            &InitProducerIdRequest::default().with_transactional_id(None),
            |r| r.error_code == 0,
        )
        .await?;
        for version in versions::<InitProducerIdRequest>() {
            let request = |_: &Side| InitProducerIdRequest::default().with_transactional_id(None);
            let note = |side: &mut Side, response: &InitProducerIdResponse| {
                side.numbers.insert("producer", response.producer_id.0);
            };
            pair.same_and_note("a new id", version, request, |r| r.producer_id.0 = 0, note).await?;
        }
        let steps = [
            ("first", 0, 0, 2),
            ("again", 0, 0, 2),
            ("next", 0, 2, 2),
            ("gap", 0, 9, 1),
            ("old, but other size", 0, 2, 3),
            ("first once more", 0, 0, 2),
            ("older epoch", -1, 4, 1),
            ("newer epoch, wrong start", 1, 4, 1),
            ("newer epoch", 1, 0, 1),
            ("epoch before", 0, 4, 1),
            ("negative sequence", 1, -1, 1),
        ];
        for version in 3..=11 {
            for (what, epoch, sequence, count) in steps {
                // Every version has a producer of its own.
                let request = |side: &Side| {
                    let id = side.number("producer") + 1_000_000 + i64::from(version);
                    produce_request("idempotent", 0, -1, Some(records::idempotent(id, epoch, sequence, count)))
                };
                pair.same(what, version, request, without_clock).await?;
            }
        }
        Ok(())
    })
}
