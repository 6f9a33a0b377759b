//! Appends numbered records, and one committed and one aborted transaction, to one partition of a log directory no
//! broker is using, and closes it cleanly. To see that a Java broker takes over what this crate writes:
//! `append_records LOG_DIR TOPIC PARTITION COUNT [clean|kill]`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use config::{BrokerConfig, Texts, TopicConfig};
use partition_log::{AppendContext, LogConfig, LogManager, LogManagerConfig};
use record::control::{ControlType, EndTransactionMarker};
use record::{BatchBuilder, BatchOptions, Codec};
use zk_schema::types::{LeaderEpoch, TopicPartition};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let mut next = |what: &str| args.next().ok_or_else(|| format!("missing {what}"));
    let log_dir = PathBuf::from(next("log directory")?);
    let partition = TopicPartition::new(next("topic")?.as_str(), next("partition")?.parse()?);
    let count: u32 = next("count")?.parse()?;
    let is_clean = next("clean or kill").is_ok_and(|word| word == "clean");

    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let broker = BrokerConfig::for_tests();
    let texts = [("segment.bytes", "20000"), ("segment.index.bytes", "4000"), ("index.interval.bytes", "500")];
    let overrides: Texts = texts.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let config = LogConfig::from(&TopicConfig::resolve(&broker, &overrides)?);
    let mut settings = LogManagerConfig::from_broker(&broker, now_ms);
    settings.log_dirs = vec![log_dir];
    settings.transaction_verification = false;
    let manager = LogManager::open(settings, &|_| config.clone())?;
    let log = manager.get(&partition).ok_or("no such partition")?;
    let leader_epoch = log.latest_epoch().unwrap_or(LeaderEpoch(0));
    let context = AppendContext::client(now_ms, 9);

    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    for (i, codec) in (0..count).zip(codecs.into_iter().cycle()) {
        let mut builder = BatchBuilder::with_codec(codec);
        builder.append(now_ms, None, Some(format!("record-{i}").as_bytes()), &[])?;
        log.append_as_leader(builder.build()?, leader_epoch, &context)?;
    }
    for (producer_id, control_type) in [(7001, ControlType::Commit), (7002, ControlType::Abort)] {
        let options = BatchOptions {
            producer_id,
            producer_epoch: 0,
            base_sequence: 0,
            is_transactional: true,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        builder.append(now_ms, None, Some(format!("{control_type:?}").as_bytes()), &[])?;
        log.append_as_leader(builder.build()?, leader_epoch, &context)?;
        let marker = EndTransactionMarker { control_type, coordinator_epoch: 0 }.to_batch(now_ms, producer_id, 0)?;
        log.append_as_leader(marker, leader_epoch, &AppendContext::coordinator(now_ms))?;
    }
    log.update_high_watermark(log.log_end_offset());
    println!("log end offset {}, {} segments", log.log_end_offset(), log.segment_count());
    if is_clean {
        manager.shutdown_clean();
    }
    Ok(())
}
