//! Apache Kafka and our broker under the same loads, one after the other in one run: prints a table of both.
//! `bench [SECONDS] [ours|apache]`: how long each row takes (5), and whether to run only one side.

use std::time::Duration;

use anyhow::Result;
use integration::load::{Kind, Load, Measured, run};
use integration::{BrokerKind, Cluster, ZooKeeperKind, apache};

const TOPIC: &str = "bench";
const PARTITIONS: i32 = 4;

fn rows(duration: Duration) -> Vec<Load> {
    let row = |label, kind, record_bytes, batch_bytes, connections, in_flight| Load {
        label,
        kind,
        record_bytes,
        batch_bytes,
        connections,
        in_flight,
        duration,
    };
    vec![
        row("produce 1 KiB records, 64 KiB batches", Kind::Produce(1), 1024, 65_536, 4, 5),
        row("produce 1 KiB records, 1 MiB batches", Kind::Produce(1), 1024, 1_000_000, 4, 5),
        row("produce 100 B records, 16 KiB batches", Kind::Produce(1), 100, 16_384, 4, 5),
        row("produce one 100 B record a request", Kind::Produce(1), 100, 1, 16, 5),
        row("fetch, 1 MiB responses", Kind::Fetch(1 << 20), 1024, 65_536, 4, 1),
    ]
}

fn measure(kind: BrokerKind, duration: Duration) -> Result<Vec<(Load, Measured)>> {
    let mut cluster = Cluster::builder()
        .zookeeper(ZooKeeperKind::Ours)
        .brokers(&[kind])
        .property("log.retention.bytes", "400000000")
        .property("log.segment.bytes", "134217728")
        .property("log.retention.check.interval.ms", "5000")
        .property("log.segment.delete.delay.ms", "1000")
        .start()?;
    let address = cluster.bootstrap();
    let partitions = PARTITIONS.to_string();
    let create = [
        "--bootstrap-server",
        &address,
        "--create",
        "--topic",
        TOPIC,
        "--partitions",
        &partitions,
        "--replication-factor",
        "1",
    ];
    apache::tool("kafka-topics", cluster.path(), &create, "")?.ok()?;
    let pid = cluster.process(1).pid();
    let rows = rows(duration);
    // A JVM compiles as it runs; both sides are warmed alike.
    let warm_up = Load { duration: duration * 2, ..rows[0].clone() };
    run(&warm_up, &address, pid, TOPIC, PARTITIONS)?;
    let mut measured = Vec::new();
    for row in rows {
        eprintln!("{kind:?}: {}", row.label);
        let result = run(&row, &address, pid, TOPIC, PARTITIONS)?;
        measured.push((row, result));
    }
    Ok(measured)
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seconds = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(5);
    let duration = Duration::from_secs(seconds);
    let sides = [("apache", BrokerKind::Apache), ("ours", BrokerKind::Ours)];
    let only = args.iter().find(|arg| sides.iter().any(|(name, _)| name == arg));
    println!("| broker | load | MB/s | CPU s/GB | p50 ms | p99 ms | RSS MiB |");
    println!("|---|---|---|---|---|---|---|");
    for (name, kind) in sides {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        for (row, measured) in measure(kind, duration)? {
            println!(
                "| {name} | {} | {:.1} | {:.3} | {:.2} | {:.2} | {} |",
                row.label,
                measured.megabytes_per_second(),
                measured.cpu_seconds_per_gigabyte(),
                measured.latency_ms(0.5),
                measured.latency_ms(0.99),
                measured.broker_resident_bytes >> 20
            );
        }
    }
    Ok(())
}
