//! `/controller_epoch`: how many controllers there have been, as plain decimal text. Its zkVersion guards every write
//! of the controller. Source: `kafka.zk.ControllerEpochZNode`.

use crate::ControllerEpoch;
use crate::json::{self, Error};

/// What the node holds before the first election.
pub const INITIAL: ControllerEpoch = ControllerEpoch(0);

/// The bytes to write.
#[must_use]
pub fn encode(epoch: ControllerEpoch) -> Vec<u8> {
    epoch.to_string().into_bytes()
}

/// Reads the epoch.
///
/// # Errors
/// If the content is no decimal number.
pub fn decode(bytes: &[u8]) -> Result<ControllerEpoch, Error> {
    json::decimal("/controller_epoch", bytes).map(ControllerEpoch)
}
