//! Kafka's way of putting any text into a znode's name: URL encoding with the characters JMX dislikes encoded too.
//! Source: `org.apache.kafka.common.utils.Sanitizer`; contract 1.3, /config.

/// Encodes all but `A-Za-z0-9._-` as `%XX` of the UTF-8 bytes.
#[must_use]
pub fn sanitize(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Undoes [`sanitize`]; also reads `+` as a space, as Java's decoder does.
/// Text that is no URL encoding is an error, as in Java.
///
/// # Errors
/// What is wrong with the text.
pub fn desanitize(name: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(format!("incomplete escape in '{name}'"));
                };
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("'{name}' does not encode UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_encoded_as_java_encodes_it() {
        assert_eq!(sanitize("alice smith"), "alice%20smith");
        assert_eq!(sanitize("a*b+c~d:é€"), "a%2Ab%2Bc%7Ed%3A%C3%A9%E2%82%AC");
        assert_eq!(sanitize("A-z0._-"), "A-z0._-");
        assert_eq!(sanitize("<default>"), "%3Cdefault%3E");
    }

    #[test]
    fn what_was_sanitized_comes_back() {
        for name in ["alice smith", "a*b+c~d:é€", "", "100%"] {
            assert_eq!(desanitize(&sanitize(name)).unwrap(), name);
        }
        assert_eq!(desanitize("a+b").unwrap(), "a b");
        assert!(desanitize("%4").is_err());
        assert!(desanitize("%zz").is_err());
        assert!(desanitize("%FF").is_err());
    }
}
