//! Zig-zag varints of the v2 record layout, read from strangers' bytes and written to a buffer.
//! Source: `org.apache.kafka.common.utils.ByteUtils` (at most 5 bytes for an int, 10 for a long).

/// Reads a zig-zag varint of at most 32 bits from the front of `bytes`; answers the value and the bytes used.
/// `None` if it is cut short or longer than five bytes.
#[must_use]
#[inline]
pub fn read_i32(bytes: &[u8]) -> Option<(i32, usize)> {
    let (raw, used) = read_unsigned::<5>(bytes)?;
    // Bits beyond the 32nd are dropped, as Kafka drops them.
    let raw = (raw & u64::from(u32::MAX)) as u32;
    Some((((raw >> 1) as i32) ^ -((raw & 1) as i32), used))
}

/// Reads a zig-zag varint of at most 64 bits; like [`read_i32`] with ten bytes.
#[must_use]
#[inline]
pub fn read_i64(bytes: &[u8]) -> Option<(i64, usize)> {
    let (raw, used) = read_unsigned::<10>(bytes)?;
    Some((((raw >> 1) as i64) ^ -((raw & 1) as i64), used))
}

#[inline]
fn read_unsigned<const MAX: usize>(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((u64::from(first), 1));
    }
    let mut value = u64::from(first & 0x7f);
    for (index, &byte) in bytes.iter().enumerate().take(MAX).skip(1) {
        // Index 9 shifts by 63: only the lowest bit of the tenth byte counts.
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Appends `value` as a zig-zag varint.
pub fn write_i32(out: &mut Vec<u8>, value: i32) {
    write_unsigned(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

/// Appends `value` as a zig-zag varint.
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    write_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes [`write_i32`] takes.
#[must_use]
pub fn len_i32(value: i32) -> usize {
    len_unsigned(u64::from(((value << 1) ^ (value >> 31)) as u32))
}

/// Bytes [`write_i64`] takes.
#[must_use]
pub fn len_i64(value: i64) -> usize {
    len_unsigned(((value << 1) ^ (value >> 63)) as u64)
}

fn len_unsigned(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ints_come_back(value: i32) {
            let mut out = Vec::new();
            write_i32(&mut out, value);
            prop_assert_eq!(out.len(), len_i32(value));
            prop_assert_eq!(read_i32(&out), Some((value, out.len())));
            prop_assert_eq!(read_i32(&out[..out.len() - 1]), None);
        }

        #[test]
        fn longs_come_back(value: i64) {
            let mut out = Vec::new();
            write_i64(&mut out, value);
            prop_assert_eq!(out.len(), len_i64(value));
            prop_assert_eq!(read_i64(&out), Some((value, out.len())));
        }
    }

    #[test]
    fn extremes_take_five_and_ten_bytes() {
        for value in [i32::MIN, i32::MAX] {
            assert_eq!(len_i32(value), 5);
        }
        for value in [i64::MIN, i64::MAX] {
            assert_eq!(len_i64(value), 10);
        }
        assert_eq!((len_i32(0), len_i32(-1), len_i32(63), len_i32(64)), (1, 1, 1, 2));
    }

    #[test]
    fn a_varint_that_never_ends_is_refused() {
        assert_eq!(read_i32(&[0xff; 6]), None);
        assert_eq!(read_i64(&[0xff; 11]), None);
    }
}
