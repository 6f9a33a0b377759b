//! Snapshots: the whole server at one transaction, as one checksummed file.
//! A snapshot appears under its name only when it is whole and synced.
//!
//! ```text
//! "MZKSNAP1" zxid:i64 next_session:i64 sessions:i32 nodes:i64, the sessions, the nodes, crc32c:u32 of all before it
//! ```

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use zk_schema::model::{SessionId, Snapshot, Zxid};

use super::log::private;
use super::transaction::{Decoder, decode_session, encode_node, encode_session};
use super::{Error, crc32c, io_error, sync_directory};
use crate::jute::{self, Reader, Write};

const MAGIC: &[u8; 8] = b"MZKSNAP1";

/// Writes a snapshot and gives its path.
pub fn write(directory: &Path, snapshot: &Snapshot) -> Result<PathBuf, Error> {
    let path = directory.join(format!("snapshot.{:x}", snapshot.zxid.0));
    let unfinished = path.with_extension("tmp");
    write_file(&unfinished, snapshot).map_err(io_error(&unfinished))?;
    std::fs::rename(&unfinished, &path).map_err(io_error(&path))?;
    sync_directory(directory)?;
    Ok(path)
}

fn write_file(path: &Path, snapshot: &Snapshot) -> std::io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    private(&mut options);
    let mut file = BufWriter::with_capacity(1 << 20, options.open(path)?);
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    let mut bytes = MAGIC.to_vec();
    bytes.long(snapshot.zxid.0);
    bytes.long(snapshot.next_session.0);
    bytes.count(snapshot.sessions.len());
    bytes.long(i64::try_from(snapshot.nodes.len()).unwrap_or(i64::MAX));
    snapshot.sessions.iter().for_each(|session| encode_session(&mut bytes, session));
    for (path, node) in &snapshot.nodes {
        encode_node(&mut bytes, path, node);
        if bytes.len() > 1 << 16 {
            digest.update(&bytes);
            file.write_all(&bytes)?;
            bytes.clear();
        }
    }
    digest.update(&bytes);
    let crc = u32::try_from(digest.finalize() & 0xffff_ffff).unwrap_or(0);
    bytes.extend_from_slice(&crc.to_be_bytes());
    file.write_all(&bytes)?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
}

/// Reads a snapshot back.
pub fn read(path: &Path) -> Result<Snapshot, Error> {
    let bytes = std::fs::read(path).map_err(io_error(path))?;
    let corrupt = |what: &str| Error::Corrupt { path: path.to_owned(), offset: 0, what: what.to_owned() };
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| corrupt("the file is too short"))?;
    if *crc != crc32c(body).to_be_bytes() {
        return Err(corrupt("the checksum is wrong"));
    }
    let body = body.strip_prefix(MAGIC).ok_or_else(|| corrupt("this is no snapshot"))?;
    decode(Reader::new(body)).map_err(|error| corrupt(&error.to_string()))
}

fn decode(mut reader: Reader<'_>) -> Result<Snapshot, jute::Error> {
    let zxid = Zxid(reader.long()?);
    let next_session = SessionId(reader.long()?);
    let session_count = reader.int()?;
    let node_count = reader.long()?;
    let sessions = (0..session_count).map(|_| decode_session(&mut reader)).collect::<Result<_, _>>()?;
    let mut decoder = Decoder::default();
    let nodes = (0..node_count).map(|_| decoder.node(&mut reader)).collect::<Result<_, _>>()?;
    Ok(Snapshot { zxid, next_session, sessions, nodes })
}
