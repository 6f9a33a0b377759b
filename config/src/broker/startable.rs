//! What a configuration asks for and this broker does not do yet: noted, or refused where ignoring it would
//! weaken security or durability. Whether an effect is built is said by the row, except for security protocols.

use super::BrokerConfig;
use crate::error::Error;
use crate::table::{Effect, Row};
use crate::value::{HIDDEN, SecurityProtocol};

/// The security protocols a listener can speak. Add one here when it lands.
const BUILT_PROTOCOLS: &[SecurityProtocol] = &[SecurityProtocol::Plaintext];

impl BrokerConfig {
    /// Refuses to start where ignoring a property would weaken what it asks for.
    ///
    /// # Errors
    /// [`Error::NotBuilt`] naming every such property, its value and what to do.
    pub fn check_startable(&self) -> Result<(), Error> {
        let mut refusals: Vec<String> = self
            .changed_rows()
            .filter(|(row, _, _)| row.effect == Effect::WouldWeaken)
            .map(|(row, name, text)| {
                format!(
                    "  {name}={}: not built yet, and starting without it would be less safe; remove it",
                    shown(row, text)
                )
            })
            .collect();
        for (name, protocol) in self.bound_protocols() {
            if !BUILT_PROTOCOLS.contains(&protocol) {
                refusals.push(format!(
                    "  listeners: listener {name} uses {protocol}, which is not built yet; use PLAINTEXT or remove it"
                ));
            }
        }
        if refusals.is_empty() { Ok(()) } else { Err(Error::NotBuilt(refusals)) }
    }

    /// One line for each property that is set to something other than its default and does nothing here.
    pub fn not_built_notes(&self) -> Vec<String> {
        self.changed_rows()
            .filter_map(|(row, name, text)| {
                let why = match row.effect {
                    Effect::NotYet => "has no effect yet",
                    Effect::Never => "has no effect here",
                    Effect::Built | Effect::WouldWeaken => return None,
                };
                Some(format!("{name}={} {why}", shown(row, text)))
            })
            .collect()
    }

    /// Rows whose value differs from the default, with the name and text that set it.
    fn changed_rows(&self) -> impl Iterator<Item = (&'static Row, &str, &str)> {
        self.given.iter().filter_map(|(name, text)| {
            let row = super::broker_row(name)?;
            let default = row.default.and_then(|default| row.canonical(default).ok());
            (row.canonical(text).ok() != default).then_some((row, name, text))
        })
    }
}

fn shown<'a>(row: &Row, text: &'a str) -> &'a str {
    if row.is_sensitive() { HIDDEN } else { text }
}
