//! The order in which the JVM's hash tables give back their keys, because Kafka writes JSON objects in that order
//! and a diff of two trees is easier to read when both writers agree.
//! Never needed for reading: readers look keys up. Source: `scala.collection.mutable.HashMap`,
//! `scala.collection.immutable.HashMap` (Scala 2.13) and `java.util.concurrent.ConcurrentHashMap`.

/// Order of a Scala mutable map filled with these keys.
pub(crate) fn scala_mutable<T>(mut entries: Vec<(String, T)>) -> Vec<(String, T)> {
    // The table starts at 16 slots and doubles just before the entry that would fill three quarters of it.
    let mut slots: u32 = 16;
    while slots as usize / 4 * 3 <= entries.len() {
        slots *= 2;
    }
    // Within a slot the chain is kept in order of the (signed) hash.
    entries.sort_by_key(|(key, _)| {
        let hash = spread(java_hash(key));
        (hash & (slots - 1), hash.cast_signed())
    });
    entries
}

/// Order of a Scala immutable map: as inserted up to four keys, a hash trie beyond.
pub(crate) fn scala_immutable<T>(mut entries: Vec<(String, T)>) -> Vec<(String, T)> {
    if 4 < entries.len() {
        let hashes: Vec<u32> = entries.iter().map(|(key, _)| trie_hash(java_hash(key))).collect();
        entries.sort_by_cached_key(|(key, _)| trie_position(trie_hash(java_hash(key)), &hashes));
    }
    entries
}

/// Order of a `java.util.Properties` filled with these keys in this order.
pub(crate) fn properties<T>(entries: Vec<(String, T)>) -> Vec<(String, T)> {
    let mut table: Vec<Vec<(u32, (String, T))>> = empty_table(16);
    let mut count = 0;
    for entry in entries {
        let hash = spread(java_hash(&entry.0)) & 0x7fff_ffff;
        let slot = hash as usize & (table.len() - 1);
        if let Some(bin) = table.get_mut(slot) {
            bin.push((hash, entry));
        }
        count += 1;
        while table.len() / 4 * 3 <= count {
            table = doubled(table);
        }
    }
    table.into_iter().flatten().map(|(_, entry)| entry).collect()
}

fn empty_table<T>(slots: usize) -> Vec<Vec<T>> {
    std::iter::repeat_with(Vec::new).take(slots).collect()
}

/// Splits every bin in two. The run at the end of a bin that goes to one side keeps its order; the entries before it
/// are put in front one by one, which turns them round.
fn doubled<T>(table: Vec<Vec<(u32, T)>>) -> Vec<Vec<(u32, T)>> {
    let old_slots = table.len();
    let mut low_half = Vec::with_capacity(old_slots * 2);
    let mut high_half = Vec::with_capacity(old_slots);
    for mut bin in table {
        let is_high = |entry: &(u32, T)| entry.0 as usize & old_slots != 0;
        let last_is_high = bin.last().is_some_and(is_high);
        let run_length = bin.iter().rev().take_while(|entry| is_high(entry) == last_is_high).count();
        let run = bin.split_off(bin.len() - run_length);
        let (mut low, mut high) = if last_is_high { (Vec::new(), run) } else { (run, Vec::new()) };
        for entry in bin {
            let side = if is_high(&entry) { &mut high } else { &mut low };
            side.insert(0, entry);
        }
        low_half.push(low);
        high_half.push(high);
    }
    low_half.extend(high_half);
    low_half
}

/// `String.hashCode`.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

fn spread(hash: u32) -> u32 {
    hash ^ (hash >> 16)
}

/// `scala.collection.Hashing.improve`.
fn trie_hash(hash: u32) -> u32 {
    let hash = hash.wrapping_add(!(hash << 9));
    let hash = hash ^ (hash >> 14);
    let hash = hash.wrapping_add(hash << 4);
    hash ^ (hash >> 10)
}

/// Where a key comes in the trie: each node gives its own entries first, by five bits of the hash, then its subnodes.
fn trie_position(hash: u32, all: &[u32]) -> Vec<(bool, u32)> {
    let mut position = Vec::new();
    let mut shift = 0;
    while shift < 32 {
        let digit = (hash >> shift) & 31;
        let known = (1u64 << (shift + 5)) - 1;
        let same = |other: &&u32| u64::from(**other) & known == u64::from(hash) & known;
        let is_subnode = 1 < all.iter().filter(same).count();
        position.push((is_subnode, digit));
        if !is_subnode {
            break;
        }
        shift += 5;
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: i32) -> Vec<(String, i32)> {
        (0..count).map(|n| (n.to_string(), n)).collect()
    }

    #[test]
    fn every_order_keeps_every_entry() {
        for count in [0, 1, 4, 5, 11, 12, 13, 100, 1000] {
            for order in [scala_mutable, scala_immutable, properties] {
                let mut kept = order(numbers(count));
                kept.sort_by_key(|(_, n)| *n);
                assert_eq!(kept, numbers(count));
            }
        }
    }

    #[test]
    fn a_mutable_map_of_twelve_begins_with_eleven() {
        let order: Vec<i32> = scala_mutable(numbers(12)).into_iter().map(|(_, n)| n).collect();
        assert_eq!(order, [11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }
}
