//! The walk a first user takes: a topic, messages in and out, two groups, their lag, deleting messages.
//! Once with Apache Kafka's commands, once with ours, on either ZooKeeper; and what both commands print is the same.

use std::time::Duration;

use anyhow::Result;
use integration::process::{Conversation, Said};
use integration::{Cluster, ZooKeeperKind, apache, cluster};

const DEADLINE: Duration = Duration::from_secs(60);

/// Whose commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tools {
    Apache,
    Ours,
}

struct Walk {
    cluster: Cluster,
    tools: Tools,
}

impl Walk {
    fn say(&self, tools: Tools, tool: &str, args: &[&str], input: &str) -> Result<Said> {
        let bootstrap = self.cluster.bootstrap();
        let args: Vec<&str> = ["--bootstrap-server", &bootstrap].into_iter().chain(args.iter().copied()).collect();
        match tools {
            Tools::Apache => self.cluster.apache_tool(tool, &args, input),
            Tools::Ours => self.cluster.our_tool(tool, &args, input),
        }
    }

    fn ok(&self, tool: &str, args: &[&str], input: &str) -> Result<String> {
        self.say(self.tools, tool, args, input)?.ok()
    }

    fn consumer(&self, name: &str, args: &[&str]) -> Result<Conversation> {
        let bootstrap = self.cluster.bootstrap();
        let mut command = match self.tools {
            Tools::Apache => apache::tool_command("kafka-console-consumer", self.cluster.path())?,
            Tools::Ours => cluster::our_tool_command("kafka-console-consumer")?,
        };
        command.args(["--bootstrap-server", &bootstrap, "--topic", "order"]).args(args);
        Conversation::start(&mut command, &self.cluster.path().join(format!("{name}.err")))
    }
}

/// CURRENT-OFFSET, LOG-END-OFFSET and LAG of `order` partition 0.
fn offsets_of(description: &str) -> Option<[String; 3]> {
    let row = description.lines().find(|line| line.split_whitespace().nth(1) == Some("order"))?;
    let fields: Vec<&str> = row.split_whitespace().collect();
    Some([fields.get(3)?, fields.get(4)?, fields.get(5)?].map(|field| (*field).to_owned()))
}

fn walk(tools: Tools, zookeeper: ZooKeeperKind) -> Result<()> {
    let cluster = Cluster::builder().zookeeper(zookeeper).start()?;
    let walk = Walk { cluster, tools };

    let created = walk.ok(
        "kafka-topics",
        &["--create", "--topic", "order", "--partitions", "1", "--replication-factor", "1"],
        "",
    )?;
    assert_eq!(created.trim(), "Created topic order.");
    let described = walk.ok("kafka-topics", &["--describe", "--topic", "order"], "")?;
    assert!(described.starts_with("Topic: order\tTopicId: "), "{described}");
    assert!(described.contains("\tPartitionCount: 1\tReplicationFactor: 1\tConfigs: "), "{described}");
    assert!(described.contains("\tTopic: order\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1"), "{described}");

    walk.ok("kafka-console-producer", &["--topic", "order"], "one\ntwo\nthree\n")?;
    let read =
        walk.ok("kafka-console-consumer", &["--topic", "order", "--from-beginning", "--max-messages", "3"], "")?;
    assert_eq!(read, "one\ntwo\nthree\n");

    let mut first = walk.consumer("first", &["--consumer-property", "group.id=consumer-group1"])?;
    let mut second = walk.consumer("second", &["--consumer-property", "group.id=consumer-group2"])?;
    let groups_have_members = || -> Result<bool> {
        let states = walk.say(Tools::Apache, "kafka-consumer-groups", &["--list", "--state"], "")?.ok()?;
        Ok(states.lines().filter(|line| line.contains("consumer-group") && line.contains("Stable")).count() == 2)
    };
    integration::wait_until("both groups are stable", DEADLINE, || groups_have_members().unwrap_or(false));
    // A consumer without --from-beginning gets only what comes once it has looked up the end.
    integration::wait_until("both consumers read what comes", DEADLINE, || {
        let sent = walk.ok("kafka-console-producer", &["--topic", "order"], "four\n");
        sent.is_ok() && [&mut first, &mut second].into_iter().all(|one| one.lines().iter().any(|line| line == "four"))
    });
    assert!(!first.lines().iter().any(|line| line == "one"), "without --from-beginning only what comes");
    drop((first, second));

    let all = ["--consumer-property", "group.id=reader", "--from-beginning", "--max-messages", "2", "--topic", "order"];
    assert_eq!(walk.ok("kafka-console-consumer", &all, "")?, "one\ntwo\n");
    let listed = walk.ok("kafka-consumer-groups", &["--list"], "")?;
    for group in ["consumer-group1", "consumer-group2", "reader"] {
        assert!(listed.lines().any(|line| line == group), "{group} in {listed}");
    }
    let ends = walk.say(Tools::Apache, "kafka-get-offsets", &["--topic", "order"], "")?.ok()?;
    let end: i64 = ends.trim().rsplit(':').next().unwrap_or_default().parse()?;
    let lag = walk.ok("kafka-consumer-groups", &["--describe", "--group", "reader"], "")?;
    let expected = ["2".to_owned(), end.to_string(), (end - 2).to_string()];
    assert_eq!(offsets_of(&lag), Some(expected), "{lag}");

    let file = walk.cluster.path().join("delete-order.json");
    let comment = if tools == Tools::Ours { "// what to delete, partition by partition" } else { "" };
    std::fs::write(
        &file,
        format!(
            "{{ \"partitions\": [ {comment}\n {{\"topic\": \"order\", \"partition\": 0, \"offset\": -1}} ], \"version\": 1 }}"
        ),
    )?;
    let deleted = walk.ok("kafka-delete-records", &["--offset-json-file", &file.display().to_string()], "")?;
    assert!(
        deleted.starts_with("Executing records delete operation\nRecords delete operation completed:\n"),
        "{deleted}"
    );
    assert!(deleted.contains(&format!("partition: order-0\tlow_watermark: {end}")), "{deleted}");
    let left =
        walk.ok("kafka-console-consumer", &["--topic", "order", "--from-beginning", "--timeout-ms", "3000"], "")?;
    assert_eq!(left, "", "everything is deleted");
    Ok(())
}

#[test]
fn the_tutorial_with_apache_kafkas_commands() -> Result<()> {
    walk(Tools::Apache, ZooKeeperKind::Ours)
}

#[test]
fn the_tutorial_with_apache_kafkas_commands_on_apache_zookeeper() -> Result<()> {
    walk(Tools::Apache, ZooKeeperKind::Apache)
}

#[test]
fn the_tutorial_with_our_commands() -> Result<()> {
    walk(Tools::Ours, ZooKeeperKind::Ours)
}

#[test]
fn the_tutorial_with_our_commands_on_apache_zookeeper() -> Result<()> {
    walk(Tools::Ours, ZooKeeperKind::Apache)
}

#[test]
fn our_commands_print_what_javas_print() -> Result<()> {
    let walk = Walk { cluster: Cluster::builder().start()?, tools: Tools::Apache };
    walk.ok("kafka-topics", &["--create", "--topic", "plain", "--partitions", "2", "--replication-factor", "1"], "")?;
    let create = [
        "--create",
        "--topic",
        "with.config",
        "--config",
        "retention.ms=3600000",
        "--config",
        "cleanup.policy=compact",
    ];
    walk.ok("kafka-topics", &create, "")?;
    walk.ok(
        "kafka-console-producer",
        &["--topic", "plain", "--property", "parse.key=true"],
        "k1\tone\nk2\ttwo\nk3\tthree\n",
    )?;
    for group in ["g1", "a-group-with-a-name-longer-than-its-column"] {
        let read = ["--topic", "plain", "--group", group, "--from-beginning", "--max-messages", "3"];
        walk.ok("kafka-console-consumer", &read, "")?;
    }
    let file = walk.cluster.path().join("delete.json");
    std::fs::write(
        &file,
        r#"{"partitions":[{"topic":"plain","partition":0,"offset":1},{"topic":"none","partition":0,"offset":1}],"version":1}"#,
    )?;
    let file = file.display().to_string();

    let same: &[(&str, &[&str])] = &[
        ("kafka-topics", &["--list"]),
        ("kafka-topics", &["--list", "--exclude-internal"]),
        ("kafka-topics", &["--describe"]),
        ("kafka-topics", &["--describe", "--topic", "plain"]),
        ("kafka-topics", &["--describe", "--topic", "pl.*"]),
        ("kafka-topics", &["--describe", "--topics-with-overrides"]),
        ("kafka-topics", &["--describe", "--under-replicated-partitions"]),
        ("kafka-topics", &["--describe", "--topic", "missing"]),
        ("kafka-topics", &["--describe", "--topic", "missing", "--if-exists"]),
        ("kafka-topics", &["--create", "--topic", "plain"]),
        ("kafka-topics", &["--create", "--topic", "bad name"]),
        ("kafka-topics", &["--create", "--topic", "too-many", "--replication-factor", "3"]),
        ("kafka-topics", &["--create", "--topic", "plain", "--if-not-exists"]),
        ("kafka-topics", &["--delete", "--topic", "missing"]),
        ("kafka-topics", &["--alter", "--topic", "plain", "--partitions", "1"]),
        ("kafka-topics", &["--alter", "--topic", "missing", "--partitions", "1"]),
        ("kafka-topics", &["--alter", "--topic", "missing", "--partitions", "1", "--if-exists"]),
        ("kafka-topics", &["--describe", "--at-min-isr-partitions"]),
        ("kafka-topics", &["--describe", "--under-min-isr-partitions"]),
        ("kafka-topics", &["--describe", "--unavailable-partitions"]),
        ("kafka-topics", &["--describe", "--topic-id", "AAAAAAAAAAAAAAAAAAAAAQ"]),
        ("kafka-topics", &["--create", "--topic", "x", "--config", "foo"]),
        ("kafka-topics", &["--create", "--topic", "x", "--config", "foo=bar"]),
        ("kafka-topics", &["--create", "--topic", "x", "--config", "retention.ms=abc"]),
        ("kafka-topics", &["--create", "--topic", "x", "--partitions", "abc"]),
        ("kafka-topics", &["--create", "--topic", "x", "--partitions", "0"]),
        ("kafka-topics", &["--create", "--topic", "x", "--replica-assignment", "1:1"]),
        ("kafka-topics", &["--list", "--topic", "a[b"]),
        ("kafka-topics", &["--list", "--topic", "a", "--topic", "b"]),
        ("kafka-consumer-groups", &["--list"]),
        ("kafka-consumer-groups", &["--list", "--state"]),
        ("kafka-consumer-groups", &["--describe", "--group", "g1"]),
        ("kafka-consumer-groups", &["--describe", "--group", "g1", "--members"]),
        ("kafka-consumer-groups", &["--describe", "--group", "g1", "--state"]),
        ("kafka-consumer-groups", &["--describe", "--group", "a-group-with-a-name-longer-than-its-column"]),
        ("kafka-consumer-groups", &["--describe", "--group", "missing"]),
        ("kafka-consumer-groups", &["--describe", "--group", "missing", "--members"]),
        ("kafka-consumer-groups", &["--describe", "--group", "missing", "--state"]),
        ("kafka-consumer-groups", &["--describe", "--all-groups", "--members", "--verbose"]),
        ("kafka-consumer-groups", &["--list", "--state", "empty", "--type"]),
        ("kafka-consumer-groups", &reset(&["--to-latest", "--topic", "plain:0", "--export"])),
        ("kafka-consumer-groups", &reset(&["--to-offset", "9", "--topic", "plain:1", "--export"])),
        ("kafka-consumer-groups", &reset(&["--shift-by", "-1", "--topic", "plain:1", "--export"])),
        (
            "kafka-consumer-groups",
            &reset(&["--to-datetime", "2020-01-01T00:00:00.000", "--topic", "plain", "--export"]),
        ),
        ("kafka-consumer-groups", &reset(&["--to-latest", "--topic", "missing"])),
        ("kafka-consumer-groups", &reset(&["--to-datetime", "nonsense", "--topic", "plain"])),
        ("kafka-consumer-groups", &reset(&["--by-duration", "nonsense", "--topic", "plain"])),
        ("kafka-consumer-groups", &["--delete", "--group", "missing"]),
        (
            "kafka-console-consumer",
            &[
                "--topic",
                "plain",
                "--partition",
                "0",
                "--offset",
                "earliest",
                "--timeout-ms",
                "2000",
                "--property",
                "print.key=true",
                "--property",
                "print.offset=true",
                "--property",
                "print.partition=true",
            ],
        ),
        (
            "kafka-console-consumer",
            &[
                "--topic",
                "__consumer_offsets",
                "--from-beginning",
                "--timeout-ms",
                "3000",
                "--formatter",
                "org.apache.kafka.tools.consumer.OffsetsMessageFormatter",
            ],
        ),
        ("kafka-delete-records", &["--offset-json-file", &file]),
    ];
    let mut different = Vec::new();
    for (tool, args) in same {
        let theirs = walk.say(Tools::Apache, tool, args, "")?;
        let ours = walk.say(Tools::Ours, tool, args, "")?;
        if (theirs.code, comparable(tool, &theirs.stdout)) != (ours.code, comparable(tool, &ours.stdout)) {
            let show = |said: &Said| format!("exit {:?}\n{}\n--- stderr\n{}", said.code, said.stdout, said.stderr);
            different.push(format!("{tool} {args:?}\n=== Java: {}\n=== ours: {}", show(&theirs), show(&ours)));
        }
    }
    assert!(different.is_empty(), "{} of {} differ:\n{}", different.len(), same.len(), different.join("\n\n"));
    Ok(())
}

/// Command lines that make no sense are refused alike: exit code, nothing on standard output, and the same first line on
/// standard error. No broker is asked.
#[test]
fn our_commands_refuse_what_javas_refuse() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let refused: &[(&str, &[&str])] = &[
        ("kafka-topics", &["--list"]),
        ("kafka-topics", &["--bootstrap-server", "127.0.0.1:1", "--list", "--create"]),
        ("kafka-topics", &["--bootstrap-server", "127.0.0.1:1", "--create"]),
        ("kafka-topics", &["--bootstrap-server", "127.0.0.1:1", "--list", "--topic"]),
        ("kafka-topics", &["--bootstrap-server", "127.0.0.1:1", "--list", "--bogus"]),
        ("kafka-topics", &["--bootstrap-server", "127.0.0.1:1", "--list", "--partitions", "3"]),
        ("kafka-topics", &["--bootstrap-server", "127.0.0.1:1", "--alter", "--topic", "t", "--config", "a=b"]),
        ("kafka-consumer-groups", &["--bootstrap-server", "127.0.0.1:1"]),
        ("kafka-consumer-groups", &["--bootstrap-server", "127.0.0.1:1", "--list", "--group", "g"]),
        (
            "kafka-consumer-groups",
            &["--bootstrap-server", "127.0.0.1:1", "--describe", "--group", "g", "--members", "--state"],
        ),
        ("kafka-consumer-groups", &["--bootstrap-server", "127.0.0.1:1", "--list", "--state", "foo"]),
        ("kafka-consumer-groups", &["--bootstrap-server", "127.0.0.1:1", "--list", "--type", "foo"]),
        ("kafka-console-consumer", &["--bootstrap-server", "127.0.0.1:1"]),
        ("kafka-console-consumer", &["--bootstrap-server", "127.0.0.1:1", "--topic", "t", "--offset", "3"]),
        (
            "kafka-console-consumer",
            &["--bootstrap-server", "127.0.0.1:1", "--topic", "t", "--partition", "0", "--offset", "-3"],
        ),
        (
            "kafka-console-consumer",
            &["--bootstrap-server", "127.0.0.1:1", "--topic", "t", "--partition", "0", "--group", "g"],
        ),
        ("kafka-console-consumer", &["--bootstrap-server", "127.0.0.1:1", "--topic", "t", "--formatter", "nope"]),
        ("kafka-console-producer", &["--bootstrap-server", "127.0.0.1:1"]),
        ("kafka-console-producer", &["--topic", "t"]),
        ("kafka-console-producer", &["--topic", "t", "--broker-list", "nonsense"]),
        ("kafka-delete-records", &["--bootstrap-server", "127.0.0.1:1"]),
        ("kafka-delete-records", &["--bogus"]),
    ];
    let mut different = Vec::new();
    for (tool, args) in refused {
        let said = |mut command: std::process::Command| -> Result<(Option<i32>, String, String)> {
            let output = command.args(*args).stdin(std::process::Stdio::null()).output()?;
            let stderr = String::from_utf8_lossy(&output.stderr);
            let is_log = |line: &&str| line.contains("WARN ");
            let first = stderr.lines().find(|line| !is_log(line)).unwrap_or_default().trim_end().to_owned();
            // What Java does not catch names its exception first.
            let message = first.rsplit("Exception: ").next().unwrap_or_default().to_owned();
            Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), message))
        };
        let theirs = said(apache::tool_command(tool, dir.path())?)?;
        let ours = said(cluster::our_tool_command(tool)?)?;
        if theirs != ours {
            different.push(format!("{tool} {args:?}\n=== Java: {theirs:?}\n=== ours: {ours:?}"));
        }
    }
    assert!(different.is_empty(), "{} of {} differ:\n{}", different.len(), refused.len(), different.join("\n\n"));
    Ok(())
}

/// Arguments that plan a reset of `g1`.
fn reset(what: &[&'static str]) -> Vec<&'static str> {
    ["--reset-offsets", "--group", "g1", "--dry-run"].into_iter().chain(what.iter().copied()).collect()
}

/// What is printed, without what nobody promised. Java logs errors with date and stack trace between its own lines. The
/// order of several topics, groups or partitions comes out of its hash maps: ours is that of their names.
fn comparable(tool: &str, text: &str) -> String {
    let is_log = |line: &str| {
        line.contains("ERROR") && !line.contains("\t")
            || line.starts_with("\tat ")
            || line.starts_with("Caused by:")
            || line.starts_with("org.apache.kafka.") && line.contains("Exception: ")
    };
    // JSON objects follow each other without a break.
    let text = text.replace("}{", "}\n{");
    // Java counts its tries and milliseconds in the error of a partition that is missing.
    let without_error = |line| match str::split_once(line, "\terror: ") {
        Some((partition, _)) => partition,
        None => line,
    };
    let mut lines: Vec<&str> = text.lines().filter(|line| !is_log(line)).map(without_error).collect();
    if tool != "kafka-console-consumer" || text.starts_with('{') {
        lines.sort_unstable();
    }
    lines.join("\n")
}
