//! Topic names given as regular expressions. A name must match as a whole.
//! Differs from Kafka: `regex` has no look-around and no back-references, which Java's expressions have; such a one is
//! refused.
//! Source: `TopicFilter` of Kafka 3.9; `Topic.isInternal`.

use regex::Regex;

/// A set of topics.
#[derive(Clone, Debug)]
pub struct TopicPattern(Regex);

impl TopicPattern {
    /// A plain regular expression.
    ///
    /// # Errors
    /// The expression's own words on what is wrong with it.
    pub fn new(expression: &str) -> Result<Self, String> {
        Regex::new(&format!(r"\A(?:{expression})\z")).map(Self).map_err(|error| error.to_string())
    }

    /// An expression as `--topic` takes it: commas mean "or", blanks and quotes round it mean nothing.
    ///
    /// # Errors
    /// What Java's command says.
    pub fn of_list(list: &str) -> Result<Self, String> {
        let is_quote = |c| c == '"' || c == '\'';
        let expression = list.trim().replace(',', "|").replace(' ', "");
        let expression = expression.trim_matches(is_quote);
        Self::new(expression).map_err(|_| format!("{expression} is an invalid regex."))
    }

    /// Whether a topic belongs to it.
    #[must_use]
    pub fn contains(&self, topic: &str) -> bool {
        self.0.is_match(topic)
    }
}

/// Whether a topic is Kafka's own.
#[must_use]
pub fn is_internal(topic: &str) -> bool {
    matches!(topic, "__consumer_offsets" | "__transaction_state")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names() {
        let pattern = TopicPattern::of_list("'pl.*, other'").unwrap();
        assert!(pattern.contains("plain") && pattern.contains("other"));
        assert!(!pattern.contains("explain") && !pattern.contains("others"));
        assert!(TopicPattern::of_list("a|b").unwrap().contains("b"));
        assert_eq!(TopicPattern::of_list("a[b").unwrap_err(), "a[b is an invalid regex.");
    }
}
