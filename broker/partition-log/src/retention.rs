//! When a segment may go: three rules, each looking at one segment at a time, oldest first.
//! Decides only; that nothing above the high watermark goes is the log's rule.
//! Source: `UnifiedLog.deleteLogStartOffsetBreachedSegments` and its two sisters in Kafka 3.9.

use std::io;

use zk_schema::types::Offset;

use crate::log_config::LogConfig;
use crate::segment::Segment;

/// What the rules go by.
pub(crate) struct Facts<'a> {
    pub config: &'a LogConfig,
    pub now_ms: i64,
    pub log_start_offset: Offset,
    /// Bytes of this and all later segments.
    pub size: u64,
}

/// Whether a segment may go, given the base offset of the next one.
pub(crate) type Rule = dyn Fn(&Facts<'_>, &Segment, Option<Offset>) -> io::Result<bool>;

/// Nothing in it may be read any more.
pub(crate) fn below_log_start(facts: &Facts<'_>, _: &Segment, next_base: Option<Offset>) -> io::Result<bool> {
    Ok(next_base.is_some_and(|next_base| next_base <= facts.log_start_offset))
}

/// Without it the log is still as large as `retention.bytes`.
pub(crate) fn beyond_size(facts: &Facts<'_>, segment: &Segment, _: Option<Offset>) -> io::Result<bool> {
    let Ok(limit) = u64::try_from(facts.config.retention_bytes) else { return Ok(false) };
    Ok(limit <= facts.size.saturating_sub(segment.size()))
}

/// Its youngest record is older than `retention.ms`.
pub(crate) fn too_old(facts: &Facts<'_>, segment: &Segment, _: Option<Offset>) -> io::Result<bool> {
    if facts.config.retention_ms < 0 {
        return Ok(false);
    }
    let youngest_ms = segment.retention_timestamp_ms()?;
    Ok(facts.config.retention_ms < facts.now_ms.saturating_sub(youngest_ms))
}
