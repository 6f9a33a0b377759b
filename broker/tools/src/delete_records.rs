//! `kafka-delete-records`: deletes the records before given offsets, partition by partition.
//! Differs from Kafka: the offsets file may carry `//` comments, and partitions are told in their order, where Java's
//! order is that of a hash map.
//! Source: `DeleteRecordsCommand` of Kafka 3.9.

use std::collections::BTreeMap;

use client::admin::{Admin, Partition};
use serde_json::Value;

use crate::command::{Command, Outcome, Stop, out, require};
use crate::java;
use crate::options::{Options, Spec};
use crate::settings::Settings;

/// The command.
pub const COMMAND: Command = Command {
    name: "kafka-delete-records",
    about: "Deletes records of partitions up to an offset.",
    options: &[
        Spec::text("bootstrap-server", "host:port,...", "REQUIRED: brokers to connect to first."),
        Spec::text(
            "offset-json-file",
            "file",
            "REQUIRED: which records go, those before an offset of each partition (-1: all), as\n\
             {\"partitions\":\n  [{\"topic\": \"foo\", \"partition\": 1, \"offset\": 1}],\n \"version\":1\n}\n\
             Comments from // to the end of a line are allowed.",
        ),
        Spec::text("command-config", "file", "Properties for the client."),
    ],
    run: |options| Box::pin(run(options)),
};

async fn run(options: Options) -> Outcome {
    require(&options, &["bootstrap-server", "offset-json-file"])?;
    let settings = Settings::from_file(options.value("command-config")?)?;
    let cluster = settings.cluster(options.value("bootstrap-server")?.unwrap_or_default(), "adminclient-1")?;
    let timeout = cluster.config().retry_for;
    let path = options.value("offset-json-file")?.unwrap_or_default();
    let text = std::fs::read_to_string(path).map_err(|error| Stop::Failed(format!("{path}: {error}")))?;
    let before = parse(&text).map_err(Stop::Failed)?;
    out("Executing records delete operation\n");
    let results = Admin::new(cluster, timeout).delete_records(&before).await;
    let results = results.map_err(|error| Stop::Failed(error.message()))?;
    out("Records delete operation completed:\n");
    for ((topic, partition), result) in results {
        out(&match result {
            Ok(low_watermark) => format!("partition: {topic}-{partition}\tlow_watermark: {low_watermark}\n"),
            Err(error) => format!("partition: {topic}-{partition}\terror: {}\n", java::exception(&error)),
        });
    }
    Ok(0)
}

/// Offsets by partition.
fn parse(text: &str) -> Result<BTreeMap<Partition, i64>, String> {
    let json: Value = serde_json::from_str(&without_comments(text))
        .map_err(|error| format!("The input string is not a valid JSON: {error}"))?;
    let version = json.get("version").map_or(Some(1), Value::as_i64);
    if version != Some(1) {
        return Err(format!("Not supported version field value {}", json["version"]));
    }
    let partitions = json.get("partitions").ok_or("Missing partitions field")?;
    let partitions =
        partitions.as_array().ok_or_else(|| format!("Expected a list of partitions, found {partitions}"))?;
    let mut before = BTreeMap::new();
    let mut duplicates = Vec::new();
    for row in partitions {
        let field = |name: &str| row.get(name).ok_or_else(|| format!("No such field exists: `{name}` in {row}"));
        let number = |name: &str| {
            let value = field(name)?;
            value.as_i64().ok_or_else(|| format!("Expected a number for `{name}`, found {value}"))
        };
        let topic = field("topic")?;
        let topic = topic.as_str().ok_or_else(|| format!("Expected a text for `topic`, found {topic}"))?;
        let partition = number("partition")?;
        let index = i32::try_from(partition).map_err(|_| format!("No partition has the number {partition}"))?;
        let offset = number("offset")?;
        if before.insert((topic.to_owned(), index), offset).is_some() {
            duplicates.push(format!("{topic}-{index}"));
        }
    }
    duplicates.dedup();
    if duplicates.is_empty() {
        return Ok(before);
    }
    Err(format!("Offset json file contains duplicate topic partitions: {}", duplicates.join(",")))
}

/// Takes out what stands from `//` to the end of a line, unless it is inside a text.
fn without_comments(json: &str) -> String {
    let mut bare = String::with_capacity(json.len());
    for line in json.lines() {
        bare.push_str(line.get(..comment_start(line)).unwrap_or(line));
        bare.push('\n');
    }
    bare
}

/// Where a line's comment begins, or its end. A JSON text never spans lines.
fn comment_start(line: &str) -> usize {
    let (mut in_text, mut escaped, mut after_slash) = (false, false, false);
    for (at, c) in line.char_indices() {
        if in_text {
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        if c == '/' && after_slash {
            return at - 1;
        }
        after_slash = c == '/';
        in_text = c == '"';
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tutorials_file_with_comments_is_read() {
        let text = r#"{
            "partitions": [               // what to delete, partition by partition
                { "topic": "order", "partition": 0, "offset": -1 },  // -1: "everything"
                { "topic": "a//b\"//", "partition": 3, "offset": 7 }
            ],
            "version": 1
        }"#;
        let before = parse(text).unwrap();
        assert_eq!(before[&("order".to_owned(), 0)], -1);
        assert_eq!(before[&("a//b\"//".to_owned(), 3)], 7);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let said = |text: &str| parse(text).unwrap_err();
        assert!(said("not json").starts_with("The input string is not a valid JSON"));
        assert_eq!(said(r#"{"version":2,"partitions":[]}"#), "Not supported version field value 2");
        assert_eq!(said(r#"{"version":1}"#), "Missing partitions field");
        assert!(said(r#"{"partitions":[{"partition":0,"offset":1}]}"#).contains("`topic`"));
        let twice = r#"{"partitions":[{"topic":"t","partition":0,"offset":1},{"topic":"t","partition":0,"offset":2}]}"#;
        assert_eq!(said(twice), "Offset json file contains duplicate topic partitions: t-0");
        assert_eq!(parse(r#"{"partitions":[]}"#).unwrap(), BTreeMap::new(), "the version may be missing");
    }
}
