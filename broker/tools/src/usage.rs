//! Lays out the usage of a command: options by name on the left, what they are for on the right, 80 columns.
//! Pure. The layout is JOpt Simple's, the words are ours.

use crate::options::{Argument, COMMON, Spec};

const OPTION_WIDTH: usize = 39;
const HELP_WIDTH: usize = 39;

/// The usage, ending in a line break.
#[must_use]
pub fn usage(specs: &[Spec]) -> String {
    let mut specs: Vec<&Spec> = specs.iter().chain(&COMMON).collect();
    specs.sort_by_key(|spec| spec.name);
    let mut out = String::new();
    row(&mut out, "Option", "Description");
    row(&mut out, "------", "-----------");
    for spec in specs {
        let default = spec.default.map(|value| format!(" (default: {value})")).unwrap_or_default();
        let left = wrap(&heading(spec), OPTION_WIDTH, 2);
        let right = wrap(&format!("{}{default}", spec.help), HELP_WIDTH, 2);
        for index in 0..left.len().max(right.len()) {
            let part = |lines: &[String]| lines.get(index).cloned().unwrap_or_default();
            row(&mut out, &part(&left), &part(&right));
        }
    }
    out
}

fn row(out: &mut String, left: &str, right: &str) {
    out.push_str(format!("{left:<OPTION_WIDTH$}  {right}").trim_end());
    out.push('\n');
}

fn heading(spec: &Spec) -> String {
    match spec.argument {
        Argument::None => format!("--{}", spec.name),
        Argument::Required(kind, "") => format!("--{} <{}>", spec.name, kind.name()),
        Argument::Required(kind, what) => format!("--{} <{}: {what}>", spec.name, kind.name()),
        Argument::Optional("") => format!("--{} [String]", spec.name),
        Argument::Optional(what) => format!("--{} [String: {what}]", spec.name),
    }
}

/// Breaks a text at spaces and keeps its own line breaks; lines after the first of a paragraph are indented.
fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let is_first = line.trim().is_empty();
            if !is_first && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::replace(&mut line, format!("{}{word}", " ".repeat(indent))));
            } else {
                if !is_first {
                    line.push(' ');
                }
                line.push_str(word);
            }
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_by_name_and_long_texts_are_broken() {
        let specs = [
            Spec::text("zeta", "a thing with a rather long name", "Short."),
            Spec::long("alpha", "ms", "A text that is longer than its column and so goes on below.").or("5"),
        ];
        let expected = "\
Option                                   Description
------                                   -----------
--alpha <Long: ms>                       A text that is longer than its column
                                           and so goes on below. (default: 5)
--help                                   Print this text.
--version                                Print the version of Kafka these
                                           commands match.
--zeta <String: a thing with a rather    Short.
  long name>
";
        assert_eq!(usage(&specs), expected);
    }
}
