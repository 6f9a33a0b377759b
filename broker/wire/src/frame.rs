//! The size before every request and response.
//! Says whether a size is acceptable and writes the size of what we send; reads no socket.

use bytes::{BufMut as _, BytesMut};

/// Bytes of the size itself.
pub const SIZE_LEN: usize = 4;

/// A size no peer of good will sends; the connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Below zero.
    #[error("frame size {0} is negative")]
    Negative(i32),
    /// Above the bound.
    #[error("frame size {size} is above the bound of {max} bytes")]
    TooLarge {
        /// What the peer announced.
        size: i32,
        /// The bound, such as `socket.request.max.bytes`.
        max: usize,
    },
}

/// Reads the size at the front of `buffer`: `None` until four bytes are there.
///
/// # Errors
/// A size that is negative or above `max`.
pub fn size(buffer: &[u8], max: usize) -> Result<Option<usize>, Error> {
    let Some(bytes) = buffer.first_chunk::<SIZE_LEN>() else {
        return Ok(None);
    };
    let announced = i32::from_be_bytes(*bytes);
    let size = usize::try_from(announced).map_err(|_| Error::Negative(announced))?;
    if size <= max { Ok(Some(size)) } else { Err(Error::TooLarge { size: announced, max }) }
}

/// Leaves room for a frame's size at the end of `out`; hand the result to [`finish`] once the frame is written.
pub(crate) fn start(out: &mut BytesMut) -> usize {
    let start = out.len();
    out.put_i32(0);
    start
}

/// Fills in the size of the frame that began at `start` and now ends with `out`, plus `beyond` bytes that follow
/// elsewhere. `None` if the frame is longer than a size can say.
pub(crate) fn finish(out: &mut BytesMut, start: usize, beyond: usize) -> Option<()> {
    let body = out.len().checked_sub(start + SIZE_LEN)?;
    let size = i32::try_from(body.checked_add(beyond)?).ok()?;
    out.get_mut(start..start + SIZE_LEN)?.copy_from_slice(&size.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_once_four_bytes_are_there() {
        assert_eq!(size(&[0, 0, 1], 1024), Ok(None));
        assert_eq!(size(&[0, 0, 1, 0, 9], 1024), Ok(Some(256)));
    }

    #[test]
    fn negative_and_oversized_frames_are_refused() {
        assert_eq!(size(&(-1i32).to_be_bytes(), 1024), Err(Error::Negative(-1)));
        assert_eq!(size(&1025i32.to_be_bytes(), 1024), Err(Error::TooLarge { size: 1025, max: 1024 }));
    }
}
