//! `/config/changes/config_change_<seq>`: says whose config was changed; readers then read the config itself.
//! Source: `kafka.common.ZkNodeChangeNotificationListener`, `kafka.server.ZkConfigManager`.

use super::config::{ConfigEntity, InvalidEntity};
use crate::json::{Document, Error, Field, Json};

/// The bytes to write; always version 2.
#[must_use]
pub fn encode(entity: &ConfigEntity) -> Vec<u8> {
    Json::object([("version", 2.into()), ("entity_path", entity.to_string().into())]).encode()
}

/// Reads versions 1 and 2.
///
/// # Errors
/// What is wrong with the content.
pub fn decode(bytes: &[u8]) -> Result<ConfigEntity, Error> {
    let document = Document::parse("/config/changes/config_change_N", bytes)?;
    let object = document.object()?;
    let invalid = |field: &Field<'_>, why: InvalidEntity| field.invalid(why.to_string());
    match object.version(1..=2)? {
        1 => {
            let kind = object.require("entity_type")?.text()?;
            let name = object.require("entity_name")?;
            // Version 1 knew topics and clients alone.
            if !matches!(kind, "topics" | "clients") {
                return Err(object.require("entity_type")?.invalid("neither topics nor clients"));
            }
            ConfigEntity::parse(&format!("{kind}/{}", name.text()?)).map_err(|why| invalid(&name, why))
        }
        _ => {
            let path = object.require("entity_path")?;
            ConfigEntity::parse(path.text()?).map_err(|why| invalid(&path, why))
        }
    }
}
