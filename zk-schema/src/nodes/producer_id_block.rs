//! `/latest_producer_id_block`: the last block of producer ids given out. Bounds are inclusive and written as strings.
//! Source: `kafka.zk.ProducerIdBlockZNode`, `org.apache.kafka.server.common.ProducerIdsBlock`.

use crate::json::{self, Document, Error, Json};
use crate::{BrokerId, ProducerId};

const NODE: &str = "/latest_producer_id_block";
/// How many ids a block has.
pub const BLOCK_SIZE: i64 = 1000;

/// A block of producer ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The broker the block was given to.
    pub broker: BrokerId,
    /// First id of the block.
    pub first: ProducerId,
    /// Last id of the block.
    pub last: ProducerId,
}

impl ProducerIdBlock {
    /// The block after `previous` (the very first one if there is none), or `None` when ids have run out.
    #[must_use]
    pub fn next(previous: Option<Self>, broker: BrokerId) -> Option<Self> {
        let first = match previous {
            Some(previous) if i64::MAX - BLOCK_SIZE < previous.last.0 => return None,
            Some(previous) => previous.last.0 + 1,
            None => 0,
        };
        Some(Self { broker, first: ProducerId(first), last: ProducerId(first + BLOCK_SIZE - 1) })
    }

    /// The bytes to write.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Json::object([
            ("version", 1.into()),
            ("broker", self.broker.into()),
            ("block_start", self.first.to_string().into()),
            ("block_end", self.last.to_string().into()),
        ])
        .encode()
    }

    /// Reads the block; a node without data has given out none yet.
    ///
    /// # Errors
    /// What is wrong with the content.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, Error> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let document = Document::parse(NODE, bytes)?;
        let object = document.object()?;
        let block = Self {
            broker: BrokerId(object.require("broker")?.int()?),
            first: ProducerId(object.require("block_start")?.long_in_text()?),
            last: ProducerId(object.require("block_end")?.long_in_text()?),
        };
        if block.first.0 < 0 || block.last < block.first {
            return Err(json::malformed(NODE, format!("no block of ids: {} to {}", block.first, block.last)));
        }
        Ok(Some(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_one_another_until_ids_run_out() {
        let first = ProducerIdBlock::next(None, BrokerId(1)).unwrap();
        assert_eq!((first.first.0, first.last.0), (0, 999));
        let second = ProducerIdBlock::next(Some(first), BrokerId(2)).unwrap();
        assert_eq!((second.first.0, second.last.0, second.broker.0), (1000, 1999, 2));
        let last = ProducerIdBlock { last: ProducerId(i64::MAX - 5), ..second };
        assert_eq!(ProducerIdBlock::next(Some(last), BrokerId(1)), None);
    }
}
