//! Ids for topics that were created without one: numbers drawn from a seed that the shell drew.
//! The same seed gives the same ids, so that a simulation repeats itself.

use zk_schema::TopicId;

/// Draws topic ids. SplitMix64 twice per id, started from 128 random bits.
#[derive(Debug)]
pub(super) struct TopicIds {
    state: [u64; 2],
}

impl TopicIds {
    pub(super) const fn new(seed: u128) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the seed")]
        let state = [(seed >> 64) as u64, seed as u64];
        Self { state }
    }

    pub(super) fn draw(&mut self) -> TopicId {
        loop {
            let mut bytes = [0; 16];
            for (half, state) in bytes.chunks_exact_mut(8).zip(&mut self.state) {
                half.copy_from_slice(&split_mix(state).to_be_bytes());
            }
            if let Some(id) = TopicId::from_random(bytes) {
                return id;
            }
        }
    }
}

/// One step of SplitMix64.
const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
