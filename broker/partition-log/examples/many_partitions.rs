//! How long many idle partitions take to create, close, open again and recover, and how much memory they hold.
//! `many_partitions DIR COUNT`.

use std::path::PathBuf;
use std::time::Instant;

use config::{BrokerConfig, Texts, TopicConfig};
use partition_log::{AppendContext, LogConfig, LogManager, LogManagerConfig};
use record::{BatchBuilder, BatchOptions};
use zk_schema::types::{LeaderEpoch, TopicPartition};

type Failure = Box<dyn std::error::Error>;
const NOW_MS: i64 = 1_700_000_000_000;

fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("missing directory")?);
    let count: i32 = args.next().ok_or("missing count")?.parse()?;
    let broker = BrokerConfig::for_tests();
    let config = LogConfig::from(&TopicConfig::resolve(&broker, &Texts::new())?);
    let open = || {
        let mut settings = LogManagerConfig::from_broker(&broker, NOW_MS);
        settings.log_dirs = vec![dir.clone()];
        settings.recovery_threads_per_dir = 2;
        LogManager::open(settings, &|_| config.clone())
    };
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(NOW_MS, None, Some(b"a record"), &[])?;
    let records = builder.build()?;

    let manager = open()?;
    let (start, before) = (Instant::now(), resident_kib());
    for partition in 0..count {
        manager.get_or_create(&TopicPartition::new("many", partition), None, config.clone(), true)?;
    }
    println!("created in {:?}, {} KiB more, {} open files", start.elapsed(), resident_kib() - before, open_files());
    let start = Instant::now();
    for log in manager.all() {
        log.append_as_leader(records.clone(), LeaderEpoch(0), &AppendContext::client(NOW_MS, 9))?;
    }
    println!("appended to each in {:?}, {} open files", start.elapsed(), open_files());
    let start = Instant::now();
    manager.shutdown_clean();
    println!("closed in {:?}", start.elapsed());
    drop(manager);

    let (start, before) = (Instant::now(), resident_kib());
    let manager = open()?;
    println!("clean start in {:?}, {} KiB more, {} open files", start.elapsed(), resident_kib() - before, open_files());
    let start = Instant::now();
    manager.checkpoint_high_watermarks()?;
    manager.checkpoint_recovery_points()?;
    println!("two checkpoints in {:?}", start.elapsed());
    let start = Instant::now();
    manager.run_retention(NOW_MS);
    println!("retention in {:?}, {} open files", start.elapsed(), open_files());
    drop(manager);

    let start = Instant::now();
    let manager = open()?;
    println!("start after a kill in {:?}, {} open files", start.elapsed(), open_files());
    drop(manager);
    Ok(())
}
