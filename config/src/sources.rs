//! Where each text came from: the file, an override on the command line, or a dynamic change.
//! The layers are merged by figment through a provider of our own, because figment's own providers split
//! keys at dots, which breaks `broker.id` beside `broker.id.generation.enable`.

use std::collections::BTreeMap;
use std::fmt;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use crate::error::Error;
use crate::table::Texts;

/// Which layer a text came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The properties file, or the map a program handed in.
    File,
    /// `--override` on the command line.
    Override,
    /// `/config/brokers/<default>`.
    DynamicDefault,
    /// `/config/brokers/N`.
    DynamicBroker,
    /// `/config/topics/T`, or a quota node.
    Entity,
}

impl Origin {
    const ALL: [Self; 5] = [Self::File, Self::Override, Self::DynamicDefault, Self::DynamicBroker, Self::Entity];

    /// Whether a running broker was told so.
    pub fn is_dynamic(self) -> bool {
        matches!(self, Self::DynamicDefault | Self::DynamicBroker)
    }

    /// What to call it in a message.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Override => "override",
            Self::DynamicDefault => "dynamic default",
            Self::DynamicBroker => "dynamic broker",
            Self::Entity => "entity",
        }
    }
}

/// One layer: a flat dictionary, dots kept.
struct Flat<'a> {
    origin: Origin,
    texts: &'a Texts,
}

impl Provider for Flat<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.name())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict: Dict = self.texts.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect();
        Ok(Profile::Default.collect(dict))
    }
}

/// The texts that were set, each with its origin. Its `Debug` form names properties only: a text may be a secret.
#[derive(Clone, Default)]
pub struct Given {
    /// From the weakest layer to the strongest; never empty.
    texts: BTreeMap<String, Vec<(Origin, String)>>,
}

impl fmt::Debug for Given {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.texts.keys().map(|name| (name, self.origin(name)))).finish()
    }
}

impl Given {
    /// Merges layers; a later one wins.
    pub(crate) fn merged(layers: &[(Origin, &Texts)]) -> Result<Self, Error> {
        let figment = layers
            .iter()
            .fold(Figment::new(), |figment, (origin, texts)| figment.merge(Flat { origin: *origin, texts }));
        let data = figment.data().map_err(|error| Error::Conflict(error.to_string()))?;
        let mut given = Self::default();
        for (name, value) in data.get(&Profile::Default).into_iter().flatten() {
            let layer = figment.get_metadata(value.tag()).map(|metadata| metadata.name.clone());
            let origin = Origin::ALL.into_iter().find(|origin| layer.as_deref() == Some(origin.name()));
            if let (Some(text), Some(origin)) = (value.as_str(), origin) {
                given.texts.insert(name.clone(), vec![(origin, text.to_owned())]);
            }
        }
        Ok(given)
    }

    /// One layer alone.
    pub(crate) fn of(origin: Origin, texts: &Texts) -> Self {
        let mut given = Self::default();
        given.add(origin, texts);
        given
    }

    /// Lays one more layer over these.
    pub(crate) fn add(&mut self, origin: Origin, texts: &Texts) {
        for (name, text) in texts {
            self.texts.entry(name.clone()).or_default().push((origin, text.clone()));
        }
    }

    /// Only what was there at the start.
    pub(crate) fn without_dynamic(&self) -> Self {
        let mut given = self.clone();
        for layers in given.texts.values_mut() {
            layers.retain(|(origin, _)| !origin.is_dynamic());
        }
        given.texts.retain(|_, layers| !layers.is_empty());
        given
    }

    /// The text that counts for a property, if it was set.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name)?.last().map(|(_, text)| text.as_str())
    }

    /// Which layer that text came from.
    pub fn origin(&self, name: &str) -> Option<Origin> {
        self.texts.get(name)?.last().map(|(origin, _)| *origin)
    }

    /// Every text set for a property, from the weakest layer to the strongest.
    pub fn layers(&self, name: &str) -> &[(Origin, String)] {
        self.texts.get(name).map_or(&[], Vec::as_slice)
    }

    /// Every property set and the text that counts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().filter_map(|(name, layers)| Some((name.as_str(), layers.last()?.1.as_str())))
    }

    /// The texts alone.
    pub fn texts(&self) -> Texts {
        self.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_later_layer_wins_and_the_origin_is_remembered() {
        let file = texts(&[("broker.id", "1"), ("broker.id.generation.enable", "false"), ("num.partitions", "4")]);
        let overrides = texts(&[("broker.id", "2")]);

        let given = Given::merged(&[(Origin::File, &file), (Origin::Override, &overrides)]).unwrap();

        assert_eq!((given.text("broker.id"), given.origin("broker.id")), (Some("2"), Some(Origin::Override)));
        assert_eq!(given.origin("num.partitions"), Some(Origin::File));
        assert_eq!(given.text("broker.id.generation.enable"), Some("false"));
        assert_eq!(given.text("log.dir"), None);
    }
}
