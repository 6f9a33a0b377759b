//! The `properties!` macro: one row gives a typed field, its parser, default, check, doc and everything
//! DescribeConfigs and the documentation page say of it. Knows no property by name.
//! Source of the checks' wording: `ConfigDef` in Kafka 3.9.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::value::{Checked, ConfigType, Kind};

/// How much a property matters to somebody setting up a broker, as Kafka's documentation sorts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Look at it before going live.
    High,
    /// Look at it when tuning.
    Medium,
    /// Rarely touched.
    Low,
}

impl Importance {
    /// Kafka's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// Whether and how a running broker takes a new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only at a restart.
    ReadOnly,
    /// For one broker or for all, while running.
    ClusterWide,
    /// For one broker at a time, while running.
    PerBroker,
}

impl UpdateMode {
    /// Kafka's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ClusterWide => "cluster-wide",
            Self::PerBroker => "per-broker",
        }
    }
}

/// Whether setting a property does what it says. Flip the word in the row when the effect lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Built,
    /// Not yet; ignoring it loses no security and no data. Noted at start.
    NotYet,
    /// Not yet, and ignoring it would weaken security or durability. Refused at start.
    WouldWeaken,
    /// Read for compatibility only: it belongs to KRaft or tiered storage, which this broker has not.
    Never,
}

/// Bounds of one value, beyond what its type says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Check {
    /// Whatever parses.
    Any,
    /// An integer not below this.
    AtLeast(i64),
    /// An integer in `first..=last`.
    Between(i64, i64),
    /// An integer in `first..=last`, or one value outside it.
    BetweenOr(i64, i64, i64),
    /// A real number in `first..=last`.
    RealBetween(f64, f64),
    /// Text that is not empty.
    NonEmpty,
    /// Each element is one of these.
    ListOf(&'static [&'static str]),
    /// `*`, or `partition:broker` pairs.
    ThrottledReplicas,
}

impl Check {
    fn refusal(self, value: &Checked<'_>) -> Option<String> {
        match (self, value) {
            (Self::AtLeast(first), Checked::Integer(number)) if *number < first => {
                Some(format!("Value must be at least {first}"))
            }
            (Self::Between(first, last), Checked::Integer(number)) => outside(*number, first, last),
            (Self::BetweenOr(first, last, other), Checked::Integer(number)) if *number != other => {
                outside(*number, first, last)
                    .map(|_| format!("Value must be between {first} and {last} or equal to {other}"))
            }
            (Self::RealBetween(first, last), Checked::Real(number)) if !(first..=last).contains(number) => {
                Some(if *number > last {
                    format!("Value must be no more than {last}")
                } else {
                    format!("Value must be at least {first}")
                })
            }
            (Self::NonEmpty, Checked::Text("")) => Some("String must be non-empty".to_owned()),
            (Self::ListOf(allowed), Checked::List(list)) => list
                .iter()
                .find(|element| !allowed.contains(&element.as_str()))
                .map(|_| format!("String must be one of: {}", allowed.join(", "))),
            (Self::ThrottledReplicas, Checked::List(list)) if !are_throttled_replicas(list) => Some(
                "must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],..."
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// What the documentation says of it; empty for [`Check::Any`].
    pub fn describe(self) -> String {
        match self {
            Self::Any => String::new(),
            Self::AtLeast(first) => format!("[{first},...]"),
            Self::Between(first, last) => format!("[{first},...,{last}]"),
            Self::BetweenOr(first, last, other) => format!("[{first},...,{last}] or {other}"),
            Self::RealBetween(first, last) => format!("[{first},...,{last}]"),
            Self::NonEmpty => "non-empty string".to_owned(),
            Self::ListOf(allowed) => format!("[{}]", allowed.join(", ")),
            Self::ThrottledReplicas => "[partitionId]:[brokerId],[partitionId]:[brokerId],...".to_owned(),
        }
    }
}

fn outside(number: i64, first: i64, last: i64) -> Option<String> {
    if number < first {
        Some(format!("Value must be at least {first}"))
    } else if number > last {
        Some(format!("Value must be no more than {last}"))
    } else {
        None
    }
}

fn are_throttled_replicas(list: &[String]) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    list.iter().all(|element| {
        element == "*" || element.split_once(':').is_some_and(|(left, right)| is_number(left) && is_number(right))
    })
}

/// Everything known of one property.
#[derive(Debug, Clone)]
pub struct Row {
    /// Property as written in a file.
    pub name: &'static str,
    /// What kind of value it takes.
    pub kind: ConfigType,
    /// The text that gives the value it has when nobody sets it; `None` is Kafka's null.
    pub default: Option<&'static str>,
    /// Bounds beyond the kind.
    pub check: Check,
    /// The words it may be, if it is one of a few words.
    pub words: &'static [&'static str],
    /// How much it matters.
    pub importance: Importance,
    /// Whether a running broker takes a new value.
    pub update: UpdateMode,
    /// Whether setting it does what it says.
    pub effect: Effect,
    /// Not shown unless somebody set it.
    pub internal: bool,
    /// For a topic row: the broker properties it falls back to, first set wins.
    /// For a broker row: all names of the same setting, most exact unit first; empty if it has one name only.
    pub synonyms: &'static [&'static str],
    /// What it is for.
    pub doc: &'static str,
    /// Parses, checks, and gives back the text Kafka would show.
    pub(crate) canonical: fn(&Row, &str) -> Result<String, Error>,
}

impl Row {
    /// Whether the value may never be shown.
    pub fn is_sensitive(&self) -> bool {
        self.kind == ConfigType::Password
    }

    /// Parses and checks `text`, and gives it back as Kafka would show it. Passwords come back as they are.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it does not parse or is out of bounds.
    pub fn canonical(&self, text: &str) -> Result<String, Error> {
        (self.canonical)(self, text)
    }

    /// Documentation text on one line.
    pub fn doc_line(&self) -> String {
        self.doc.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn invalid(&self, text: &str, reason: String) -> Error {
        let shown = if self.is_sensitive() { crate::value::HIDDEN } else { text };
        Error::invalid(self.name, shown, reason)
    }
}

/// Parses and checks one value of a row.
pub(crate) fn parse<T: Kind>(row: &Row, text: &str) -> Result<T, Error> {
    let value = T::parse(text).map_err(|reason| row.invalid(text, reason))?;
    match row.check.refusal(&value.checked()) {
        Some(reason) => Err(row.invalid(text, reason)),
        None => Ok(value),
    }
}

/// The value nobody set.
pub(crate) fn default<T: Kind>(row: &Row) -> T {
    match row.default {
        Some(text) => parse(row, text).expect("a row's default passes its own check; a test reads them all"),
        None => T::null().expect("only a nullable row has a null default; a test reads them all"),
    }
}

/// Body of [`Row::canonical`] for one type.
pub(crate) fn canonical<T: Kind>(row: &Row, text: &str) -> Result<String, Error> {
    let value = parse::<T>(row, text)?;
    Ok(value.text(text))
}

/// Finds a row by name.
pub(crate) fn find(rows: &'static [Row], name: &str) -> Option<&'static Row> {
    rows.iter().find(|row| row.name == name)
}

/// Texts by property name.
pub type Texts = BTreeMap<String, String>;

/// One row per property. See `broker.rs` for the shape.
macro_rules! properties {
    (
        $(#[$about:meta])*
        pub struct $config:ident;
        $(
            $(#[doc = $doc:literal])+
            $field:ident: $type:ty = $name:literal, $default:tt, $check:expr, $importance:ident, $update:ident, $effect:ident
            $(, internal $internal:literal)? $(, synonyms [$($synonym:literal),+])?;
        )+
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone)]
        pub struct $config {
            $(
                $(#[doc = $doc])+
                #[doc = ""]
                #[doc = concat!("Source: `", $name, "`.")]
                pub $field: $type,
            )+
            pub(crate) given: $crate::sources::Given,
        }

        /// The rows of this file, in the order they are written.
        pub(crate) static ROWS: &[$crate::table::Row] = &[$(
            $crate::table::Row {
                name: $name,
                kind: <$type as $crate::value::Kind>::TYPE,
                default: $crate::table::default_text!($default),
                check: $check,
                words: <$type as $crate::value::Kind>::WORDS,
                importance: $crate::table::Importance::$importance,
                update: $crate::table::UpdateMode::$update,
                effect: $crate::table::Effect::$effect,
                internal: false $(|| $internal)?,
                synonyms: &[$($($synonym),+)?],
                doc: concat!($($doc),+),
                canonical: $crate::table::canonical::<$type>,
            },
        )+];

        impl $config {
            /// Every property at the value it has when nobody sets it.
            pub(crate) fn defaults() -> Self {
                let mut rows = ROWS.iter();
                Self {
                    $($field: $crate::table::default::<$type>(rows.next().expect("one row per field")),)+
                    given: $crate::sources::Given::default(),
                }
            }

            /// Every row with the text of this configuration's value; `None` for null and for secrets.
            pub fn texts(&self) -> Vec<(&'static $crate::table::Row, Option<String>)> {
                let shown = [$($crate::value::Kind::show(&self.$field)),+];
                ROWS.iter().zip(shown).collect()
            }

            /// Takes over every value `given` names and keeps the others.
            pub(crate) fn overlaid(self, given: $crate::sources::Given) -> Result<Self, $crate::Error> {
                let mut rows = ROWS.iter();
                Ok(Self {
                    $($field: {
                        let row = rows.next().expect("one row per field");
                        match given.text(row.name) {
                            Some(text) => $crate::table::parse::<$type>(row, text)?,
                            None => self.$field,
                        }
                    },)+
                    given,
                })
            }
        }
    };
}

/// `null` or a text.
macro_rules! default_text {
    (null) => {
        None
    };
    ($text:literal) => {
        Some($text)
    };
}

pub(crate) use {default_text, properties};
