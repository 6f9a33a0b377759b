//! What the log adds to plain writes and reads of 64 KiB.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bytes::Bytes;
use config::{BrokerConfig, Texts, TopicConfig};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use partition_log::{AppendContext, LogConfig, LogManager, LogManagerConfig};
use record::{BatchBuilder, BatchOptions};
use zk_schema::types::{LeaderEpoch, TopicPartition};

const NOW: i64 = 1_700_000_000_000;

fn records(bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let value = [7; 1000];
    for _ in 0..bytes / 1010 {
        builder.append(NOW, None, Some(&value), &[]).unwrap();
    }
    builder.build().unwrap()
}

fn manager(dir: &Path) -> (LogManager, LogConfig) {
    let broker = BrokerConfig::for_tests();
    let overrides = Texts::from([
        ("segment.bytes".to_owned(), "268435456".to_owned()),
        ("retention.bytes".to_owned(), "600000000".to_owned()),
    ]);
    let config = LogConfig::from(&TopicConfig::resolve(&broker, &overrides).unwrap());
    let mut settings = LogManagerConfig::from_broker(&broker, NOW);
    settings.log_dirs = vec![dir.to_owned()];
    (LogManager::open(settings, &|_| config.clone()).unwrap(), config)
}

fn append(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let (manager, config) = manager(dir.path());
    let records = records(64 * 1024);
    let mut group = criterion.benchmark_group("append 64 KiB");
    group.throughput(Throughput::Bytes(records.len() as u64));
    let log = manager.get_or_create(&TopicPartition::new("leader", 0), None, config.clone(), true).unwrap();
    let mut appended = 0;
    group.bench_function("as leader", |bencher| {
        bencher.iter(|| {
            let info = log.append_as_leader(records.clone(), LeaderEpoch(0), &AppendContext::client(NOW, 9)).unwrap();
            log.maybe_increment_high_watermark(info.log_end_offset);
            appended += 1;
            if appended % 4096 == 0 {
                log.delete_old_segments(NOW).unwrap();
                manager.delete_scheduled(NOW).unwrap();
                manager.delete_scheduled(NOW + 60_000).unwrap();
            }
        });
    });
    group.bench_function("checksum and record walk alone", |bencher| {
        let rules = record::validate::ValidationRules::default();
        bencher.iter(|| black_box(record::validate::validate(records.clone(), &rules).unwrap()));
    });
    let file = File::create(dir.path().join("plain")).unwrap();
    let mut position = 0;
    group.bench_function("plain write", |bencher| {
        bencher.iter(|| {
            file.write_all_at(&records, position).unwrap();
            position = (position + records.len() as u64) % (256 << 20);
            if position < records.len() as u64 {
                file.set_len(0).unwrap();
            }
        });
    });
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let (manager, config) = manager(dir.path());
    let log = manager.get_or_create(&TopicPartition::new("read", 0), None, config, true).unwrap();
    let records = records(16 * 1024);
    while log.size() < 64 << 20 {
        log.append_as_leader(records.clone(), LeaderEpoch(0), &AppendContext::client(NOW, 9)).unwrap();
    }
    let end = log.log_end_offset();
    let mut group = criterion.benchmark_group("find 1 MiB");
    let mut next = 0;
    group.bench_function("going on where the last read ended", |bencher| {
        bencher.iter(|| {
            let read = log.read(next, 1 << 20, true, end).unwrap();
            next = if read.end_offset < end { read.end_offset } else { 0 };
            black_box(read.slice.len)
        });
    });
    let mut seed = 1u64;
    group.bench_function("anywhere", |bencher| {
        bencher.iter(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let offset = (seed >> 33) as i64 % end;
            black_box(log.read(offset, 1 << 20, true, end).unwrap().slice.len)
        });
    });
    group.bench_function("the last batch", |bencher| {
        bencher.iter(|| black_box(log.read(end - 16, 1 << 20, true, end).unwrap().slice.len));
    });
    group.bench_function("nothing, at the end", |bencher| {
        bencher.iter(|| black_box(log.read(end, 1 << 20, true, end).unwrap().slice.len));
    });
    group.finish();

    let mut group = criterion.benchmark_group("read 1 MiB into memory");
    group.throughput(Throughput::Bytes(1 << 20));
    let slice = log.read(0, 1 << 20, true, end).unwrap().slice;
    group.bench_function("through the log", |bencher| {
        bencher.iter(|| black_box(log.read(0, 1 << 20, true, end).unwrap().slice.read_to_bytes().unwrap()));
    });
    let file = slice.file.clone().unwrap();
    group.bench_function("plain read", |bencher| {
        bencher.iter(|| {
            let mut buffer = vec![0; slice.len];
            file.read_exact_at(&mut buffer, slice.position).unwrap();
            black_box(buffer)
        });
    });
    group.finish();
}

criterion_group!(benches, append, read);
criterion_main!(benches);
