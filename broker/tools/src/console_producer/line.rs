//! Makes records of lines: `headers <tab> key <tab> value`, as far as keys and headers are asked for. Pure.
//! Source: `LineMessageReader` of Kafka 3.9 and `BufferedReader.readLine`.

use bytes::Bytes;
use client::producer::Outgoing;
use record::RecordHeader;
use regex::Regex;

use crate::settings::Settings;

/// Reads lines as it was told to.
#[derive(Debug)]
pub struct LineReader {
    parse_key: bool,
    parse_headers: bool,
    ignore_error: bool,
    key_separator: String,
    headers_delimiter: String,
    headers_separator: Regex,
    headers_key_separator: String,
    null_marker: Option<String>,
    line_number: u64,
}

impl LineReader {
    /// A reader with these properties.
    ///
    /// # Errors
    /// When two separators are the same or one is no regular expression.
    pub fn new(properties: &Settings) -> Result<Self, String> {
        let text = |name: &str, default: &str| properties.get(name).unwrap_or(default).to_owned();
        let is_true = |name: &str| properties.get(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let separator = text("headers.separator", ",");
        let reader = Self {
            parse_key: is_true("parse.key"),
            parse_headers: is_true("parse.headers"),
            ignore_error: is_true("ignore.error"),
            key_separator: text("key.separator", "\t"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: Regex::new(&separator).map_err(|error| error.to_string())?,
            headers_key_separator: text("headers.key.separator", ":"),
            null_marker: properties.get("null.marker").map(str::to_owned),
            line_number: 0,
        };
        let marker = reader.null_marker.as_deref();
        let pairs = [
            ("headers.delimiter", Some(&*reader.headers_delimiter), "headers.separator", &*separator),
            (
                "headers.delimiter",
                Some(&*reader.headers_delimiter),
                "headers.key.separator",
                &*reader.headers_key_separator,
            ),
            ("headers.separator", Some(&*separator), "headers.key.separator", &*reader.headers_key_separator),
            ("null.marker", marker, "key.separator", &*reader.key_separator),
            ("null.marker", marker, "headers.separator", &*separator),
            ("null.marker", marker, "headers.delimiter", &*reader.headers_delimiter),
            ("null.marker", marker, "headers.key.separator", &*reader.headers_key_separator),
        ];
        match pairs.iter().find(|(_, one, _, other)| *one == Some(*other)) {
            Some((one, _, other, _)) => Err(format!("{one} and {other} may not be equal")),
            None => Ok(reader),
        }
    }

    /// Makes a record of the next line.
    ///
    /// # Errors
    /// When a separator is missing, unless such errors are to be ignored.
    pub fn read(&mut self, line: &str) -> Result<Outgoing, String> {
        self.line_number += 1;
        let (headers, rest) = self.cut(self.parse_headers, line, line, &self.headers_delimiter, "headers delimiter")?;
        let (key, value) = self.cut(self.parse_key, line, rest, &self.key_separator, "key separator")?;
        let headers = match headers.filter(|headers| !self.is_null(headers)) {
            Some(headers) => self.split_headers(headers)?,
            None => Vec::new(),
        };
        Ok(Outgoing {
            key: key.and_then(|key| self.bytes(key)),
            value: self.bytes(value),
            headers,
            ..Outgoing::default()
        })
    }

    fn is_null(&self, field: &str) -> bool {
        self.null_marker.as_deref() == Some(field)
    }

    fn bytes(&self, field: &str) -> Option<Bytes> {
        (!self.is_null(field)).then(|| Bytes::copy_from_slice(field.as_bytes()))
    }

    /// What stands before a separator, and what behind it.
    fn cut<'a>(
        &self,
        enabled: bool,
        line: &str,
        rest: &'a str,
        separator: &str,
        name: &str,
    ) -> Result<(Option<&'a str>, &'a str), String> {
        if !enabled {
            return Ok((None, rest));
        }
        match rest.split_once(separator) {
            Some((field, rest)) => Ok((Some(field), rest)),
            None if self.ignore_error => Ok((None, rest)),
            None => Err(format!("No {name} found on line number {}: '{line}'", self.line_number)),
        }
    }

    fn split_headers(&self, headers: &str) -> Result<Vec<RecordHeader>, String> {
        let mut pairs: Vec<&str> = self.headers_separator.split(headers).collect();
        // As in Java, empty fields at the end do not count, but for an empty text as a whole.
        while pairs.len() > 1 && pairs.last().is_some_and(|last| last.is_empty()) {
            pairs.pop();
        }
        let header = |pair: &str| {
            let Some((key, value)) = pair.split_once(&*self.headers_key_separator) else {
                if self.ignore_error {
                    return Ok(RecordHeader { key: Bytes::copy_from_slice(pair.as_bytes()), value: None });
                }
                let number = self.line_number;
                return Err(format!("No header key separator found in pair '{pair}' on line number {number}"));
            };
            if self.is_null(key) {
                let text = "Header keys should not be equal to the null marker";
                return Err(format!("{text} '{key}' as they can't be null"));
            }
            Ok(RecordHeader { key: Bytes::copy_from_slice(key.as_bytes()), value: self.bytes(value) })
        };
        pairs.into_iter().map(header).collect()
    }
}

/// The lines of a chunk that ends behind a line feed or with the input. A carriage return ends a line as well.
/// What is no UTF-8 becomes U+FFFD, as in Java.
#[must_use]
pub fn split(chunk: &[u8]) -> Vec<String> {
    let body = chunk.strip_suffix(b"\n").unwrap_or(chunk);
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    body.split(|byte| *byte == b'\r').map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(words: &[&str]) -> Result<LineReader, String> {
        let mut settings = Settings::default();
        settings.add_words(words.iter().copied());
        LineReader::new(&settings)
    }

    fn texts(record: &Outgoing) -> (Option<&str>, Option<&str>) {
        let text =
            |bytes: &'_ Option<Bytes>| bytes.as_ref().map(|bytes| std::str::from_utf8(bytes).unwrap().to_owned());
        let leak = |text: Option<String>| text.map(|text| &*text.leak());
        (leak(text(&record.key)), leak(text(&record.value)))
    }

    #[test]
    fn a_line_is_a_value_unless_more_is_asked_for() {
        let record = reader(&[]).unwrap().read("a\tb").unwrap();
        assert_eq!(texts(&record), (None, Some("a\tb")));
        let record = reader(&["parse.key=true"]).unwrap().read("a\tb\tc").unwrap();
        assert_eq!(texts(&record), (Some("a"), Some("b\tc")));
        let record = reader(&["parse.key=true", "key.separator=::"]).unwrap().read("a::b").unwrap();
        assert_eq!(texts(&record), (Some("a"), Some("b")));
    }

    #[test]
    fn headers_come_first() {
        let mut reader = reader(&["parse.key=true", "parse.headers=true", "null.marker=NULL"]).unwrap();
        let record = reader.read("h1:v1,h2:NULL,\tk\tNULL").unwrap();
        assert_eq!(texts(&record), (Some("k"), None));
        let headers: Vec<_> = record.headers.iter().map(|h| (&h.key[..], h.value.as_deref())).collect();
        assert_eq!(headers, [(&b"h1"[..], Some(&b"v1"[..])), (b"h2", None)]);
        assert!(reader.read("NULL\tk\tv").unwrap().headers.is_empty());
        assert!(reader.read("NULL:x\tk\tv").unwrap_err().starts_with("Header keys should not be equal"));
    }

    #[test]
    fn a_missing_separator_is_told_with_its_line() {
        let mut strict = reader(&["parse.key=true"]).unwrap();
        strict.read("k\tv").unwrap();
        assert_eq!(strict.read("none").unwrap_err(), "No key separator found on line number 2: 'none'");
        let record = reader(&["parse.key=true", "ignore.error=true"]).unwrap().read("none").unwrap();
        assert_eq!(texts(&record), (None, Some("none")));
    }

    #[test]
    fn separators_must_differ() {
        assert_eq!(
            reader(&["headers.delimiter=,"]).unwrap_err(),
            "headers.delimiter and headers.separator may not be equal"
        );
        assert_eq!(reader(&["null.marker=\t"]).unwrap_err(), "null.marker and key.separator may not be equal");
    }

    #[test]
    fn lines_end_with_either_or_both_returns() {
        assert_eq!(split(b"a\r\n"), ["a"]);
        assert_eq!(split(b"a\rb\n"), ["a", "b"]);
        assert_eq!(split(b"\n"), [""]);
        assert_eq!(split(b"last"), ["last"]);
        assert_eq!(split(b"\xff\n"), ["\u{fffd}"]);
    }
}
