//! Open files, read and written at given positions, and pieces of them handed out for sending.
//! Never moves a file cursor, so that any number of threads may use one file.

use std::fs;
use std::io;
use std::io::IoSlice;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;

/// An open file. Clones share it; it closes with the last of them, so a deleted file stays readable for those who hold it.
#[derive(Clone, Debug)]
pub struct File {
    file: Arc<fs::File>,
}

impl File {
    pub(super) fn new(file: fs::File) -> Self {
        Self { file: Arc::new(file) }
    }

    /// Reads up to `buffer.len()` bytes at `position`; fewer only at the end of the file.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        read_full_at(&self.file, buffer, position)
    }

    /// Reads exactly `buffer.len()` bytes at `position`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the file ends before, or whatever the file system says.
    pub fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, position)
    }

    /// Writes all of `bytes` at `position`.
    ///
    /// # Errors
    /// Whatever the file system says; part of the bytes may then have been written.
    pub fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, position)
    }

    /// Writes `pieces` one behind the other at `position`, in one system call if the kernel takes them all.
    ///
    /// # Errors
    /// Whatever the file system says; part of the bytes may then have been written.
    pub fn write_vectored_at(&self, mut pieces: &mut [IoSlice<'_>], mut position: u64) -> io::Result<()> {
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            let batch = pieces.len().min(PIECES_MAX);
            match rustix::io::pwritev(&*self.file, &pieces[..batch], position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    position += written as u64;
                    IoSlice::advance_slices(&mut pieces, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Cuts or extends the file. Extending leaves a hole, which reads as zeros and takes no space.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    /// Length in bytes.
    ///
    /// # Errors
    /// Whatever the file system says.
    #[expect(clippy::len_without_is_empty, reason = "a file's length is asked of the disk, and its emptiness never")]
    pub fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }

    /// When it was last written, in milliseconds since 1970.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn modified_ms(&self) -> io::Result<i64> {
        modified_ms(&self.file.metadata()?)
    }

    /// Forces content and length to the disk.
    ///
    /// # Errors
    /// Whatever the file system says. After a failure the kernel may have dropped what it could not write.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// A piece of this file, to be sent or read later.
    #[must_use]
    pub fn slice(&self, position: u64, len: usize) -> FileSlice {
        FileSlice { file: Some(Arc::clone(&self.file)), position, len }
    }
}

/// The kernel's limit of pieces in one vectored write (`IOV_MAX`).
const PIECES_MAX: usize = 1024;

/// A piece of a segment holding whole record batches.
///
/// The file stays open and readable as long as the slice lives, also when retention has deleted it. Truncation is the
/// exception: when a follower cuts off records that were never committed, a slice in flight may come up short. Its
/// reader must then close the connection, for the promised length has been sent already.
#[derive(Clone, Debug, Default)]
pub struct FileSlice {
    /// The segment; `None` only if the slice is empty.
    pub file: Option<Arc<fs::File>>,
    /// Where in the file it begins.
    pub position: u64,
    /// Its length in bytes.
    pub len: usize,
}

impl FileSlice {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the slice into memory.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the log was truncated meanwhile, or whatever the file system says.
    pub fn read_to_bytes(&self) -> io::Result<Bytes> {
        let Some(file) = &self.file else { return Ok(Bytes::new()) };
        let mut buffer = vec![0; self.len];
        file.read_exact_at(&mut buffer, self.position)?;
        Ok(buffer.into())
    }
}

pub(super) fn modified_ms(metadata: &fs::Metadata) -> io::Result<i64> {
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn read_full_at(file: &fs::File, mut buffer: &mut [u8], mut position: u64) -> io::Result<usize> {
    let mut total = 0;
    while !buffer.is_empty() {
        match file.read_at(buffer, position) {
            Ok(0) => break,
            Ok(read) => {
                total += read;
                position += read as u64;
                buffer = buffer.get_mut(read..).unwrap_or_default();
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn pieces_land_one_behind_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let file = Disk::real().create_empty(&dir.path().join("f")).unwrap();
        let many: Vec<Vec<u8>> = (0..3000u32).map(|i| i.to_be_bytes().to_vec()).collect();
        let mut pieces: Vec<IoSlice<'_>> = many.iter().map(|piece| IoSlice::new(piece)).collect();
        file.write_vectored_at(&mut pieces, 5).unwrap();
        assert_eq!(file.len().unwrap(), 5 + 12_000);
        assert_eq!(&file.slice(5, 12_000).read_to_bytes().unwrap()[..], many.concat());
    }

    #[test]
    fn a_slice_outlives_the_files_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = Disk::real().create_empty(&path).unwrap();
        file.write_all_at(b"abcdef", 0).unwrap();
        let slice = file.slice(2, 3);
        drop(file);
        fs::remove_file(&path).unwrap();
        assert_eq!(&slice.read_to_bytes().unwrap()[..], b"cde");
    }
}
