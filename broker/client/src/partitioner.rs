//! Which partition a record without one goes to: keyed ones by murmur2 as every Java client does, others stay with one
//! partition for a batch and then move on.
//! Source: `BuiltInPartitioner`, `Utils.murmur2` in Kafka 3.9.

use std::collections::BTreeMap;

/// Chooses partitions.
#[derive(Debug, Default)]
pub struct Partitioner {
    sticky: BTreeMap<String, i32>,
}

impl Partitioner {
    /// The partition of a record of `topic`, which has `count` of them (at least 1).
    pub fn partition(&mut self, topic: &str, key: Option<&[u8]>, count: i32) -> i32 {
        let count = count.max(1);
        match key {
            Some(key) => (murmur2(key) & i32::MAX) % count,
            None => match self.sticky.get(topic) {
                Some(partition) if *partition < count => *partition,
                _ => {
                    let partition = rand::random_range(0..count);
                    self.sticky.insert(topic.to_owned(), partition);
                    partition
                }
            },
        }
    }

    /// A batch of `topic` has gone: the next keyless record may go elsewhere.
    pub fn batch_sent(&mut self, topic: &str) {
        self.sticky.remove(topic);
    }
}

/// Kafka's murmur2, seed and all.
#[must_use]
pub fn murmur2(data: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    // Lengths beyond 32 bits do not occur in a record; Java's would wrap the same way.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = 0x9747_b28c ^ length;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = chunk.iter().rev().fold(0_u32, |k, byte| k << 8 | u32::from(*byte)).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    for (index, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ hash >> 15).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_javas() {
        // From UtilsTest.testMurmur2 in Kafka 3.9.
        for (text, hash) in [("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)]
        {
            assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn keyless_records_stay_with_one_partition_until_a_batch_has_gone() {
        let mut partitioner = Partitioner::default();
        let first = partitioner.partition("t", None, 50);
        assert!((0..20).all(|_| partitioner.partition("t", None, 50) == first));
        let moved = (0..20).any(|_| {
            partitioner.batch_sent("t");
            partitioner.partition("t", None, 50) != first
        });
        assert!(moved);
    }
}
