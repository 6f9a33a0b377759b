//! Strict JSON for znodes: readers that look fields up by key and name the node and field when something is wrong,
//! and a writer whose bytes equal those of Kafka's encoder.
//! Knows no particular node. Source: contract 1.1; `kafka.utils.Json` (Jackson in its default configuration).

use std::fmt;

use serde_json::{Map, Value};

/// A znode's content is not what its format says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{node}{}{field}: {problem}", if field.is_empty() { "" } else { ", field " })]
pub struct Error {
    /// Which kind of node, by its path pattern.
    pub node: &'static str,
    /// Which field, with dots between levels; empty when the whole content is meant.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a node or field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The bytes are not JSON (or not the plain text the node holds).
    Malformed(String),
    /// A mandatory field is absent.
    Missing,
    /// The value has another type.
    Expected {
        /// The type that was needed.
        wanted: &'static str,
        /// The value found.
        found: String,
    },
    /// A version this code does not know.
    UnknownVersion(i64),
    /// The type is right but the value has no meaning here.
    Invalid(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "malformed: {why}"),
            Self::Missing => f.write_str("missing"),
            Self::Expected { wanted, found } => write!(f, "expected {wanted}, found {found}"),
            Self::UnknownVersion(version) => write!(f, "unknown version {version}"),
            Self::Invalid(why) => write!(f, "invalid: {why}"),
        }
    }
}

/// One parsed JSON document of a node.
#[derive(Debug)]
pub struct Document {
    node: &'static str,
    root: Value,
}

impl Document {
    /// Parses the content of a node; `node` names it in errors.
    ///
    /// # Errors
    /// [`Problem::Malformed`] if the bytes are not one JSON value.
    pub fn parse(node: &'static str, bytes: &[u8]) -> Result<Self, Error> {
        let root = serde_json::from_slice(bytes).map_err(|error| malformed(node, error.to_string()))?;
        Ok(Self { node, root })
    }

    /// The document as an object.
    ///
    /// # Errors
    /// [`Problem::Expected`] if it is anything else.
    pub fn object(&self) -> Result<Object<'_>, Error> {
        Field { node: self.node, at: String::new(), value: &self.root }.object()
    }
}

/// An error about a whole node.
#[must_use]
pub fn malformed(node: &'static str, why: impl Into<String>) -> Error {
    Error { node, field: String::new(), problem: Problem::Malformed(why.into()) }
}

/// The plain text of a node that holds no JSON.
///
/// # Errors
/// [`Problem::Malformed`] if it is not UTF-8.
pub fn text<'a>(node: &'static str, bytes: &'a [u8]) -> Result<&'a str, Error> {
    std::str::from_utf8(bytes).map_err(|error| malformed(node, error.to_string()))
}

/// The plain decimal number of a node that holds no JSON.
///
/// # Errors
/// [`Problem::Malformed`] if it is not such a number.
pub fn decimal<N: std::str::FromStr>(node: &'static str, bytes: &[u8]) -> Result<N, Error> {
    let text = text(node, bytes)?;
    text.parse().map_err(|_| malformed(node, format!("'{text}' is not a decimal number")))
}

/// An object inside a node.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    node: &'static str,
    at: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// The field `key`, if the object has it. `null` counts as a value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Field<'a>> {
        self.fields.get(key).map(|value| self.field(key, value))
    }

    /// The field `key`.
    ///
    /// # Errors
    /// [`Problem::Missing`].
    pub fn require(&self, key: &str) -> Result<Field<'a>, Error> {
        self.get(key).ok_or_else(|| Error { node: self.node, field: self.name(key), problem: Problem::Missing })
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> + '_ {
        self.fields.iter().map(|(key, value)| (key.as_str(), self.field(key, value)))
    }

    /// Checks the integer field `version` against what is readable.
    ///
    /// # Errors
    /// [`Problem::UnknownVersion`], or what is wrong with the field.
    pub fn version(&self, readable: std::ops::RangeInclusive<i32>) -> Result<i32, Error> {
        let field = self.require("version")?;
        let version = field.int()?;
        if readable.contains(&version) {
            Ok(version)
        } else {
            Err(field.error(Problem::UnknownVersion(i64::from(version))))
        }
    }

    fn field(&self, key: &str, value: &'a Value) -> Field<'a> {
        Field { node: self.node, at: self.name(key), value }
    }

    fn name(&self, key: &str) -> String {
        if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) }
    }
}

/// One value inside a node, with the name errors call it by.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    node: &'static str,
    at: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    /// A 32-bit integer.
    ///
    /// # Errors
    /// [`Problem::Expected`].
    pub fn int(&self) -> Result<i32, Error> {
        self.value.as_i64().and_then(|value| i32::try_from(value).ok()).ok_or_else(|| self.expected("a 32-bit integer"))
    }

    /// A 64-bit integer.
    ///
    /// # Errors
    /// [`Problem::Expected`].
    pub fn long(&self) -> Result<i64, Error> {
        self.value.as_i64().ok_or_else(|| self.expected("a 64-bit integer"))
    }

    /// A string.
    ///
    /// # Errors
    /// [`Problem::Expected`].
    pub fn text(&self) -> Result<&'a str, Error> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    /// A string or `null`.
    ///
    /// # Errors
    /// [`Problem::Expected`].
    pub fn text_or_null(&self) -> Result<Option<&'a str>, Error> {
        if self.value.is_null() { Ok(None) } else { self.text().map(Some) }
    }

    /// A string that holds a decimal 64-bit integer.
    ///
    /// # Errors
    /// [`Problem::Expected`].
    pub fn long_in_text(&self) -> Result<i64, Error> {
        self.text()?.parse().map_err(|_| self.expected("a 64-bit integer written as a string"))
    }

    /// An object.
    ///
    /// # Errors
    /// [`Problem::Expected`].
    pub fn object(&self) -> Result<Object<'a>, Error> {
        let fields = self.value.as_object().ok_or_else(|| self.expected("an object"))?;
        Ok(Object { node: self.node, at: self.at.clone(), fields })
    }

    /// The elements of an array.
    ///
    /// # Errors
    /// [`Problem::Expected`].
    pub fn list(&self) -> Result<impl Iterator<Item = Field<'a>> + use<'a>, Error> {
        let values = self.value.as_array().ok_or_else(|| self.expected("an array"))?;
        let (node, at) = (self.node, self.at.clone());
        Ok(values.iter().enumerate().map(move |(index, value)| Field { node, at: format!("{at}[{index}]"), value }))
    }

    /// An array whose elements all convert.
    ///
    /// # Errors
    /// [`Problem::Expected`] for the array, or the first element's error.
    pub fn list_of<T>(&self, convert: impl Fn(&Field<'a>) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        self.list()?.map(|field| convert(&field)).collect()
    }

    /// An error about this field.
    #[must_use]
    pub fn error(&self, problem: Problem) -> Error {
        Error { node: self.node, field: self.at.clone(), problem }
    }

    /// An error saying the value has no meaning here.
    #[must_use]
    pub fn invalid(&self, why: impl Into<String>) -> Error {
        self.error(Problem::Invalid(why.into()))
    }

    fn expected(&self, wanted: &'static str) -> Error {
        let mut found = self.value.to_string();
        if 100 < found.len() {
            let cut = (0..=100).rev().find(|&at| found.is_char_boundary(at)).unwrap_or(0);
            found.truncate(cut);
            found.push_str("...");
        }
        self.error(Problem::Expected { wanted, found })
    }
}

/// A value to be written, its keys in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// An integer.
    Number(i64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object; keys are written in this order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// An object of fields whose names are known.
    #[must_use]
    pub fn object<const N: usize>(fields: [(&str, Json); N]) -> Self {
        Self::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// An array of what the values become.
    #[must_use]
    pub fn list<T: Into<Json>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }

    /// Compact UTF-8, escaped as Jackson escapes: control characters and characters beyond the basic plane become
    /// `\uXXXX` with upper-case digits, everything else stays.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = String::new();
        self.write(&mut text);
        text.into_bytes()
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::Text(text) => write_text(text, out),
            Self::List(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    if 0 < index {
                        out.push(',');
                    }
                    value.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    if 0 < index {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..'\u{20}' | '\u{10000}'.. => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Self::Number(i64::from(value))
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<crate::BrokerId> for Json {
    fn from(value: crate::BrokerId) -> Self {
        Self::from(value.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_node_and_the_field() {
        let document = Document::parse("/brokers/topics/T", br#"{"partitions":{"0":["x"]}}"#).unwrap();
        let partitions = document.object().unwrap().require("partitions").unwrap().object().unwrap();
        let error = partitions.require("0").unwrap().list_of(Field::int).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/brokers/topics/T, field partitions.0[0]: expected a 32-bit integer, found \"x\""
        );
        let error = document.object().unwrap().require("version").unwrap_err();
        assert_eq!(error.to_string(), "/brokers/topics/T, field version: missing");
        assert!(Document::parse("/controller", b"{").unwrap_err().to_string().starts_with("/controller: malformed"));
    }

    #[test]
    fn text_is_escaped_as_jackson_escapes_it() {
        let json = Json::Text("a\"b\\c/dé€😀\u{1}\u{7f}\n<>&\u{2028}".to_owned());
        let expected = "\"a\\\"b\\\\c/dé€\\uD83D\\uDE00\\u0001\u{7f}\\n<>&\u{2028}\"";
        assert_eq!(String::from_utf8(json.encode()).unwrap(), expected);
    }
}
