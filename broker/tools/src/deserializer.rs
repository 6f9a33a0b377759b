//! Turns keys, values and header values into text as Kafka's deserializers and Java's `toString` would. Pure.
//! Source: `org.apache.kafka.common.serialization` of Kafka 3.9. Differs from Kafka: bytes that Java would print as an
//! object's address are printed as they are.

use crate::java;

/// A deserializer that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deserializer {
    /// UTF-8.
    String,
    /// As they are.
    ByteArray,
    /// Printable ASCII, everything else as `\xNN`.
    Bytes,
    /// One byte, 0 or 1.
    Boolean,
    /// Two bytes, the most significant first.
    Short,
    /// Four bytes.
    Integer,
    /// Eight bytes.
    Long,
    /// IEEE 754, four bytes.
    Float,
    /// IEEE 754, eight bytes.
    Double,
    /// A UUID's text.
    Uuid,
}

impl Deserializer {
    /// The deserializer of this class; the package may be left out.
    #[must_use]
    pub fn of_class(class: &str) -> Option<Self> {
        let class = class.trim();
        let name = class.strip_prefix("org.apache.kafka.common.serialization.").unwrap_or(class);
        Some(match name {
            "StringDeserializer" => Self::String,
            "ByteArrayDeserializer" | "ByteBufferDeserializer" => Self::ByteArray,
            "BytesDeserializer" => Self::Bytes,
            "BooleanDeserializer" => Self::Boolean,
            "ShortDeserializer" => Self::Short,
            "IntegerDeserializer" => Self::Integer,
            "LongDeserializer" => Self::Long,
            "FloatDeserializer" => Self::Float,
            "DoubleDeserializer" => Self::Double,
            "UUIDDeserializer" => Self::Uuid,
            _ => return None,
        })
    }

    /// The text of these bytes.
    ///
    /// # Errors
    /// What Kafka's deserializer says when they are not of its kind.
    pub fn text(self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(match self {
            Self::ByteArray => bytes.to_vec(),
            Self::String => String::from_utf8_lossy(bytes).into_owned().into_bytes(),
            Self::Bytes => printable(bytes).into_bytes(),
            Self::Boolean => match exactly::<1>(bytes, "BooleanDeserializer")? {
                [0] => b"false".to_vec(),
                [1] => b"true".to_vec(),
                [other] => {
                    return Err(format!("Unexpected byte received by BooleanDeserializer: {}", other.cast_signed()));
                }
            },
            Self::Short => i16::from_be_bytes(exactly(bytes, "ShortDeserializer")?).to_string().into_bytes(),
            Self::Integer => i32::from_be_bytes(exactly(bytes, "IntegerDeserializer")?).to_string().into_bytes(),
            Self::Long => i64::from_be_bytes(exactly(bytes, "LongDeserializer")?).to_string().into_bytes(),
            Self::Float => java::float(f32::from_be_bytes(exactly(bytes, "Deserializer")?)).into_bytes(),
            Self::Double => java::double(f64::from_be_bytes(exactly(bytes, "Deserializer")?)).into_bytes(),
            Self::Uuid => uuid(bytes).ok_or("Error parsing data into UUID")?.into_bytes(),
        })
    }
}

fn exactly<const N: usize>(bytes: &[u8], who: &str) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("Size of data received by {who} is not {N}"))
}

fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\x5C"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.push_str(&format!("\\x{other:02X}")),
        }
    }
    text
}

/// `8-4-4-4-12` hex digits, in small letters. Java is lenient about leading zeros; nobody writes them so.
fn uuid(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.to_ascii_lowercase();
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let is_hex = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    (is_hex && lengths == [8, 4, 4, 4, 12]).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(class: &str, bytes: &[u8]) -> Result<String, String> {
        let text = Deserializer::of_class(class).unwrap().text(bytes)?;
        Ok(String::from_utf8(text).unwrap())
    }

    #[test]
    fn numbers_are_read_from_their_bytes() {
        let package = "org.apache.kafka.common.serialization.";
        assert_eq!(text(&format!("{package}IntegerDeserializer"), &[0, 0, 1, 0]), Ok("256".to_owned()));
        assert_eq!(text("LongDeserializer", &(-5_i64).to_be_bytes()), Ok("-5".to_owned()));
        assert_eq!(text("ShortDeserializer", &[255, 255]), Ok("-1".to_owned()));
        assert_eq!(text("DoubleDeserializer", &1.5_f64.to_be_bytes()), Ok("1.5".to_owned()));
        assert_eq!(text("FloatDeserializer", &1e10_f32.to_be_bytes()), Ok("1.0E10".to_owned()));
        assert_eq!(text("BooleanDeserializer", &[1]), Ok("true".to_owned()));
        assert_eq!(text("BytesDeserializer", b"a\\\x01~"), Ok("a\\x5C\\x01~".to_owned()));
    }

    #[test]
    fn bytes_of_the_wrong_kind_are_refused_in_kafkas_words() {
        let said = text("IntegerDeserializer", b"abc").unwrap_err();
        assert_eq!(said, "Size of data received by IntegerDeserializer is not 4");
        assert_eq!(text("UUIDDeserializer", b"zz").unwrap_err(), "Error parsing data into UUID");
        assert!(Deserializer::of_class("com.example.Avro").is_none());
    }
}
