//! Kinds of value a property may take, and how each is read and written back.
//! Knows no property by name. Source: `ConfigDef.parseType` and `ConfigDef.convertToString` in Kafka 3.9.

use std::fmt;

/// What DescribeConfigs calls the kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// 32 bits.
    Int,
    /// 16 bits.
    Short,
    /// 64 bits.
    Long,
    /// A real number.
    Double,
    /// Texts between commas.
    List,
    /// Name of a Java class.
    Class,
    /// Text never shown.
    Password,
}

impl ConfigType {
    /// Number in a DescribeConfigs response.
    pub fn code(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    /// Kafka's word in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Int => "int",
            Self::Short => "short",
            Self::Long => "long",
            Self::Double => "double",
            Self::List => "list",
            Self::Class => "class",
            Self::Password => "password",
        }
    }
}

/// A value as the checks see it.
#[derive(Debug)]
pub enum Checked<'a> {
    /// Any integer.
    Integer(i64),
    /// A real number.
    Real(f64),
    /// Text.
    Text(&'a str),
    /// Texts.
    List(&'a [String]),
    /// Nothing left to check.
    Nothing,
}

/// A type a field may have.
pub trait Kind: Sized {
    /// What DescribeConfigs calls it.
    const TYPE: ConfigType;
    /// The words it may be, if it is one of a few.
    const WORDS: &'static [&'static str] = &[];

    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it, as the end of "Invalid value x for configuration y: ...".
    fn parse(text: &str) -> Result<Self, String>;

    /// The text Kafka shows for this value; `None` for null and for secrets.
    fn show(&self) -> Option<String>;

    /// The text Kafka shows for this value, which was read from `given`.
    fn text(&self, given: &str) -> String {
        self.show().unwrap_or_else(|| given.trim().to_owned())
    }

    /// What the checks look at.
    fn checked(&self) -> Checked<'_> {
        Checked::Nothing
    }

    /// The value Kafka calls null, if it may be that.
    fn null() -> Option<Self> {
        None
    }
}

macro_rules! integers {
    ($($type:ty, $kind:ident, $word:literal;)+) => {$(
        impl Kind for $type {
            const TYPE: ConfigType = ConfigType::$kind;

            fn parse(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| concat!("Not a number of type ", $word).to_owned())
            }

            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }

            fn checked(&self) -> Checked<'_> {
                Checked::Integer(i64::from(*self))
            }
        }
    )+};
}

integers! {
    i16, Short, "SHORT";
    i32, Int, "INT";
    i64, Long, "LONG";
}

impl Kind for f64 {
    const TYPE: ConfigType = ConfigType::Double;

    fn parse(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "Not a number of type DOUBLE".to_owned())
    }

    fn show(&self) -> Option<String> {
        Some(java_double(*self))
    }

    fn checked(&self) -> Checked<'_> {
        Checked::Real(*self)
    }
}

/// A real number as Java writes it: at least one digit after the point, `E` outside 0.001 to 10 million.
pub fn java_double(number: f64) -> String {
    let size = number.abs();
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if size == 0.0 || (1e-3..1e7).contains(&size) {
        format!("{number:?}")
    } else {
        let text = format!("{number:E}");
        match text.split_once('E') {
            Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
            _ => text,
        }
    }
}

impl Kind for bool {
    const TYPE: ConfigType = ConfigType::Boolean;

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("true") {
            Ok(true)
        } else if text.eq_ignore_ascii_case("false") {
            Ok(false)
        } else {
            Err("Expected value to be either true or false".to_owned())
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Kind for String {
    const TYPE: ConfigType = ConfigType::String;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.trim().to_owned())
    }

    fn show(&self) -> Option<String> {
        Some(self.clone())
    }

    fn checked(&self) -> Checked<'_> {
        Checked::Text(self)
    }
}

impl Kind for Vec<String> {
    const TYPE: ConfigType = ConfigType::List;

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::new());
        }
        Ok(text.split(',').map(|element| element.trim().to_owned()).collect())
    }

    fn show(&self) -> Option<String> {
        Some(self.join(","))
    }

    fn checked(&self) -> Checked<'_> {
        Checked::List(self)
    }
}

/// Empty or null in a file means "not set", so a nullable field is an `Option`.
impl<T: Kind> Kind for Option<T> {
    const TYPE: ConfigType = T::TYPE;
    const WORDS: &'static [&'static str] = T::WORDS;

    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(Kind::show)
    }

    fn text(&self, given: &str) -> String {
        self.as_ref().map_or_else(String::new, |value| value.text(given))
    }

    fn checked(&self) -> Checked<'_> {
        self.as_ref().map_or(Checked::Nothing, Kind::checked)
    }

    fn null() -> Option<Self> {
        Some(None)
    }
}

/// What stands for a password wherever one would be shown.
pub const HIDDEN: &str = "[hidden]";

/// A secret. Shows itself as `[hidden]`; only [`Password::expose`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

impl fmt::Display for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

impl Kind for Password {
    const TYPE: ConfigType = ConfigType::Password;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.trim().to_owned()))
    }

    fn show(&self) -> Option<String> {
        None
    }
}

/// Name of a Java class. It is only compared with the names this broker has an equal for, never loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassName(String);

impl ClassName {
    /// The full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClassName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Kind for ClassName {
    const TYPE: ConfigType = ConfigType::Class;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.trim().to_owned()))
    }

    fn show(&self) -> Option<String> {
        Some(self.0.clone())
    }
}

/// One of a few words.
macro_rules! words {
    ($($(#[$about:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Kafka's word for it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.name())
            }
        }

        impl Kind for $name {
            const TYPE: ConfigType = ConfigType::String;
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn parse(text: &str) -> Result<Self, String> {
                match text.trim() {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("String must be one of: {}", Self::WORDS.join(", "))),
                }
            }

            fn show(&self) -> Option<String> {
                Some(self.name().to_owned())
            }
        }
    )+};
}

words! {
    /// How a broker stores batches: as the producer compressed them, or in one codec of its own.
    pub enum CompressionType {
        /// Not compressed, whatever the producer did.
        Uncompressed = "uncompressed",
        /// Zstandard.
        Zstd = "zstd",
        /// LZ4 frames.
        Lz4 = "lz4",
        /// Snappy in xerial frames.
        Snappy = "snappy",
        /// Gzip.
        Gzip = "gzip",
        /// As the producer sent it.
        Producer = "producer",
    }

    /// Which clock stamps a record.
    pub enum TimestampType {
        /// The producer's.
        CreateTime = "CreateTime",
        /// The leader's, when it appends.
        LogAppendTime = "LogAppendTime",
    }

    /// What a TLS listener asks of a client.
    pub enum ClientAuth {
        /// A certificate, or no connection.
        Required = "required",
        /// A certificate if the client has one.
        Requested = "requested",
        /// Nothing.
        None = "none",
    }

    /// What protects a listener.
    pub enum SecurityProtocol {
        /// Nothing.
        Plaintext = "PLAINTEXT",
        /// TLS.
        Ssl = "SSL",
        /// A login, in the clear.
        SaslPlaintext = "SASL_PLAINTEXT",
        /// A login over TLS.
        SaslSsl = "SASL_SSL",
    }
}

impl SecurityProtocol {
    /// All of them, by id.
    pub const ALL: [Self; 4] = [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl];

    /// Number in UpdateMetadata and broker registrations.
    pub fn id(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    /// The protocol with this number.
    pub fn from_id(id: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.id() == id)
    }

    /// The protocol with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name.trim()))
    }

    /// Whether bytes are encrypted.
    pub fn uses_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether a client logs in first.
    pub fn uses_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// What happens to old records: dropped by age and size, compacted by key, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments are deleted.
    pub delete: bool,
    /// Older records of a key are removed.
    pub compact: bool,
}

impl Kind for CleanupPolicy {
    const TYPE: ConfigType = ConfigType::List;
    const WORDS: &'static [&'static str] = &["compact", "delete"];

    fn parse(text: &str) -> Result<Self, String> {
        let mut policy = Self { delete: false, compact: false };
        for word in Vec::<String>::parse(text)? {
            match word.as_str() {
                "delete" => policy.delete = true,
                "compact" => policy.compact = true,
                _ => return Err("String must be one of: compact, delete".to_owned()),
            }
        }
        Ok(policy)
    }

    fn show(&self) -> Option<String> {
        let words = [(self.compact, "compact"), (self.delete, "delete")];
        Some(words.into_iter().filter_map(|(is_set, word)| is_set.then_some(word)).collect::<Vec<_>>().join(","))
    }

    fn text(&self, given: &str) -> String {
        given.split(',').map(str::trim).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_trimmed_and_bounded_by_their_type() {
        assert_eq!(i32::parse(" 7 "), Ok(7));
        assert_eq!(i32::parse("2147483648"), Err("Not a number of type INT".to_owned()));
        assert_eq!(i16::parse("x"), Err("Not a number of type SHORT".to_owned()));
        assert_eq!(i64::parse(""), Err("Not a number of type LONG".to_owned()));
    }

    #[test]
    fn a_boolean_is_true_or_false_in_any_case_and_nothing_else() {
        assert_eq!(bool::parse("True"), Ok(true));
        assert!(bool::parse("yes").is_err());
    }

    #[test]
    fn a_list_loses_the_blanks_round_its_commas() {
        assert_eq!(Vec::<String>::parse(" a , b,c "), Ok(vec!["a".into(), "b".into(), "c".into()]));
        assert_eq!(Vec::<String>::parse("  "), Ok(vec![]));
    }

    #[test]
    fn a_password_never_shows_itself() {
        let password = Password::new("hunter2");
        assert_eq!(format!("{password} {password:?}"), "[hidden] [hidden]");
        assert_eq!(password.expose(), "hunter2");
    }

    #[test]
    fn real_numbers_are_written_as_java_does() {
        let texts: Vec<_> = [0.5, 1.0, f64::MAX, 1e7, 123_456.0, 0.0001].into_iter().map(java_double).collect();
        assert_eq!(texts, ["0.5", "1.0", "1.7976931348623157E308", "1.0E7", "123456.0", "1.0E-4"]);
    }

    #[test]
    fn a_cleanup_policy_may_be_both_and_keeps_its_order_when_shown() {
        let both = CleanupPolicy::parse("delete, compact").unwrap();
        assert!(both.delete && both.compact);
        assert_eq!(both.text("delete, compact"), "delete,compact");
        assert!(CleanupPolicy::parse("shred").is_err());
    }
}
