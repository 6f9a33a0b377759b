//! The bytes a connection has sent, cut into frames.
//! Memory follows what has arrived, not what was announced: a size alone buys at most one step.
//! Frames are slices of the buffer; a large frame gets the buffer to itself.

use bytes::{Buf as _, Bytes, BytesMut};
use wire::frame;

/// Room made for a connection that has said nothing yet, and the least room worth a read.
const ROOM_MIN: usize = 4 << 10;
/// Room for a connection that keeps filling it with small frames.
const ROOM_MAX: usize = 64 << 10;
/// The most memory taken at once for a frame that has not arrived.
const STEP_MAX: usize = 1 << 20;

pub(super) struct Input {
    buffer: BytesMut,
    frame_size_max: usize,
    room: usize,
}

impl Input {
    pub fn new(frame_size_max: usize) -> Self {
        Self { buffer: BytesMut::new(), frame_size_max, room: ROOM_MIN }
    }

    /// The next frame, without its size, if all of it is here.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, frame::Error> {
        let Some(size) = frame::size(&self.buffer, self.frame_size_max)? else {
            return Ok(None);
        };
        if self.buffer.len() - frame::SIZE_LEN < size {
            return Ok(None);
        }
        self.buffer.advance(frame::SIZE_LEN);
        Ok(Some(self.buffer.split_to(size).freeze()))
    }

    /// Size of the frame at the front, if known: what memory it is going to take.
    pub fn announced(&self) -> Option<usize> {
        frame::size(&self.buffer, self.frame_size_max).ok().flatten()
    }

    /// The buffer with room for the next read. Call when [`Self::next_frame`] has nothing more.
    pub fn with_room(&mut self) -> &mut BytesMut {
        let (len, capacity) = (self.buffer.len(), self.buffer.capacity());
        let total = self.announced().map_or(0, |size| size + frame::SIZE_LEN);
        if total > len + self.room {
            // A frame with a buffer of its own: one step at once, then doubled as it fills.
            let step = total.min(STEP_MAX);
            if capacity < step {
                self.buffer.reserve(step - len);
            } else if capacity == len {
                self.buffer.reserve((total - len).min(len));
            }
        } else if capacity - len < ROOM_MIN.max(total.saturating_sub(len)) {
            self.buffer.reserve(self.room);
        }
        &mut self.buffer
    }

    /// A read brought `len` bytes: one that filled its room is given more next time.
    pub fn received(&mut self, len: usize) {
        if len >= self.room {
            self.room = (2 * self.room).min(ROOM_MAX);
        }
    }

    /// The peer is silent and nothing is left: a buffer grown for a large frame is given back.
    pub fn rest(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > ROOM_MAX {
            self.buffer = BytesMut::new();
        }
    }

    /// Whether part of a frame has arrived.
    pub fn is_amid_frame(&self) -> bool {
        !self.buffer.is_empty()
    }

    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;

    use super::*;

    fn input_of(bytes: &[u8]) -> Input {
        let mut input = Input::new(100 << 20);
        input.with_room().put_slice(bytes);
        input
    }

    #[test]
    fn several_frames_of_one_read_come_out_one_by_one() {
        let mut input = input_of(&[0, 0, 0, 1, 7, 0, 0, 0, 2, 8, 9, 0, 0]);
        assert_eq!(input.next_frame().unwrap().unwrap(), &[7][..]);
        assert_eq!(input.next_frame().unwrap().unwrap(), &[8, 9][..]);
        assert_eq!(input.next_frame().unwrap(), None);
        assert!(input.is_amid_frame());
    }

    #[test]
    fn a_large_frame_arrives_in_one_buffer() {
        let size = 300 << 10;
        let mut input = input_of(&u32::to_be_bytes(size as u32));
        while input.next_frame().unwrap().is_none() {
            let buffer = input.with_room();
            let room = buffer.capacity() - buffer.len();
            assert!(room > 0);
            buffer.put_bytes(1, room.min(size + 4 - buffer.len()));
            if buffer.len() == size + 4 {
                assert_eq!(input.next_frame().unwrap().unwrap().len(), size);
                return;
            }
        }
    }

    #[test]
    fn a_promise_of_a_hundred_megabytes_buys_one_step() {
        let mut input = input_of(&(100i32 << 20).to_be_bytes());
        input.with_room();
        assert!(input.capacity() <= STEP_MAX + ROOM_MAX, "{}", input.capacity());
    }

    #[test]
    fn the_buffer_of_a_large_frame_is_given_back() {
        let size = 300 << 10;
        let mut input = input_of(&u32::to_be_bytes(size as u32));
        while input.buffer.len() < size + 4 {
            let missing = size + 4 - input.buffer.len();
            let buffer = input.with_room();
            let room = buffer.capacity() - buffer.len();
            buffer.put_bytes(1, room.min(missing));
        }
        drop(input.next_frame().unwrap().unwrap());
        input.with_room();
        input.rest();
        assert!(input.capacity() <= ROOM_MAX);
    }
}
