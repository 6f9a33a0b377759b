//! Work that comes round: checkpoints, retention, flushing, deletion. Each job runs on a disk thread and never beside
//! itself. Source: contract 3.13; `LogManager.startupWithConfigOverrides`, `ReplicaManager.startHighWatermarkCheckPointThread`.

use std::sync::Arc;
use std::time::Duration;

use config::BrokerConfig;
use partition_log::{LogManager, StorageError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::clock::Clock;
use crate::metrics::names;
use crate::replica::ReplicaManager;

/// How often files whose deletion is due are looked for.
const DELETION_PERIOD: Duration = Duration::from_secs(1);

/// How often gauges are refreshed while somebody can read them.
const GAUGE_PERIOD: Duration = Duration::from_secs(5);

/// The jobs of a broker; they end when the token is cancelled.
pub(super) fn start(
    config: &BrokerConfig,
    replicas: &Arc<ReplicaManager>,
    clock: &Arc<Clock>,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut jobs = Jobs { tasks: JoinSet::new(), logs: Arc::clone(replicas.logs()), stop: stop.clone() };
    let wall = |clock: &Arc<Clock>| {
        let clock = Arc::clone(clock);
        move || clock.wall_ms()
    };
    let initial_delay = ms(config.log_initial_task_delay_ms);
    let high_watermarks = ms(config.replica_high_watermark_checkpoint_interval_ms);
    jobs.every("checkpoint of high watermarks", high_watermarks, high_watermarks, |logs| {
        logs.checkpoint_high_watermarks()
    });
    let recovery = ms(i64::from(config.log_flush_offset_checkpoint_interval_ms));
    jobs.every("checkpoint of recovery points", initial_delay, recovery, |logs| logs.checkpoint_recovery_points());
    let start_offsets = ms(i64::from(config.log_flush_start_offset_checkpoint_interval_ms));
    jobs.every("checkpoint of log start offsets", initial_delay, start_offsets, |logs| {
        logs.checkpoint_log_start_offsets()
    });
    let now_ms = wall(clock);
    jobs.every("retention", initial_delay, ms(config.log_retention_check_interval_ms), move |logs| {
        logs.run_retention(now_ms());
        Ok(())
    });
    let now_ms = wall(clock);
    let flush = ms(config.log_flush_scheduler_interval_ms).min(Duration::from_secs(3600));
    jobs.every("flush", initial_delay.min(flush), flush.min(Duration::from_secs(5)), move |logs| {
        logs.flush_due(now_ms());
        Ok(())
    });
    let steady = Arc::clone(clock);
    jobs.every("deletion", DELETION_PERIOD, DELETION_PERIOD, move |logs| logs.delete_scheduled(steady.now_ms()));
    let now_ms = wall(clock);
    let producers = ms(i64::from(config.producer_id_expiration_check_interval_ms));
    jobs.every("expiry of producers", producers, producers, move |logs| {
        logs.remove_expired_producers(now_ms());
        Ok(())
    });
    let (clock, replicas) = (Arc::clone(clock), Arc::clone(replicas));
    let lag = ms(config.replica_lag_time_max_ms / 2);
    jobs.every("look for replicas that lag", lag, lag, move |_| {
        replicas.shrink_isrs(clock.now_ms());
        Ok(())
    });
    jobs.tasks
}

struct Jobs {
    tasks: JoinSet<()>,
    logs: Arc<LogManager>,
    stop: CancellationToken,
}

impl Jobs {
    fn every(
        &mut self,
        name: &'static str,
        first: Duration,
        period: Duration,
        work: impl Fn(&LogManager) -> Result<(), StorageError> + Send + Sync + 'static,
    ) {
        let (logs, stop, work) = (Arc::clone(&self.logs), self.stop.clone(), Arc::new(work));
        self.tasks.spawn(async move {
            let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + first, period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = stop.cancelled() => return,
                }
                let (logs, work) = (Arc::clone(&logs), Arc::clone(&work));
                match tokio::task::spawn_blocking(move || work(&logs)).await {
                    // The log directory was taken out of use and said so.
                    Ok(Ok(()) | Err(_)) => {}
                    Err(error) => tracing::error!("{name} ended badly: {error}"),
                }
            }
        });
    }
}

/// Brings the gauges that nobody sets as things happen up to date, until cancelled.
pub(super) async fn refresh_gauges(broker: Arc<Broker>, connections: impl Fn() -> usize, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(GAUGE_PERIOD)).await.is_some() {
        broker.refresh_gauges();
        names::CONNECTIONS.set(u32::try_from(connections()).unwrap_or(u32::MAX));
    }
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0).max(1))
}
