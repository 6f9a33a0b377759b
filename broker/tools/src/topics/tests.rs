//! What descriptions look like, and which command lines are refused.

use super::*;

fn options(line: &str) -> Options {
    Options::parse(COMMAND.options, &line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap()
}

fn refusal(line: &str) -> String {
    match check(&options(line)) {
        Err(Stop::Usage(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn config(name: &str, value: &str, is_default: bool) -> ConfigEntry {
    let (name, value) = (name.to_owned(), Some(value.to_owned()));
    ConfigEntry { name, value, is_default, is_sensitive: false, read_only: false }
}

fn topic() -> TopicDescription {
    let partition = |partition, leader, replicas: &[i32], isr: &[i32]| PartitionDescription {
        partition,
        leader,
        replicas: replicas.to_vec(),
        isr: isr.to_vec(),
    };
    TopicDescription {
        name: "t".to_owned(),
        id: TopicId::ZERO,
        internal: false,
        partitions: vec![partition(0, Some(1), &[1, 2], &[1, 2]), partition(1, None, &[2, 1], &[2])],
    }
}

fn described(report: Report) -> String {
    let configs = vec![
        config("min.insync.replicas", "2", true),
        config("retention.ms", "1", false),
        config("cleanup.policy", "compact", false),
    ];
    description(&topic(), configs, &[1, 2].into(), &BTreeMap::new(), &report)
}

#[test]
fn a_description_has_a_line_for_the_topic_and_one_for_each_partition() {
    let expected = "Topic: t\tPartitionCount: 2\tReplicationFactor: 2\tConfigs: cleanup.policy=compact,retention.ms=1\n\
                    \tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1,2\tElr: N/A\tLastKnownElr: N/A\n\
                    \tTopic: t\tPartition: 1\tLeader: none\tReplicas: 2,1\tIsr: 2\tElr: N/A\tLastKnownElr: N/A\n";
    assert_eq!(described(Report::default()), expected);
    let overrides = described(Report { overrides: true, ..Report::default() });
    assert_eq!(overrides, expected.lines().next().unwrap().to_owned() + "\n");
}

#[test]
fn reports_give_only_the_partitions_they_are_about() {
    let partitions = |report: Report| -> Vec<char> {
        let text = described(report);
        text.lines().filter_map(|line| line.split("Partition: ").nth(1)?.chars().next()).collect()
    };
    assert_eq!(partitions(Report { under_replicated: true, ..Report::default() }), ['1']);
    assert_eq!(partitions(Report { unavailable: true, ..Report::default() }), ['1']);
    assert_eq!(partitions(Report { under_min_isr: true, ..Report::default() }), ['1']);
    assert_eq!(partitions(Report { at_min_isr: true, ..Report::default() }), ['0']);
}

#[test]
fn a_partition_on_the_move_shows_who_comes_and_who_goes() {
    let moving = Reassignment { replicas: vec![3, 1, 2], adding: vec![3], removing: vec![2] };
    let partition = PartitionDescription { partition: 0, leader: Some(1), replicas: vec![3, 1, 2], isr: vec![1, 2] };
    assert_eq!(replication_factor(&partition, Some(&moving)), 2);
    let line = partition_line("t", &partition, Some(&moving));
    assert!(line.contains("\tIsr: 1,2\tAdding Replicas: 3\tRemoving Replicas: 2\tElr: N/A"), "{line}");
}

#[test]
fn replica_assignments_are_checked() {
    assert_eq!(parse_assignment("1:2, 2:3").map_err(|f| f.0), Ok(vec![vec![1, 2], vec![2, 3]]));
    let said = |text: &str| parse_assignment(text).unwrap_err().0;
    assert_eq!(said("1:2,2"), "Partition 1 has different replication factor: [2]");
    assert_eq!(said("1:1"), "Partition replica lists may not contain duplicate entries: 1");
    assert_eq!(said("x"), "For input string: \"x\"");
}

#[test]
fn command_lines_that_make_no_sense_are_refused_in_kafkas_words() {
    let with = |rest: &str| refusal(&format!("--bootstrap-server a:1 {rest}"));
    let one_action = "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
    assert_eq!(with("--list --create"), one_action);
    assert_eq!(refusal("--list"), "--bootstrap-server must be specified");
    assert_eq!(with("--create"), "Missing required argument \"[topic]\"");
    assert_eq!(with("--alter --topic t"), "Missing required argument \"[partitions]\"");
    assert_eq!(with("--list --partitions 3"), "Option \"[partitions]\" can't be used with option \"[list]\"");
    assert_eq!(
        with("--create --topic t --replica-assignment 1 --partitions 2"),
        "Option \"[replica-assignment]\" can't be used with option \"[partitions]\""
    );
    assert_eq!(
        with("--describe --topics-with-overrides --unavailable-partitions"),
        "Option \"[unavailable-partitions]\" can't be used with option \"[topics-with-overrides]\""
    );
    assert_eq!(with("--describe --if-exists"), "--topic or --topic-id is required to describe a topic");
    assert!(check(&options("--bootstrap-server a:1 --describe --at-min-isr-partitions --if-exists --topic t")).is_ok());
}
