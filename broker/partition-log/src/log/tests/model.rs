//! Random lives of a log against a list in memory. A failure prints its seed: `LOG_SEED=n` runs that one again, `LOG_SEEDS=n`
//! that many.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    base_offset: Offset,
    last_offset: Offset,
    size: usize,
    leader_epoch: i32,
    timestamp: i64,
    producer: Option<(i64, i32)>,
    values: Vec<Vec<u8>>,
}

struct Life {
    random: StdRng,
    broker: Broker,
    log: Option<Arc<Log>>,
    stored: Vec<Stored>,
    leader_epoch: i32,
    timestamp: i64,
    trace: Vec<String>,
    /// A log start that a crash took back leaves records whose epochs are forgotten, as in Kafka.
    epochs_known_from: Offset,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let config = LogConfig {
            segment_bytes: random.random_range(700..5000),
            index_interval_bytes: random.random_range(0..400),
            segment_index_bytes: random.random_range(40..400),
            segment_ms: random.random_range(100..100_000),
            retention_ms: -1,
            preallocate: random.random_bool(0.2),
            ..LogConfig::for_tests()
        };
        let broker = Broker::new(config);
        let log = Some(broker.log());
        Self {
            random,
            broker,
            log,
            stored: Vec::new(),
            leader_epoch: 0,
            timestamp: NOW,
            trace: Vec::new(),
            epochs_known_from: 0,
        }
    }

    fn log(&self) -> Arc<Log> {
        Arc::clone(self.log.as_ref().unwrap())
    }

    fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..35 => self.append_as_leader(),
            35..45 => self.append_as_follower(),
            45..75 => self.read(),
            75..78 => self.leader_epoch += 1,
            78..82 => self.truncate(),
            82..86 => self.move_high_watermark(),
            86..88 => self.raise_log_start(),
            88..90 => self.flush(),
            90..92 => self.look_up_time(),
            92..93 => self.truncate_fully(),
            93..96 => self.restart(true),
            96..99 => self.restart(false),
            _ => self.retain(),
        }
        self.check();
    }

    fn values(&mut self) -> Vec<Vec<u8>> {
        let count = self.random.random_range(1..5);
        (0..count).map(|_| vec![self.random.random(); self.random.random_range(0..120)]).collect()
    }

    fn next_sequence(&self, producer_id: i64) -> Option<i32> {
        let last = self.stored.iter().rev().find_map(|one| one.producer.filter(|(id, _)| *id == producer_id));
        last.map(|(_, last_sequence)| last_sequence + 1)
    }

    fn options(&mut self) -> BatchOptions {
        if self.random.random_bool(0.5) {
            return BatchOptions::default();
        }
        let producer_id = self.random.random_range(1..4);
        let base_sequence = self.next_sequence(producer_id).unwrap_or(0);
        BatchOptions { producer_id, producer_epoch: 0, base_sequence, ..BatchOptions::default() }
    }

    fn note(&mut self, options: &BatchOptions, base_offset: Offset, values: Vec<Vec<u8>>, size: usize) {
        let count = values.len() as i32;
        let producer = (0 <= options.producer_id).then_some((options.producer_id, options.base_sequence + count - 1));
        self.stored.push(Stored {
            base_offset,
            last_offset: base_offset + i64::from(count) - 1,
            size,
            leader_epoch: self.leader_epoch,
            timestamp: self.timestamp,
            producer,
            values,
        });
    }

    fn bytes(options: &BatchOptions, timestamp: i64, values: &[Vec<u8>]) -> Bytes {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        batch_with(options.clone(), timestamp, &values)
    }

    fn append_as_leader(&mut self) {
        self.timestamp += self.random.random_range(-50..200);
        let (options, values) = (self.options(), self.values());
        let bytes = Self::bytes(&options, self.timestamp, &values);
        let (size, epoch) = (bytes.len(), LeaderEpoch(self.leader_epoch));
        let context = AppendContext::client(NOW, 9);
        let info = self.log().append_as_leader(bytes.clone(), epoch, &context).unwrap();
        self.trace.push(format!("append {} values by {} at {}", values.len(), options.producer_id, info.first_offset));
        assert!(!info.duplicate);
        self.note(&options, info.first_offset, values, size);
        if 0 <= options.producer_id {
            let again = self.log().append_as_leader(bytes, epoch, &context).unwrap();
            assert!(again.duplicate);
            assert_eq!(again.first_offset, info.first_offset);
        }
    }

    fn append_as_follower(&mut self) {
        let mut records = Vec::new();
        let mut offset = self.log().log_end_offset();
        for _ in 0..self.random.random_range(1..4) {
            self.timestamp += self.random.random_range(-50..200);
            offset += self.random.random_range(0..3);
            if self.random.random_bool(0.1) {
                self.leader_epoch += 1;
            }
            let (options, values) = (self.options(), self.values());
            let options = BatchOptions { base_offset: offset, partition_leader_epoch: self.leader_epoch, ..options };
            let bytes = Self::bytes(&options, self.timestamp, &values);
            if self.broker.config.segment_bytes < (records.len() + bytes.len()) as u64 {
                break;
            }
            self.note(&options, offset, values.clone(), bytes.len());
            offset += values.len() as i64;
            records.extend_from_slice(&bytes);
        }
        self.trace.push(format!("append as follower {} bytes up to {offset}", records.len()));
        self.log().append_as_follower(records.into(), NOW).unwrap();
    }

    fn read(&mut self) {
        let offsets = self.log().offsets();
        let offset = self.random.random_range(offsets.log_start_offset..=offsets.log_end_offset);
        let max_bytes = self.random.random_range(0..3000);
        let min_one_batch = self.random.random();
        let upper_bound = match self.random.random_range(0..3) {
            0 => offsets.log_end_offset,
            1 => offsets.high_watermark,
            _ => self.random.random_range(offsets.log_start_offset..=offsets.log_end_offset),
        };
        let mut next = offset;
        for _ in 0..self.random.random_range(1..4) {
            next = self.read_at(next, max_bytes, min_one_batch, upper_bound);
        }
    }

    /// Reads and compares; gives the offset to go on with.
    fn read_at(&mut self, offset: Offset, max_bytes: usize, min_one_batch: bool, upper_bound: Offset) -> Offset {
        self.trace.push(format!("read {offset} max {max_bytes} one {min_one_batch} below {upper_bound}"));
        let read = self.log().read(offset, max_bytes, min_one_batch, upper_bound).unwrap();
        let found: Vec<_> = record::batches(read.slice.read_to_bytes().unwrap()).map(|batch| batch.unwrap()).collect();
        let candidates: Vec<_> = self.stored.iter().filter(|one| offset <= one.last_offset).collect();
        let readable = candidates.iter().take_while(|one| one.last_offset < upper_bound).count();
        assert!(found.len() <= readable);
        for (batch, stored) in found.iter().zip(&candidates) {
            assert_eq!((batch.base_offset(), batch.last_offset()), (stored.base_offset, stored.last_offset));
            batch.verify_crc().unwrap();
            let values: Vec<Vec<u8>> =
                batch.records().unwrap().map(|record| record.unwrap().value.unwrap().to_vec()).collect();
            assert_eq!(values, stored.values);
            assert_eq!(batch.partition_leader_epoch(), stored.leader_epoch);
        }
        let within: usize = found.iter().map(|batch| batch.size_in_bytes()).sum();
        assert!(within <= max_bytes || (found.len() == 1 && min_one_batch));
        let Some(last) = found.last() else {
            let too_small = max_bytes == 0 || candidates.first().is_some_and(|one| max_bytes < one.size);
            assert!(readable == 0 || (too_small && !min_one_batch), "nothing read");
            return offset;
        };
        // All that fits in one segment must be there.
        if let Some(left) = candidates.get(found.len()).filter(|_| found.len() < readable) {
            let at_segment_end =
                self.log().segments().iter().any(|segment| {
                    last.last_offset() < segment.base_offset() && segment.base_offset() <= left.base_offset
                });
            assert!(at_segment_end || max_bytes < within + left.size, "too little read");
        }
        assert!(last.last_offset() < read.end_offset && read.end_offset <= upper_bound.max(last.next_offset()));
        last.next_offset()
    }

    fn truncate(&mut self) {
        let log_start_offset = self.log().log_start_offset();
        let candidates: Vec<Offset> =
            self.stored.iter().map(|one| one.base_offset).filter(|base| log_start_offset <= *base).collect();
        let recent = candidates.len().saturating_sub(15);
        let Some(offset) = candidates.get(self.random.random_range(recent..=candidates.len())) else { return };
        self.trace.push(format!("truncate to {offset}"));
        assert!(self.log().truncate_to(*offset).unwrap());
        self.stored.retain(|one| one.base_offset < *offset);
        assert_eq!(self.log().log_end_offset(), *offset);
        // A leader of a later epoch follows.
        self.leader_epoch += 1;
    }

    fn truncate_fully(&mut self) {
        if self.random.random_bool(0.7) {
            return;
        }
        let offset = self.log().log_end_offset() + self.random.random_range(0..20);
        self.trace.push(format!("truncate fully and start at {offset}"));
        self.log().truncate_fully_and_start_at(offset).unwrap();
        self.stored.clear();
    }

    fn move_high_watermark(&mut self) {
        let offsets = self.log().offsets();
        let to = self.random.random_range(offsets.high_watermark..=offsets.log_end_offset);
        let bases = self.stored.iter().map(|one| one.base_offset).chain([offsets.log_end_offset]);
        let to = bases.filter(|base| to <= *base).min().unwrap_or(to);
        self.trace.push(format!("high watermark to {to}"));
        self.log().maybe_increment_high_watermark(to);
    }

    fn raise_log_start(&mut self) {
        let offsets = self.log().offsets();
        let to = self.random.random_range(offsets.log_start_offset..=offsets.high_watermark);
        self.trace.push(format!("log start to {to}"));
        self.log().increment_log_start_offset(to).unwrap();
    }

    fn retain(&mut self) {
        self.trace.push("retention".to_owned());
        self.log().delete_old_segments(NOW).unwrap();
        self.broker.manager().delete_scheduled(NOW).unwrap();
    }

    fn flush(&mut self) {
        self.trace.push("flush and checkpoint".to_owned());
        if self.random.random() {
            self.log().flush().unwrap()
        } else {
            self.log().flush_rolled().unwrap()
        }
        self.broker.manager().checkpoint_recovery_points().unwrap();
        self.broker.manager().checkpoint_high_watermarks().unwrap();
        if self.random.random() {
            self.broker.manager().checkpoint_log_start_offsets().unwrap();
        }
    }

    fn look_up_time(&mut self) {
        let timestamp = self.random.random_range(NOW - 100..=self.timestamp + 100);
        self.trace.push(format!("look up {timestamp}"));
        let log_start_offset = self.log().log_start_offset();
        let expected = self
            .stored
            .iter()
            .find(|one| log_start_offset <= one.last_offset && timestamp <= one.timestamp)
            .map(|one| (one.base_offset.max(log_start_offset), one.timestamp));
        let found = self.log().offset_for_timestamp(timestamp).unwrap().map(|found| (found.offset, found.timestamp));
        assert_eq!(found, expected);
    }

    fn restart(&mut self, politely: bool) {
        self.trace.push(format!("restart, politely: {politely}"));
        let before = self.log().offsets();
        let epochs = self.log().epochs().cache.clone();
        self.log = None;
        if politely {
            self.broker.restart();
        } else {
            self.broker.kill();
            self.broker.start();
        }
        self.log = Some(self.broker.log());
        let after = self.log().offsets();
        match self.stored.last() {
            // A truncated log may have ended behind a gap.
            Some(last) => assert!((last.last_offset + 1..=before.log_end_offset).contains(&after.log_end_offset)),
            None => assert!(after.log_end_offset <= before.log_end_offset),
        }
        if politely {
            assert_eq!(self.log().epochs().cache, epochs);
            assert_eq!(after.log_start_offset, before.log_start_offset.min(after.log_end_offset));
            assert_eq!(self.log().recovery_point(), after.log_end_offset);
            assert_eq!(after.high_watermark, before.high_watermark.min(after.log_end_offset));
        } else {
            assert!(after.log_start_offset <= before.log_start_offset);
        }
    }

    fn check(&mut self) {
        let offsets = self.log().offsets();
        self.epochs_known_from = self.epochs_known_from.max(offsets.log_start_offset).min(offsets.log_end_offset);
        assert!(offsets.log_start_offset <= offsets.high_watermark && offsets.high_watermark <= offsets.log_end_offset);
        assert_eq!(offsets.last_stable_offset, offsets.high_watermark);
        let readable = self.stored.iter().filter(|one| self.epochs_known_from <= one.base_offset);
        for one in readable.rev().take(5) {
            assert_eq!(self.log().epoch_for_offset(one.base_offset), Some(LeaderEpoch(one.leader_epoch)));
        }
    }
}

fn live(seed: u64, steps: usize) {
    let mut life = Life::new(seed);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..steps {
            life.step();
        }
    }));
    if let Err(panic) = outcome {
        let last = life.trace.len().saturating_sub(40);
        eprintln!(
            "LOG_SEED={seed} fails after {} steps, the last being\n{}",
            life.trace.len(),
            life.trace[last..].join("\n")
        );
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn random_lives_match_the_model() {
    if let Ok(seed) = std::env::var("LOG_SEED") {
        return live(seed.parse().unwrap(), 400);
    }
    let seeds = std::env::var("LOG_SEEDS").map_or(20, |count| count.parse().unwrap());
    for seed in 0..seeds {
        live(seed, 250);
    }
}
