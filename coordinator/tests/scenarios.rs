//! Plays the text files of `scenarios/controller`: lines that start with `>` are what happens, the lines below are the effects
//! the controller in office asked for. `make scenarios` (UPDATE_SCENARIOS=1) rewrites the effects; read the difference.
//!
//! ```text
//! > brokers 1 2 3                 these brokers start, one after the other; the effects are left out
//! > topic t 1,2,3 2,3,1           a topic of two partitions is created
//! > add t 3,1                     a partition is added to it
//! > delete t                      its deletion is asked for
//! > kill 2 | stop 2 | start 2     a broker dies, leaves in good order, comes back
//! > expire 2                      its session ends, the process lives on
//! > catch up                      leaders propose the ISRs they would like
//! > move t-0 3,1 | cancel t-0     replicas are moved
//! > shutdown 2                    a broker asks whether it may stop
//! > elect t-0 | elect uncleanly t-0
//! > disk 2 t-0                    a log directory of broker 2 fails, with this partition on it
//! > pass 300000                   time passes, in milliseconds
//! ```
#![expect(clippy::unwrap_used, reason = "a scenario that cannot be read must fail its test")]

mod cluster;

use std::path::{Path, PathBuf};

use cluster::{Cluster, Weather, render};
use coordinator::controller::event::{ElectionType, Request};
use zk_schema::{BrokerId, TopicPartition};

/// Plays a scenario and gives it back with the effects that came of it.
fn play(script: &str) -> String {
    let mut cluster = Cluster::new(1, Weather::FAIR);
    let mut played = String::new();
    for line in script.lines().filter(|line| line.starts_with('#') || line.starts_with('>') || line.is_empty()) {
        played.push_str(line);
        played.push('\n');
        let Some(command) = line.strip_prefix("> ") else { continue };
        happen(&mut cluster, command);
        cluster.settle();
        if command.starts_with("brokers ") {
            cluster.take_effects();
        }
        for (_, effect) in cluster.take_effects() {
            for line in render::lines(&effect) {
                played.push_str(line.trim_end());
                played.push('\n');
            }
        }
        assert_eq!(cluster.rules.broken, Vec::<String>::new(), "after {line}");
    }
    played
}

fn happen(cluster: &mut Cluster, command: &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    match words.as_slice() {
        ["brokers", ids @ ..] => {
            for id in ids {
                cluster.start(id.parse().unwrap());
                cluster.settle();
            }
        }
        ["topic", name, lists @ ..] => cluster.create_topic(name, &borrowed(&parsed(lists))),
        ["add", name, lists @ ..] => cluster.add_partitions(name, &borrowed(&parsed(lists))),
        ["delete", name] => cluster.delete_topic(name),
        ["kill", id] => {
            cluster.kill(id.parse().unwrap());
            cluster.pass(7_000);
        }
        ["stop", id] => cluster.stop(id.parse().unwrap()),
        ["start", id] => cluster.start(id.parse().unwrap()),
        ["expire", id] => {
            cluster.expire(id.parse().unwrap());
            cluster.pass(1_000);
        }
        ["catch", "up"] => cluster.propose_isrs(),
        ["move", partition, target] => {
            let target = ids(target).into_iter().map(BrokerId).collect();
            let targets = vec![(named(partition), Some(target))];
            cluster.ask(Request::AlterPartitionReassignments { targets });
        }
        ["cancel", partition] => {
            cluster.ask(Request::AlterPartitionReassignments { targets: vec![(named(partition), None)] });
        }
        ["shutdown", id] => {
            let broker = BrokerId(id.parse().unwrap());
            let broker_epoch = cluster.nodes[&broker].broker_epoch;
            cluster.ask(Request::ControlledShutdown { broker, broker_epoch });
        }
        ["elect", "uncleanly", partition] => elect(cluster, partition, ElectionType::Unclean),
        ["elect", partition] => elect(cluster, partition, ElectionType::Preferred),
        ["disk", id, partitions @ ..] => {
            let partitions: Vec<TopicPartition> = partitions.iter().map(|text| named(text)).collect();
            cluster.fail_log_dir(id.parse().unwrap(), &partitions);
        }
        ["pass", ms] => cluster.pass(ms.parse().unwrap()),
        _ => panic!("no such command: {command}"),
    }
}

fn elect(cluster: &mut Cluster, partition: &str, election_type: ElectionType) {
    cluster.rules.unclean |= election_type == ElectionType::Unclean;
    cluster.ask(Request::ElectLeaders { partitions: Some(vec![named(partition)]), election_type });
}

fn ids(list: &str) -> Vec<i32> {
    list.split(',').map(|id| id.parse().unwrap()).collect()
}

fn parsed(lists: &[&str]) -> Vec<Vec<i32>> {
    lists.iter().map(|list| ids(list)).collect()
}

fn borrowed(lists: &[Vec<i32>]) -> Vec<&[i32]> {
    lists.iter().map(Vec::as_slice).collect()
}

fn named(text: &str) -> TopicPartition {
    let (topic, partition) = text.rsplit_once('-').unwrap();
    TopicPartition::new(topic, partition.parse().unwrap())
}

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/controller");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_controller_does_what_the_scenarios_say() {
    let update = std::env::var_os("UPDATE_SCENARIOS").is_some();
    for file in scenarios() {
        let expected = std::fs::read_to_string(&file).unwrap();
        let played = play(&expected);
        if update {
            std::fs::write(&file, played).unwrap();
            continue;
        }
        for (number, (expected, played)) in expected.lines().zip(played.lines()).enumerate() {
            assert_eq!(expected, played, "{}:{}", file.display(), number + 1);
        }
        assert_eq!(expected, played, "{}", file.display());
    }
}
