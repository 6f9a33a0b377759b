//! The commands' options: which there are, and what a command line says of them.
//! Behaves as JOpt Simple, which Kafka's own commands use: `--name value` or `--name=value`, one dash or two, options may
//! repeat, no abbreviations, and `--name value` takes the next word whatever it looks like. Values are converted when
//! asked for, so that an option nobody looks at is never wrong.
//! Source: `joptsimple.OptionParser` 5.0.4 as `CommandDefaultOptions` of Kafka 3.9 sets it up.

use std::collections::BTreeMap;
use std::str::FromStr;

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// One value.
    Required(Kind, &'static str),
    /// One value, if the next word does not look like an option.
    Optional(&'static str),
}

/// What kind of value an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Long,
}

impl Kind {
    /// Its name in the usage.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "String",
            Self::Integer => "Integer",
            Self::Long => "Long",
        }
    }
}

/// One option of a command.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What it takes.
    pub argument: Argument,
    /// What it is for.
    pub help: &'static str,
    /// The value it has when it is not given.
    pub default: Option<&'static str>,
    /// It may be given only together with one of these; with anything if empty.
    pub only_with: &'static [&'static str],
}

impl Spec {
    /// An option that takes nothing.
    #[must_use]
    pub const fn flag(name: &'static str, help: &'static str) -> Self {
        Self { name, argument: Argument::None, help, default: None, only_with: &[] }
    }

    /// An option that takes a text; `what` names it in the usage.
    #[must_use]
    pub const fn text(name: &'static str, what: &'static str, help: &'static str) -> Self {
        Self { name, argument: Argument::Required(Kind::Text, what), help, default: None, only_with: &[] }
    }

    /// An option that takes a number of 32 bits.
    #[must_use]
    pub const fn integer(name: &'static str, what: &'static str, help: &'static str) -> Self {
        Self { name, argument: Argument::Required(Kind::Integer, what), help, default: None, only_with: &[] }
    }

    /// An option that takes a number of 64 bits.
    #[must_use]
    pub const fn long(name: &'static str, what: &'static str, help: &'static str) -> Self {
        Self { name, argument: Argument::Required(Kind::Long, what), help, default: None, only_with: &[] }
    }

    /// An option that may take a text.
    #[must_use]
    pub const fn optional(name: &'static str, what: &'static str, help: &'static str) -> Self {
        Self { name, argument: Argument::Optional(what), help, default: None, only_with: &[] }
    }

    /// The same option with a value for when it is not given.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same option, to be given only together with one of these.
    #[must_use]
    pub const fn only_with(self, others: &'static [&'static str]) -> Self {
        Self { only_with: others, ..self }
    }
}

/// Options every command has.
pub const COMMON: [Spec; 2] =
    [Spec::flag("help", "Print this text."), Spec::flag("version", "Print the version of Kafka these commands match.")];

/// A command line that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such option.
    #[error("{0} is not a recognized option")]
    Unrecognized(String),
    /// An option without its value.
    #[error("Option {0} requires an argument")]
    MissingArgument(&'static str),
    /// One value was wanted, several were given.
    #[error("Found multiple arguments for option {0}, but you asked for only one")]
    Several(String),
    /// A value of the wrong kind.
    #[error("Cannot parse argument '{value}' of option {option}")]
    Unparsable {
        /// Of which option.
        option: String,
        /// What was given.
        value: String,
    },
    /// Options that make no sense without others.
    #[error("Option(s) [{0}] are unavailable given other options on the command line")]
    Unavailable(String),
}

/// What a command line says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    given: BTreeMap<&'static str, Vec<String>>,
    defaults: BTreeMap<&'static str, &'static str>,
    is_empty: bool,
}

impl Options {
    /// Reads a command line. Words that belong to no option are passed over, as Kafka's commands do.
    ///
    /// # Errors
    /// [`Error`], but for values of the wrong kind.
    pub fn parse(specs: &[Spec], words: &[String]) -> Result<Self, Error> {
        let find = |name: &str| specs.iter().chain(&COMMON).find(|spec| spec.name == name);
        let mut options = Self {
            given: BTreeMap::new(),
            defaults: specs.iter().filter_map(|spec| Some((spec.name, spec.default?))).collect(),
            is_empty: words.is_empty(),
        };
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            if word == "--" {
                break;
            }
            let Some(body) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|body| !body.is_empty())
            else {
                continue;
            };
            let (name, attached) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value).filter(|value| !value.is_empty())),
                None => (body, None),
            };
            let spec = find(name).ok_or_else(|| {
                // One dash introduces a cluster of one-letter options, of which there are none.
                let unknown = if word.starts_with("--") { name.to_owned() } else { body.chars().take(1).collect() };
                Error::Unrecognized(unknown)
            })?;
            let value = match (spec.argument, attached) {
                (Argument::None, _) => None,
                (_, Some(value)) => Some(value.to_owned()),
                (Argument::Required(..), None) => Some(words.next().ok_or(Error::MissingArgument(spec.name))?.clone()),
                (Argument::Optional(_), None) => words.next_if(|next| !looks_like_an_option(next)).cloned(),
            };
            options.given.entry(spec.name).or_default().extend(value);
        }
        options.check_available(specs)?;
        Ok(options)
    }

    fn check_available(&self, specs: &[Spec]) -> Result<(), Error> {
        if self.has("help") || self.has("version") {
            return Ok(());
        }
        let lonely: Vec<&str> = specs
            .iter()
            .filter(|spec| !spec.only_with.is_empty() && self.has(spec.name))
            .filter(|spec| !spec.only_with.iter().any(|other| self.has(other)))
            .map(|spec| spec.name)
            .collect();
        if lonely.is_empty() { Ok(()) } else { Err(Error::Unavailable(lonely.join(", "))) }
    }

    /// Whether nothing at all was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether an option was given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Every value given for an option, in order; its default if it has one and none was given.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        match self.given.get(name) {
            Some(values) => values.iter().map(String::as_str).collect(),
            None => self.defaults.get(name).copied().into_iter().collect(),
        }
    }

    /// The value of an option, or its default.
    ///
    /// # Errors
    /// [`Error::Several`].
    pub fn value(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.values(name)[..] {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(Error::Several(name.to_owned())),
        }
    }

    /// The value of an option, converted.
    ///
    /// # Errors
    /// [`Error::Several`] and [`Error::Unparsable`].
    pub fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        let unparsable = || Error::Unparsable { option: name.to_owned(), value: value.to_owned() };
        value.parse().map(Some).map_err(|_| unparsable())
    }
}

fn looks_like_an_option(word: &str) -> bool {
    word.starts_with('-') && word != "-"
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[Spec] = &[
        Spec::flag("list", ""),
        Spec::flag("describe", ""),
        Spec::text("topic", "topic", ""),
        Spec::integer("partitions", "number", ""),
        Spec::long("timeout", "ms", "").or("5000"),
        Spec::optional("state", "states", "").only_with(&["list", "describe"]),
    ];

    fn parse(line: &str) -> Result<Options, Error> {
        Options::parse(SPECS, &line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_value_follows_after_a_space_or_an_equals_sign() {
        for line in ["--topic t", "--topic=t", "-topic t", "-topic=t", "--topic= t"] {
            assert_eq!(parse(line).unwrap().value("topic"), Ok(Some("t")), "{line}");
        }
        assert_eq!(parse("--topic a=b=c").unwrap().value("topic"), Ok(Some("a=b=c")));
        assert_eq!(parse("--topic --list").unwrap().value("topic"), Ok(Some("--list")), "whatever it looks like");
    }

    #[test]
    fn an_optional_value_is_not_taken_from_the_next_option() {
        let options = parse("--list --state --topic t").unwrap();
        assert!(options.has("state"));
        assert_eq!(options.value("state"), Ok(None));
        assert_eq!(parse("--list --state stable,empty").unwrap().value("state"), Ok(Some("stable,empty")));
    }

    #[test]
    fn what_was_not_given_has_its_default() {
        let options = parse("--list").unwrap();
        assert!(!options.has("timeout"));
        assert_eq!(options.parsed("timeout"), Ok(Some(5000_i64)));
        assert_eq!(options.parsed::<i32>("partitions"), Ok(None));
    }

    #[test]
    fn mistakes_are_told_in_jopts_words() {
        let said = |line: &str| parse(line).unwrap_err().to_string();
        assert_eq!(said("--bogus x"), "bogus is not a recognized option");
        assert_eq!(said("--top x"), "top is not a recognized option", "no abbreviations");
        assert_eq!(said("-bogus"), "b is not a recognized option");
        assert_eq!(said("--topic"), "Option topic requires an argument");
        assert_eq!(said("--state"), "Option(s) [state] are unavailable given other options on the command line");
        let options = parse("--topic a --topic b --partitions x").unwrap();
        let several = "Found multiple arguments for option topic, but you asked for only one";
        assert_eq!(options.value("topic").unwrap_err().to_string(), several);
        let unparsable = "Cannot parse argument 'x' of option partitions";
        assert_eq!(options.parsed::<i32>("partitions").unwrap_err().to_string(), unparsable);
        assert_eq!(options.values("topic"), ["a", "b"]);
    }

    #[test]
    fn words_that_belong_to_no_option_are_passed_over() {
        let options = parse("stray --list - other -- --bogus").unwrap();
        assert!(options.has("list"));
    }
}
