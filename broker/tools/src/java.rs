//! What Java's own classes contribute to the commands' output: the order of a hash map, how numbers are written,
//! what an exception is called. Pure.
//! Source: `java.util.HashMap`, `Double.toString`, and `Errors` of Kafka 3.9.

use client::Error;
use wire::ErrorCode;

/// `String.hashCode`.
fn hash_code(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

/// Puts entries with distinct keys into the order a `HashMap` made without a size would give them, had they been put
/// into it as they stand here.
pub fn hash_order<T>(entries: &mut [T], key: impl Fn(&T) -> &str) {
    let mut buckets = 16_usize;
    while entries.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    let bucket = |entry: &T| {
        let hash = hash_code(key(entry));
        usize::try_from(hash ^ (hash >> 16)).unwrap_or(0) & (buckets - 1)
    };
    entries.sort_by_key(bucket);
}

/// `Double.toString`, as of JDK 19: the fewest digits that tell the number.
#[must_use]
pub fn double(value: f64) -> String {
    if value.is_nan() || value.is_infinite() { not_finite(value) } else { decimal(&format!("{value:e}")) }
}

/// `Float.toString`, as of JDK 19.
#[must_use]
pub fn float(value: f32) -> String {
    if value.is_nan() || value.is_infinite() { not_finite(value.into()) } else { decimal(&format!("{value:e}")) }
}

fn not_finite(value: f64) -> String {
    let text = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    text.to_owned()
}

/// From `-1.25e-3`: plain from 10^-3 up to 10^7, else with an `E`; always with a digit behind the point.
fn decimal(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = usize::try_from(exponent + 1).unwrap_or(0);
    let or_zero = |digits: &str| if digits.is_empty() { "0".to_owned() } else { digits.to_owned() };
    let number = if digits == "0" {
        "0.0".to_owned()
    } else if (0..7).contains(&exponent) {
        let padded = format!("{digits:0<point$}");
        format!("{}.{}", &padded[..point], or_zero(&padded[point..]))
    } else if (-3..0).contains(&exponent) {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        format!("0.{}{digits}", "0".repeat(zeros))
    } else {
        format!("{}.{}E{exponent}", &digits[..1], or_zero(&digits[1..]))
    };
    format!("{sign}{number}")
}

/// The class of the exception Java's clients make of an error.
#[must_use]
pub fn exception_class(code: ErrorCode) -> String {
    let irregular = match code {
        ErrorCode::InvalidRecord => return "org.apache.kafka.common.InvalidRecordException".to_owned(),
        ErrorCode::UnknownServerError => "UnknownServerException",
        ErrorCode::CorruptMessage => "CorruptRecordException",
        ErrorCode::RequestTimedOut => "TimeoutException",
        ErrorCode::MessageTooLarge => "RecordTooLargeException",
        ErrorCode::StaleControllerEpoch => "ControllerMovedException",
        ErrorCode::OffsetMetadataTooLarge => "OffsetMetadataTooLarge",
        ErrorCode::NetworkException => "NetworkException",
        ErrorCode::InvalidTopicException => "InvalidTopicException",
        ErrorCode::RecordListTooLarge => "RecordBatchTooLargeException",
        ErrorCode::TopicAlreadyExists => "TopicExistsException",
        ErrorCode::InvalidConfig => "InvalidConfigurationException",
        ErrorCode::OutOfOrderSequenceNumber => "OutOfOrderSequenceException",
        ErrorCode::DuplicateSequenceNumber => "DuplicateSequenceException",
        ErrorCode::InvalidProducerIdMapping => "InvalidPidMappingException",
        ErrorCode::InvalidTransactionTimeout => "InvalidTxnTimeoutException",
        ErrorCode::KafkaStorageError => "KafkaStorageException",
        ErrorCode::NonEmptyGroup => "GroupNotEmptyException",
        ErrorCode::FetchSessionTopicIdError => "FetchSessionTopicIdException",
        ErrorCode::DelegationTokenAuthDisabled => "DelegationTokenDisabledException",
        ErrorCode::DelegationTokenRequestNotAllowed => "UnsupportedByAuthenticationException",
        ErrorCode::PrincipalDeserializationFailure => "PrincipalDeserializationException",
        ErrorCode::TopicAuthorizationFailed
        | ErrorCode::GroupAuthorizationFailed
        | ErrorCode::ClusterAuthorizationFailed
        | ErrorCode::TransactionalIdAuthorizationFailed
        | ErrorCode::DelegationTokenAuthorizationFailed
        | ErrorCode::SaslAuthenticationFailed => "",
        other => return format!("org.apache.kafka.common.errors.{}Exception", camel_case(other.name())),
    };
    if irregular.is_empty() {
        let name = code.name().trim_end_matches("_FAILED");
        return format!("org.apache.kafka.common.errors.{}Exception", camel_case(name));
    }
    format!("org.apache.kafka.common.errors.{irregular}")
}

fn camel_case(name: &str) -> String {
    let capitalised = |word: &str| {
        let (head, tail) = word.split_at_checked(1).unwrap_or((word, ""));
        format!("{head}{}", tail.to_lowercase())
    };
    name.split('_').map(capitalised).collect()
}

/// `Throwable.toString` of the exception Java's clients make of an error. What no broker said is a timeout there.
#[must_use]
pub fn exception(error: &Error) -> String {
    let class = exception_class(error.code().unwrap_or(ErrorCode::RequestTimedOut));
    format!("{class}: {}", error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_come_in_the_order_of_a_hash_map() {
        // A topic has some 35 configs, which is what the size of the map comes from.
        let others: Vec<String> = (0..32).map(|index| format!("other.{index}")).collect();
        let mut names = vec!["segment.bytes", "retention.ms", "cleanup.policy"];
        names.extend(others.iter().map(String::as_str));
        hash_order(&mut names, |name| name);
        names.retain(|name| !name.starts_with("other"));
        assert_eq!(names, ["cleanup.policy", "segment.bytes", "retention.ms"], "as Kafka 3.9.1 printed them");
    }

    #[test]
    fn numbers_are_written_as_java_does() {
        let doubles = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-12.5, "-12.5"),
            (0.001, "0.001"),
            (0.000_123, "1.23E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.234e21, "1.234E21"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in doubles {
            assert_eq!(double(value), text);
        }
        assert_eq!(float(0.1), "0.1");
        assert_eq!(float(3.402_823_5e38), "3.4028235E38");
    }

    #[test]
    fn exceptions_are_called_as_in_java() {
        let class = |code| exception_class(code).rsplit('.').next().unwrap_or_default().to_owned();
        assert_eq!(class(ErrorCode::GroupIdNotFound), "GroupIdNotFoundException");
        assert_eq!(class(ErrorCode::NonEmptyGroup), "GroupNotEmptyException");
        assert_eq!(class(ErrorCode::UnknownTopicOrPartition), "UnknownTopicOrPartitionException");
        assert_eq!(class(ErrorCode::TopicAuthorizationFailed), "TopicAuthorizationException");
        assert_eq!(class(ErrorCode::FeatureUpdateFailed), "FeatureUpdateFailedException");
    }
}
