//! The two checksums of the record formats. They are not interchangeable: CRC-32C (Castagnoli) guards batches of
//! magic 2, CRC-32 (IEEE) guards messages of magic 0 and 1.

use crc_fast::CrcAlgorithm::Crc32Iscsi;

/// CRC-32C, the checksum of magic 2.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// CRC-32C of `first` followed by `second`, from the CRC-32C of each: a patched header costs no second pass over the
/// records behind it.
#[must_use]
pub fn crc32c_joined(first: u32, second: u32, second_len: usize) -> u32 {
    let joined = crc_fast::checksum_combine(Crc32Iscsi, u64::from(first), u64::from(second), second_len as u64);
    u32::try_from(joined & u64::from(u32::MAX)).expect("masked to 32 bits")
}

/// CRC-32 (IEEE), the checksum of magic 0 and 1.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_is_the_castagnoli_variant() {
        // The check value of CRC-32C, RFC 3720 B.4 style.
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn crc32_is_the_ieee_variant() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn joining_two_checksums_equals_one_over_both() {
        for split in 0..9 {
            let (first, second) = b"123456789".split_at(split);
            assert_eq!(crc32c_joined(crc32c(first), crc32c(second), second.len()), 0xE306_9283, "split at {split}");
        }
    }
}
