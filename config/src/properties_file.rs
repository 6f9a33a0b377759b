//! The `.properties` text format, as Java reads it: ISO-8859-1, `\uXXXX`, continuations, three separators.
//! Knows no property. Source: `java.util.Properties.load`.

use std::fs;
use std::path::Path;

use java_properties::PropertiesIter;

use crate::error::Error;
use crate::table::Texts;

/// Reads a file. A key given twice has its last value.
///
/// # Errors
/// [`Error::Unreadable`] or [`Error::Malformed`].
pub fn read(path: &Path) -> Result<Texts, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    parse(&bytes).map_err(|reason| Error::Malformed { path: path.to_owned(), reason })
}

/// Reads text in memory.
///
/// # Errors
/// What is wrong and in which line.
pub fn parse(bytes: &[u8]) -> Result<Texts, String> {
    let ascii = escaped(bytes);
    let mut texts = Texts::new();
    PropertiesIter::new(ascii.as_slice())
        .read_into(|name, text| {
            texts.insert(name, text);
        })
        .map_err(|error| error.to_string())?;
    Ok(texts)
}

/// Splits `name=value` as the command line gives it.
///
/// # Errors
/// What is missing.
pub fn parse_override(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err(format!("Invalid --override {text}: expected property=value")),
    }
}

/// Writes bytes above 127 as `\uXXXX`: the parser takes them for Windows-1252, Java for ISO-8859-1.
fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut ascii = Vec::with_capacity(bytes.len());
    let mut backslashes = 0;
    for &byte in bytes {
        if byte.is_ascii() {
            ascii.push(byte);
        } else {
            // A backslash in front already begins the escape.
            if backslashes % 2 == 0 {
                ascii.push(b'\\');
            }
            ascii.extend_from_slice(format!("u{byte:04x}").as_bytes());
        }
        backslashes = if byte == b'\\' { backslashes + 1 } else { 0 };
    }
    ascii
}

#[cfg(test)]
#[path = "properties_file/tests.rs"]
mod tests;
