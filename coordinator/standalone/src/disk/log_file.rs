//! The bytes of one log file, and what can be told from damaged ones.
//! Never opens a file: it is given bytes and gives bytes.
//!
//! ```text
//! file  = "MZKLOG01" first_zxid:i64 crc32c:u32, then frames
//! frame = "MZKB" length:u32 first_zxid:i64 count:u32 payload_crc32c:u32 header_crc32c:u32, then the payload
//! ```
//!
//! A frame is one group of transactions, written and synced as one. The next frame is written only after that, so:
//! a bad frame with a good one behind it was acknowledged and is damaged: we refuse. A bad frame with nothing good
//! behind it never finished: it is cut. A frame of no transactions is written on a clean stop, and makes the one before
//! it provable too.

use zk_schema::model::{Transaction, Zxid};

use super::crc32c;
use super::transaction::{Decoder, encode_transaction};
use crate::jute::{Reader, Write};

const FILE_MAGIC: &[u8; 8] = b"MZKLOG01";
const FRAME_MAGIC: &[u8; 4] = b"MZKB";
pub const FILE_HEADER_LEN: usize = 20;
const FRAME_HEADER_LEN: usize = 28;

/// The bytes a log file begins with.
pub fn file_header(first: Zxid) -> Vec<u8> {
    let mut header = FILE_MAGIC.to_vec();
    header.long(first.0);
    push_crc(&mut header, FILE_HEADER_LEN - 4);
    header
}

/// Transactions on their way to one frame. Its header is filled in last.
#[derive(Debug)]
pub struct Frame {
    bytes: Vec<u8>,
    first: Zxid,
    last: Zxid,
    count: u32,
}

impl Frame {
    /// A frame of no transactions yet; the next one is `first`.
    pub fn new(first: Zxid) -> Frame {
        Frame { bytes: vec![0; FRAME_HEADER_LEN], first, last: first, count: 0 }
    }

    pub fn push(&mut self, transaction: &Transaction) {
        encode_transaction(&mut self.bytes, transaction);
        self.last = transaction.zxid;
        self.count += 1;
    }

    pub fn payload_len(&self) -> usize {
        self.bytes.len() - FRAME_HEADER_LEN
    }

    pub fn last(&self) -> Zxid {
        self.last
    }

    /// The frame as it goes to disk.
    pub fn finish(mut self) -> Vec<u8> {
        let payload = self.bytes.get(FRAME_HEADER_LEN..).unwrap_or_default();
        let mut header = FRAME_MAGIC.to_vec();
        header.count(payload.len());
        header.long(self.first.0);
        header.int(self.count.cast_signed());
        header.extend_from_slice(&crc32c(payload).to_be_bytes());
        push_crc(&mut header, FRAME_HEADER_LEN - 4);
        if let Some(place) = self.bytes.get_mut(..FRAME_HEADER_LEN) {
            place.copy_from_slice(&header);
        }
        self.bytes
    }
}

/// What a log file holds.
#[derive(Debug)]
pub struct Scan {
    /// Its transactions in order.
    pub transactions: Vec<Transaction>,
    /// How many bytes are good; what follows never finished.
    pub good_len: usize,
}

/// Where a file is damaged, and how it shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Damage {
    pub offset: usize,
    pub what: String,
}

/// Reads a log file that begins with transaction `first`.
pub fn scan(file: &[u8], first: Zxid) -> Result<Scan, Damage> {
    let mut scan = Scan { transactions: Vec::new(), good_len: 0 };
    if !file.starts_with(&file_header(first)) {
        return torn_or_damaged(file, scan, "the file header is wrong");
    }
    scan.good_len = FILE_HEADER_LEN;
    let mut next = first;
    let mut decoder = Decoder::default();
    while scan.good_len < file.len() {
        let rest = file.get(scan.good_len..).unwrap_or_default();
        let Some(frame) = Parsed::of(rest) else {
            return torn_or_damaged(file, scan, "the checksum of a group of transactions is wrong");
        };
        if frame.first != next {
            let what = format!("transaction {} where {} should be", frame.first.0, next.0);
            return Err(Damage { offset: scan.good_len, what });
        }
        frame.decode(&mut decoder, &mut scan.transactions, &mut next).map_err(|what| {
            // The checksum holds, so this was written wrongly; no part of it can be trusted.
            Damage { offset: scan.good_len, what }
        })?;
        scan.good_len += frame.len();
    }
    Ok(scan)
}

fn torn_or_damaged(file: &[u8], scan: Scan, what: &str) -> Result<Scan, Damage> {
    let from = scan.good_len;
    match good_frame_after(file, from + 1) {
        None => Ok(scan),
        Some(later) => {
            Err(Damage { offset: from, what: format!("{what}, and good transactions follow at byte {later}") })
        }
    }
}

fn good_frame_after(file: &[u8], from: usize) -> Option<usize> {
    let magic_at = |at: &usize| file.get(*at..).is_some_and(|rest| rest.starts_with(FRAME_MAGIC));
    (from..file.len()).filter(magic_at).find(|at| file.get(*at..).and_then(Parsed::of).is_some())
}

/// A frame whose checksums hold.
struct Parsed<'a> {
    first: Zxid,
    count: usize,
    payload: &'a [u8],
}

impl<'a> Parsed<'a> {
    fn of(bytes: &'a [u8]) -> Option<Parsed<'a>> {
        let (header, rest) = bytes.split_at_checked(FRAME_HEADER_LEN)?;
        let (signed, crc) = header.split_at_checked(FRAME_HEADER_LEN - 4)?;
        if !signed.starts_with(FRAME_MAGIC) || crc != crc32c(signed).to_be_bytes() {
            return None;
        }
        let mut fields = Reader::new(signed.get(FRAME_MAGIC.len()..)?);
        let len = usize::try_from(fields.int().ok()?).ok()?;
        let first = Zxid(fields.long().ok()?);
        let count = usize::try_from(fields.int().ok()?).ok()?;
        let payload = rest.get(..len)?;
        (fields.bytes(4).ok()? == crc32c(payload).to_be_bytes()).then_some(Parsed { first, count, payload })
    }

    fn len(&self) -> usize {
        FRAME_HEADER_LEN + self.payload.len()
    }

    fn decode(&self, decoder: &mut Decoder, into: &mut Vec<Transaction>, next: &mut Zxid) -> Result<(), String> {
        let mut reader = Reader::new(self.payload);
        for _ in 0..self.count {
            let transaction = decoder.transaction(&mut reader).map_err(|error| error.to_string())?;
            if transaction.zxid != *next {
                return Err(format!("transaction {} where {} should be", transaction.zxid.0, next.0));
            }
            *next = next.next();
            into.push(transaction);
        }
        if reader.is_empty() { Ok(()) } else { Err("a group is longer than its transactions".to_owned()) }
    }
}

fn push_crc(header: &mut Vec<u8>, len: usize) {
    let crc = crc32c(header.get(..len).unwrap_or_default());
    header.extend_from_slice(&crc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use zk_schema::model::{CreateMode, Model, Request};

    /// A file of `groups` groups, and where each ends.
    fn written(groups: usize, clean: bool) -> (Vec<u8>, Vec<usize>) {
        let mut model = Model::new(1);
        let mut file = file_header(Zxid(1));
        let mut ends = vec![file.len()];
        let opened = model.open_session(6_000, zk_schema::model::Password([3; 16]), 7);
        let session = opened.session;
        let mut frame = Frame::new(opened.zxid);
        frame.push(&opened);
        for group in 0..groups {
            for name in ["a", "b"] {
                let create = Request::create(&format!("/{name}{group}"), b"data", CreateMode::Persistent);
                frame.push(&model.apply(session, create, 8).transaction.unwrap());
            }
            file.extend(std::mem::replace(&mut frame, Frame::new(Zxid(0))).finish());
            ends.push(file.len());
            frame = Frame::new(model.last_zxid().next());
        }
        if clean {
            file.extend(frame.finish());
        }
        (file, ends)
    }

    fn transactions_in(groups: usize) -> usize {
        if groups == 0 { 0 } else { 1 + 2 * groups }
    }

    #[test]
    fn cut_at_any_byte_the_whole_groups_before_it_remain() {
        let (file, ends) = written(4, false);
        for cut in 0..=file.len() {
            let scan = scan(&file[..cut], Zxid(1)).unwrap();
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            assert_eq!(scan.transactions.len(), transactions_in(whole.saturating_sub(1)), "cut at {cut}");
            assert_eq!(scan.good_len, whole.checked_sub(1).map_or(0, |last| ends[last]), "cut at {cut}");
        }
    }

    #[test]
    fn any_flipped_bit_before_the_last_group_is_refused_with_its_place() {
        let (file, ends) = written(4, false);
        let last_group = ends[3];
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (at % 8);
            let result = scan(&damaged, Zxid(1));
            if at < last_group {
                let damage = result.unwrap_err();
                let group = ends.iter().rfind(|&&end| end <= at).copied().unwrap_or(0);
                assert_eq!(damage.offset, group, "flipped at {at}: {}", damage.what);
            } else {
                // The last group cannot be told from one that never finished.
                assert_eq!(result.unwrap().good_len, last_group, "flipped at {at}");
            }
        }
    }

    #[test]
    fn after_a_clean_stop_any_flipped_bit_is_refused() {
        let (file, ends) = written(2, true);
        let (groups_end, end_mark) = (ends[2], file.len());
        for at in 0..groups_end {
            let mut damaged = file.clone();
            damaged[at] ^= 0x40;
            scan(&damaged, Zxid(1)).unwrap_err();
        }
        assert_eq!(scan(&file, Zxid(1)).unwrap().good_len, end_mark);
    }

    #[test]
    fn zeros_behind_the_last_group_are_cut() {
        let (mut file, ends) = written(2, false);
        file.extend([0; 100]);
        assert_eq!(scan(&file, Zxid(1)).unwrap().good_len, ends[2]);
    }
}
