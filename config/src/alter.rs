//! What IncrementalAlterConfigs does to one property's text: set, delete, append to a list, take from a list.
//! Pure; whether the outcome is valid is asked elsewhere. Source: `ConfigAdminManager.prepareIncrementalConfigs`
//! in Kafka 3.9.

use crate::error::Error;
use crate::table::{Row, Texts};
use crate::value::{ConfigType, Kind};

/// One operation, as the request numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterOp {
    /// Give it this text.
    Set,
    /// Take its text away.
    Delete,
    /// Add these elements to the list.
    Append,
    /// Take these elements from the list.
    Subtract,
}

impl AlterOp {
    /// The operation with this number.
    pub fn from_code(code: i8) -> Option<Self> {
        [Self::Set, Self::Delete, Self::Append, Self::Subtract].into_iter().find(|op| op.code() == code)
    }

    /// Number in the request.
    pub fn code(self) -> i8 {
        match self {
            Self::Set => 0,
            Self::Delete => 1,
            Self::Append => 2,
            Self::Subtract => 3,
        }
    }
}

/// Applies one operation to the texts of an entity. A list that was not set starts from its default.
///
/// # Errors
/// [`Error::Conflict`] if the operation needs a list and the property is none, or needs a value and has none.
pub fn apply(texts: &mut Texts, row: Option<&Row>, name: &str, op: AlterOp, value: Option<&str>) -> Result<(), Error> {
    let given = || value.ok_or_else(|| Error::Conflict(format!("Null value not supported for : {name}")));
    match op {
        AlterOp::Delete => {
            texts.remove(name);
        }
        AlterOp::Set => {
            texts.insert(name.to_owned(), given()?.to_owned());
        }
        AlterOp::Append => {
            let mut list = list_of(texts, row, name, "append")?;
            for element in elements(given()?) {
                if !list.contains(&element) {
                    list.push(element);
                }
            }
            texts.insert(name.to_owned(), list.join(","));
        }
        AlterOp::Subtract => {
            let mut list = list_of(texts, row, name, "subtract")?;
            for element in elements(given()?) {
                if let Some(index) = list.iter().position(|kept| *kept == element) {
                    list.remove(index);
                }
            }
            texts.insert(name.to_owned(), list.join(","));
        }
    }
    Ok(())
}

fn list_of(texts: &Texts, row: Option<&Row>, name: &str, verb: &str) -> Result<Vec<String>, Error> {
    let refused = || Error::Conflict(format!("Config value {verb} is not allowed for config key: {name}"));
    let row = row.ok_or_else(|| Error::Conflict(format!("Unknown config name: {name}")))?;
    if row.kind != ConfigType::List {
        return Err(refused());
    }
    let text = texts.get(name).map(String::as_str).or(row.default).unwrap_or_default();
    Ok(elements(text))
}

fn elements(text: &str) -> Vec<String> {
    Vec::<String>::parse(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::topic_row;

    fn applied(before: &[(&str, &str)], op: AlterOp, name: &str, value: Option<&str>) -> Result<Texts, Error> {
        let mut texts = before.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        apply(&mut texts, topic_row(name), name, op, value)?;
        Ok(texts)
    }

    #[test]
    fn appending_adds_each_element_once_and_starts_from_the_default() {
        let texts = applied(&[], AlterOp::Append, "cleanup.policy", Some("compact,delete")).unwrap();
        assert_eq!(texts["cleanup.policy"], "delete,compact");
    }

    #[test]
    fn subtracting_takes_one_element_for_each_given() {
        let before = [("leader.replication.throttled.replicas", "0:1,1:1,0:1")];
        let texts = applied(&before, AlterOp::Subtract, before[0].0, Some("0:1")).unwrap();
        assert_eq!(texts[before[0].0], "1:1,0:1");
    }

    #[test]
    fn only_lists_can_be_appended_to() {
        let error = applied(&[], AlterOp::Append, "retention.ms", Some("1")).unwrap_err().to_string();
        assert_eq!(error, "Config value append is not allowed for config key: retention.ms");
    }

    #[test]
    fn setting_needs_a_value_and_deleting_does_not() {
        assert!(applied(&[], AlterOp::Set, "retention.ms", None).is_err());
        assert!(applied(&[("retention.ms", "1")], AlterOp::Delete, "retention.ms", None).unwrap().is_empty());
    }

    #[test]
    fn numbers_are_those_of_the_request() {
        assert_eq!(AlterOp::from_code(3), Some(AlterOp::Subtract));
        assert_eq!(AlterOp::from_code(4), None);
    }
}
