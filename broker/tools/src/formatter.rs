//! How the console consumer writes a record. Pure: a record in, bytes out.
//! Source: `DefaultMessageFormatter` of Kafka 3.9 and its kin.

mod internal;

use client::consumer::Received;
use record::NO_TIMESTAMP;

use crate::command::err;
use crate::deserializer::Deserializer;
use crate::settings::Settings;
use internal::Internal;

const PACKAGE: &str = "org.apache.kafka.tools.consumer.";

/// A way to write records.
#[derive(Clone, Debug)]
pub enum Formatter {
    /// Key, value and more, as asked for.
    Default(Columns),
    /// The same, and once more to the log.
    Logging(Columns),
    /// Nothing at all.
    NoOp,
    /// What Kafka keeps in its own topics.
    Internal(Internal),
}

impl Formatter {
    /// The formatter of this class, set up with these properties. An old name is taken with a warning.
    ///
    /// # Errors
    /// The class's name, when it is not known here.
    pub fn of_class(class: &str, properties: &Settings) -> Result<Self, String> {
        let columns = || Columns::new(properties);
        let formatter = match class.strip_prefix(PACKAGE).unwrap_or(class) {
            "DefaultMessageFormatter" | "kafka.tools.DefaultMessageFormatter" => Self::Default(columns()),
            "LoggingMessageFormatter" | "kafka.tools.LoggingMessageFormatter" => Self::Logging(columns()),
            "NoOpMessageFormatter" | "kafka.tools.NoOpMessageFormatter" => Self::NoOp,
            "OffsetsMessageFormatter" => Self::Internal(Internal::Offsets),
            "GroupMetadataMessageFormatter" => Self::Internal(Internal::GroupMetadata),
            "TransactionLogMessageFormatter" => Self::Internal(Internal::TransactionLog),
            "kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter" => {
                Self::Internal(Internal::OldOffsets)
            }
            "kafka.coordinator.group.GroupMetadataManager$GroupMetadataMessageFormatter" => {
                Self::Internal(Internal::OldGroupMetadata)
            }
            "kafka.coordinator.transaction.TransactionLog$TransactionLogMessageFormatter" => {
                Self::Internal(Internal::OldTransactionLog)
            }
            _ => return Err(class.to_owned()),
        };
        if class.starts_with("kafka.") {
            let name = class.rsplit(['.', '$']).next().unwrap_or(class);
            err(&format!(
                "WARNING: {class} is deprecated and will be removed in the next major release. Please use \
                 {PACKAGE}{name} instead\n"
            ));
        }
        Ok(formatter)
    }

    /// Appends what is to be written of a record.
    ///
    /// # Errors
    /// When its bytes are not what they should be.
    pub fn write(&self, record: &Received, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Default(columns) => columns.write(record, out),
            Self::Logging(columns) => {
                let text = |bytes: &Option<bytes::Bytes>| {
                    bytes.as_ref().map_or_else(|| "null".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
                };
                let (key, value) = (text(&record.record.key), text(&record.record.value));
                let stamp = timestamp(record).map_or_else(String::new, |stamp| format!("{stamp}, "));
                tracing::info!("{stamp}key:{key}, value:{value}");
                columns.write(record, out)
            }
            Self::NoOp => Ok(()),
            Self::Internal(internal) => internal.write(&record.record, out),
        }
    }
}

/// Which parts of a record are written, and what stands between them.
#[derive(Clone, Debug)]
pub struct Columns {
    timestamp: bool,
    partition: bool,
    offset: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null_literal: String,
    key_deserializer: Option<Deserializer>,
    value_deserializer: Option<Deserializer>,
    headers_deserializer: Option<Deserializer>,
}

impl Columns {
    fn new(properties: &Settings) -> Self {
        let is_true = |name: &str, default: bool| {
            properties.get(name).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
        };
        let text = |name: &str, default: &str| properties.get(name).unwrap_or(default).to_owned();
        let deserializer = |name: &str| {
            let class = properties.get(name)?;
            let found = Deserializer::of_class(class);
            if found.is_none() {
                err(&format!("ERROR Unable to instantiate a deserializer from {class}\n"));
            }
            found
        };
        Self {
            timestamp: is_true("print.timestamp", false),
            partition: is_true("print.partition", false),
            offset: is_true("print.offset", false),
            headers: is_true("print.headers", false),
            key: is_true("print.key", false),
            value: is_true("print.value", true),
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null_literal: text("null.literal", "null"),
            key_deserializer: deserializer("key.deserializer"),
            value_deserializer: deserializer("value.deserializer"),
            headers_deserializer: deserializer("headers.deserializer"),
        }
    }

    fn write(&self, received: &Received, out: &mut Vec<u8>) -> Result<(), String> {
        let record = &received.record;
        let mut fields: Vec<Vec<u8>> = Vec::new();
        if self.timestamp {
            fields.push(timestamp(received).unwrap_or_else(|| "NO_TIMESTAMP".to_owned()).into_bytes());
        }
        if self.partition {
            fields.push(format!("Partition:{}", received.partition).into_bytes());
        }
        if self.offset {
            fields.push(format!("Offset:{}", record.offset).into_bytes());
        }
        if self.headers {
            fields.push(self.header_list(received)?);
        }
        if self.key {
            fields.push(self.text(self.key_deserializer, record.key.as_deref())?);
        }
        if self.value {
            fields.push(self.text(self.value_deserializer, record.value.as_deref())?);
        }
        if !fields.is_empty() {
            out.extend(fields.join(self.key_separator.as_bytes()));
            out.extend(self.line_separator.as_bytes());
        }
        Ok(())
    }

    fn header_list(&self, received: &Received) -> Result<Vec<u8>, String> {
        if received.record.headers.is_empty() {
            return Ok(b"NO_HEADERS".to_vec());
        }
        let mut pairs = Vec::new();
        for header in &received.record.headers {
            let mut pair = header.key.to_vec();
            pair.push(b':');
            pair.extend(self.text(self.headers_deserializer, header.value.as_deref())?);
            pairs.push(pair);
        }
        Ok(pairs.join(self.headers_separator.as_bytes()))
    }

    /// Differs from Kafka: null is always the literal; Kafka hands the literal to the deserializer, which makes a number
    /// of the letters.
    fn text(&self, deserializer: Option<Deserializer>, bytes: Option<&[u8]>) -> Result<Vec<u8>, String> {
        match (bytes, deserializer) {
            (None, _) => Ok(self.null_literal.clone().into_bytes()),
            (Some(bytes), None) => Ok(bytes.to_vec()),
            (Some(bytes), Some(deserializer)) => deserializer.text(bytes),
        }
    }
}

/// `CreateTime:1` or `LogAppendTime:1`; nothing for a record without a timestamp.
fn timestamp(received: &Received) -> Option<String> {
    let kind = if received.log_append_time { "LogAppendTime" } else { "CreateTime" };
    let timestamp = received.record.timestamp;
    (timestamp != NO_TIMESTAMP).then(|| format!("{kind}:{timestamp}"))
}

#[cfg(test)]
mod tests;
