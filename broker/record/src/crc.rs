//! The two checksums of the record formats. They are not interchangeable: CRC-32C (Castagnoli) guards batches of
//! magic 2, CRC-32 (IEEE) guards messages of magic 0 and 1.

use crc_fast::CrcAlgorithm::Crc32Iscsi;

/// CRC-32C, the checksum of magic 2.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The CRC-32C of some bytes whose front part was changed, without a second pass over the `rest_len` bytes behind it.
/// `whole` is the checksum before the change; `front_before` and `front_after` are those of the front part alone.
#[must_use]
pub fn crc32c_with_front_changed(whole: u32, front_before: u32, front_after: u32, rest_len: usize) -> u32 {
    // CRCs are linear: what the change adds is its own checksum carried over the bytes behind it.
    let change = u64::from(front_before ^ front_after);
    let carried = crc_fast::checksum_combine(Crc32Iscsi, change, 0, rest_len as u64);
    whole ^ u32::try_from(carried & u64::from(u32::MAX)).expect("masked to 32 bits")
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
    fn a_changed_front_needs_no_second_pass() {
        let rest = [7; 5000];
        for rest in [&rest[..0], &rest[..1], &rest] {
            let (before, after) = (b"front before".as_slice(), b"front behind".as_slice());
            let whole = crc32c(&[before, rest].concat());
            let patched = crc32c_with_front_changed(whole, crc32c(before), crc32c(after), rest.len());
            assert_eq!(patched, crc32c(&[after, rest].concat()), "{} bytes behind", rest.len());
        }
    }
}
