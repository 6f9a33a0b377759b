//! Writes the documentation page off the rows. Never edited by hand: `make docs`.

use std::fmt::Write as _;

use crate::broker::broker_rows;
use crate::quota::{client_quota_rows, ip_quota_rows};
use crate::table::{Effect, Row};
use crate::topic::topic_rows;

const INTRODUCTION: &str = "\
# Configuration

Written by `make docs` from the rows in `config/src`; a test compares.

A broker reads a Java properties file; `--override name=value` wins over it. Dynamic values win over both: first those
of one broker, then those of all. A topic's own settings win over the broker's. `listener.name.<listener>.<name>` sets a
property for one listener. `${provider:path:key}` takes a value from a file, a directory or the environment, with
`config.providers` and `config.providers.<provider>.class`.

The word after *effect* says whether setting a property does anything: **built**; **not yet**, which is noted at start;
**refused**, which keeps the broker from starting because ignoring it would be less safe; **never**, which is read for
compatibility only.
";

/// The whole page.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    section(&mut page, "Brokers", "Other names", broker_rows());
    section(&mut page, "Topics", "Broker property, first set wins", topic_rows());
    section(&mut page, "Users and client ids", "", client_quota_rows());
    section(&mut page, "Addresses", "", ip_quota_rows());
    page
}

fn section(page: &mut String, title: &str, synonyms: &str, rows: &[Row]) {
    let _ = write!(page, "\n## {title}\n");
    for row in rows {
        let _ = write!(page, "\n### {}\n\n{}\n\n", row.name, escaped(&row.doc_line()));
        let default = match row.default {
            None => "null".to_owned(),
            Some("") => "empty".to_owned(),
            Some(text) => format!("`{text}`"),
        };
        let mut facts = vec![format!("type {}", row.kind.name()), format!("default {default}")];
        if !row.words.is_empty() {
            facts.push(format!("one of {}", row.words.join(", ")));
        }
        if !row.check.describe().is_empty() {
            facts.push(format!("valid `{}`", row.check.describe()));
        }
        facts.push(format!("importance {}", row.importance.name()));
        facts.push(format!("update {}", row.update.name()));
        facts.push(format!("effect {}", effect(row.effect)));
        let _ = writeln!(page, "{}", facts.join("; "));
        if !row.synonyms.is_empty() {
            let _ = write!(page, "\n{synonyms}: {}\n", row.synonyms.join(", "));
        }
    }
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Built => "built",
        Effect::NotYet => "not yet",
        Effect::WouldWeaken => "refused",
        Effect::Never => "never",
    }
}

/// Stars and angle brackets as they are, not as Markdown.
fn escaped(text: &str) -> String {
    text.replace('*', "\\*").replace('<', "\\<").replace('_', "\\_")
}
