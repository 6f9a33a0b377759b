//! `/feature`: features the cluster has finalized, and whether the feature system is on. Its zkVersion is the epoch
//! ApiVersions reports. Source: `kafka.zk.FeatureZNode`.

use std::collections::BTreeMap;

use crate::json::{Document, Error, Json};

/// Content of `/feature`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// Layout: 2 from inter-broker version 3.3-IV0 on, else 1.
    pub version: i32,
    /// Whether the finalized features count.
    pub enabled: bool,
    /// Highest finalized version of each feature.
    pub features: BTreeMap<String, i16>,
}

impl Features {
    /// The bytes to write, in the layout of `self.version`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let levels = |level: i16| {
            let mut fields = vec![("max_version_level".to_owned(), i32::from(level).into())];
            if self.version == 1 {
                fields.push(("min_version_level".to_owned(), i32::from(level).into()));
            }
            Json::Object(fields)
        };
        Json::object([
            ("features", Json::Object(self.features.iter().map(|(name, &max)| (name.clone(), levels(max))).collect())),
            ("version", self.version.into()),
            ("status", i32::from(self.enabled).into()),
        ])
        .encode()
    }

    /// Reads versions 1 and 2.
    ///
    /// # Errors
    /// What is wrong with the content.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let document = Document::parse("/feature", bytes)?;
        let object = document.object()?;
        let version = object.version(1..=2)?;
        let status = object.require("status")?;
        let enabled = match status.int()? {
            0 => false,
            1 => true,
            _ => return Err(status.invalid("neither 0 nor 1")),
        };
        let mut features = BTreeMap::new();
        for (name, field) in object.require("features")?.object()?.iter() {
            let levels = field.object()?;
            let max_field = levels.require("max_version_level")?;
            let max = i16::try_from(max_field.int()?).map_err(|_| max_field.invalid("not a 16-bit integer"))?;
            let min = if version == 1 { levels.require("min_version_level")?.int()? } else { 1 };
            if max < 1 || min < 1 || i32::from(max) < min {
                return Err(field.invalid("expected 1 <= min_version_level <= max_version_level"));
            }
            features.insert(name.to_owned(), max);
        }
        Ok(Self { version, enabled, features })
    }
}
