//! `/migration`: how far a migration to KRaft has come. Written by KRaft controllers only; a broker just reads it.
//! Source: `kafka.zk.MigrationZNode`.

use crate::json::{Document, Error};

/// Content of `/migration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The KRaft controller in charge.
    pub kraft_controller_id: i32,
    /// Its epoch.
    pub kraft_controller_epoch: i32,
    /// Offset in the metadata log up to which ZooKeeper was brought.
    pub kraft_metadata_offset: i64,
    /// Epoch of that offset.
    pub kraft_metadata_epoch: i32,
}

impl Migration {
    /// Reads version 0.
    ///
    /// # Errors
    /// What is wrong with the content.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let document = Document::parse("/migration", bytes)?;
        let object = document.object()?;
        object.version(0..=0)?;
        Ok(Self {
            kraft_controller_id: object.require("kraft_controller_id")?.int()?,
            kraft_controller_epoch: object.require("kraft_controller_epoch")?.int()?,
            kraft_metadata_offset: object.require("kraft_metadata_offset")?.long()?,
            kraft_metadata_epoch: object.require("kraft_metadata_epoch")?.int()?,
        })
    }
}
