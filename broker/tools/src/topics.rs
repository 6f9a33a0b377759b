//! `kafka-topics`: creates, lists, describes, grows and deletes topics.
//! Failures are told on standard output, as Kafka's own command does, with exit code 1.
//! Source: `TopicCommand` of Kafka 3.9. Differs from Kafka: several topics are described in order of their names, where
//! Java's order is that of a hash map.

use std::collections::{BTreeMap, BTreeSet};

use client::Error;
use client::admin::{
    Admin, ConfigEntry, Growth, NewTopic, Partition, PartitionDescription, Reassignment, ResourceType, TopicDescription,
};
use wire::ErrorCode;
use zk_schema::types::TopicId;

use crate::command::{Command, Outcome, Stop, forbid, out, require};
use crate::java;
use crate::options::{self, Options, Spec};
use crate::pattern::{TopicPattern, is_internal};
use crate::settings::Settings;

const ACTIONS: [&str; 5] = ["alter", "create", "describe", "list", "delete"];
const REPORTS: [&str; 4] =
    ["under-replicated-partitions", "under-min-isr-partitions", "at-min-isr-partitions", "unavailable-partitions"];

/// The command.
pub const COMMAND: Command = Command {
    name: "kafka-topics",
    about: "Creates, lists, describes, alters or deletes topics.",
    options: &[
        Spec::text("bootstrap-server", "host:port,...", "REQUIRED: brokers to connect to first."),
        Spec::text("command-config", "file", "Properties for the client."),
        Spec::flag("list", "List topics."),
        Spec::flag("create", "Create a topic."),
        Spec::flag("delete", "Delete topics."),
        Spec::flag("alter", "Give topics more partitions."),
        Spec::flag("describe", "Show topics with their partitions."),
        Spec::text("topic", "topic", "Which topic; but for --create a regular expression."),
        Spec::text("topic-id", "topic id", "Which topic to describe, by its id; goes before --topic."),
        Spec::text(
            "config",
            "name=value",
            "With --create: a config of the new topic that differs from the broker's. May be repeated. Existing topics \
             are altered with kafka-configs.",
        ),
        Spec::text("delete-config", "name", "Not supported: use kafka-configs."),
        Spec::integer(
            "partitions",
            "number",
            "How many partitions the topic has or is to have. With --create the broker's default if missing. More \
             partitions send keys elsewhere than before.",
        ),
        Spec::integer(
            "replication-factor",
            "number",
            "With --create: how many replicas each partition has; the broker's default if missing.",
        ),
        Spec::text(
            "replica-assignment",
            "id:id,id:id,...",
            "Which brokers have each partition; the first of each is its preferred leader.",
        ),
        Spec::flag("under-replicated-partitions", "With --describe: only partitions with replicas out of sync."),
        Spec::flag("unavailable-partitions", "With --describe: only partitions without a live leader."),
        Spec::flag(
            "under-min-isr-partitions",
            "With --describe: only partitions with fewer in sync than their minimum.",
        ),
        Spec::flag("at-min-isr-partitions", "With --describe: only partitions with just their minimum in sync."),
        Spec::flag("topics-with-overrides", "With --describe: only topics with configs of their own."),
        Spec::flag("if-exists", "With --alter, --delete and --describe: a missing topic is no error."),
        Spec::flag("if-not-exists", "With --create: a topic that exists is no error."),
        Spec::flag("exclude-internal", "With --list and --describe: without Kafka's own topics."),
        Spec::integer(
            "partition-size-limit-per-response",
            "number",
            "Most partitions in one answer, where brokers answer in parts.",
        ),
    ],
    run: |options| Box::pin(run(options)),
};

/// Why an action did not succeed: told on standard output.
struct Failure(String);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.message())
    }
}

impl From<options::Error> for Failure {
    fn from(error: options::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(text)
    }
}

async fn run(options: Options) -> Outcome {
    check(&options)?;
    let settings = Settings::from_file(options.value("command-config")?)?;
    let cluster = settings.cluster(options.value("bootstrap-server")?.unwrap_or_default(), "adminclient-1")?;
    let timeout = cluster.config().retry_for;
    let admin = Admin::new(cluster, timeout);
    let done = if options.has("create") {
        create(&admin, &options).await
    } else if options.has("alter") {
        alter(&admin, &options).await
    } else if options.has("list") {
        list(&admin, &options).await
    } else if options.has("describe") {
        describe(&admin, &options).await
    } else {
        delete(&admin, &options).await
    };
    Ok(match done {
        Ok(()) => 0,
        Err(Failure(text)) => {
            out(&format!("Error while executing topic command : {text}\n"));
            1
        }
    })
}

fn check(options: &Options) -> Result<(), Stop> {
    if ACTIONS.iter().filter(|action| options.has(action)).count() != 1 {
        let text = "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
        return Err(Stop::Usage(text.to_owned()));
    }
    if !options.has("bootstrap-server") {
        return Err(Stop::Usage("--bootstrap-server must be specified".to_owned()));
    }
    if options.has("describe") && options.has("if-exists") {
        match (options.has("topic"), options.has("topic-id")) {
            (false, false) => {
                return Err(Stop::Usage("--topic or --topic-id is required to describe a topic".to_owned()));
            }
            (true, true) => {
                out("Only topic id will be used when both --topic and --topic-id are specified and topicId is not \
                     Uuid.ZERO_UUID\n");
            }
            _ => {}
        }
    }
    if !options.has("list") && !options.has("describe") {
        require(options, &["topic"])?;
    }
    if options.has("alter") {
        if options.has("config") {
            let text = "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (the \
                        kafka-configs CLI supports altering topic configs with a --bootstrap-server option)";
            return Err(Stop::Usage(text.to_owned()));
        }
        require(options, &["partitions"])?;
    }
    let only_with = |option: &str, actions: &[&str]| {
        let others: Vec<&str> = ACTIONS.into_iter().filter(|action| !actions.contains(action)).collect();
        forbid(options, option, &others)
    };
    only_with("config", &["alter", "create"])?;
    only_with("delete-config", &["alter"])?;
    forbid(options, "delete-config", &["bootstrap-server"])?;
    only_with("partitions", &["alter", "create"])?;
    only_with("replication-factor", &["create"])?;
    only_with("replica-assignment", &["alter", "create"])?;
    if options.has("create") {
        forbid(options, "replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPORTS {
        only_with(report, &["describe"])?;
        forbid(options, report, &["topics-with-overrides"])?;
    }
    only_with("topics-with-overrides", &["describe"])?;
    only_with("if-exists", &["alter", "delete", "describe"])?;
    only_with("if-not-exists", &["create"])?;
    only_with("exclude-internal", &["list", "describe"])
}

/// `1:2,2:3`: the replicas of each partition.
fn parse_assignment(text: &str) -> Result<Vec<Vec<i32>>, Failure> {
    let mut assignment: Vec<Vec<i32>> = Vec::new();
    for (index, partition) in text.split(',').enumerate() {
        let mut replicas: Vec<i32> = Vec::new();
        let mut duplicates = BTreeSet::new();
        for id in partition.split(':').map(str::trim) {
            let id = id.parse().map_err(|_| format!("For input string: \"{id}\""))?;
            if replicas.contains(&id) {
                duplicates.insert(id);
            }
            replicas.push(id);
        }
        if !duplicates.is_empty() {
            let text = format!("Partition replica lists may not contain duplicate entries: {}", joined(&duplicates));
            return Err(text.into());
        }
        if assignment.first().is_some_and(|first| first.len() != replicas.len()) {
            return Err(format!("Partition {index} has different replication factor: {replicas:?}").into());
        }
        assignment.push(replicas);
    }
    Ok(assignment)
}

fn assignment(options: &Options) -> Result<Vec<Vec<i32>>, Failure> {
    match options.value("replica-assignment")? {
        Some(text) if !text.is_empty() => parse_assignment(text),
        _ => Ok(Vec::new()),
    }
}

async fn create(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let name = options.value("topic")?.unwrap_or_default().to_owned();
    let partitions: Option<i32> = options.parsed("partitions")?;
    let replication_factor: Option<i32> = options.parsed("replication-factor")?;
    let assignment = assignment(options)?;
    let mut configs = BTreeMap::new();
    for config in options.values("config") {
        let Some((key, value)) = config.split_once('=').filter(|(_, value)| !value.is_empty() && !value.contains('='))
        else {
            let text = "requirement failed: Invalid topic config: all configs to be added must be in the format \
                        \"key=val\".";
            return Err(text.to_owned().into());
        };
        configs.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    if name.contains(['.', '_']) {
        out(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. \
             To avoid issues it is best to use either, but not both.\n",
        );
    }
    let factor = replication_factor.map(i16::try_from).transpose().ok().filter(|factor| factor.is_none_or(|f| f >= 1));
    let Some(replication_factor) = factor else {
        return Err("The replication factor must be between 1 and 32767 inclusive".to_owned().into());
    };
    if partitions.is_some_and(|count| count < 1) {
        return Err("The partitions must be greater than 0".to_owned().into());
    }
    let topic = NewTopic { name: name.clone(), partitions, replication_factor, assignment, configs };
    match admin.create_topic(&topic).await {
        Ok(()) => {
            out(&format!("Created topic {name}.\n"));
            Ok(())
        }
        Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) && options.has("if-not-exists") => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The topics `--topic` and `--exclude-internal` leave, by name.
async fn chosen(admin: &Admin, options: &Options) -> Result<Vec<String>, Failure> {
    let wanted = options.value("topic")?;
    let topics = admin.list_topics().await?;
    let pattern = wanted.map(TopicPattern::of_list).transpose()?;
    let without_internal = options.has("exclude-internal");
    let is_chosen = |name: &String| {
        pattern.as_ref().is_none_or(|pattern| pattern.contains(name)) && !(without_internal && is_internal(name))
    };
    Ok(topics.into_iter().map(|topic| topic.name).filter(is_chosen).collect())
}

/// The chosen topics; an error if one was asked for and there is none, unless `--if-exists`.
async fn existing(admin: &Admin, options: &Options) -> Result<Vec<String>, Failure> {
    let topics = chosen(admin, options).await?;
    match options.value("topic")? {
        Some(wanted) if topics.is_empty() && !wanted.is_empty() && !options.has("if-exists") => {
            // The word "Optional" is Kafka 3.9's own.
            Err(format!("Topic 'Optional[{wanted}]' does not exist as expected").into())
        }
        _ => Ok(topics),
    }
}

async fn list(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let topics = chosen(admin, options).await?;
    out(&format!("{}\n", topics.join("\n")));
    Ok(())
}

async fn delete(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let topics = existing(admin, options).await?;
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    for result in admin.delete_topics(&names).await?.into_values() {
        result?;
    }
    Ok(())
}

async fn alter(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let count: i32 = options.parsed("partitions")?.unwrap_or_default();
    let assignment = assignment(options)?;
    let topics = existing(admin, options).await?;
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut grown = BTreeMap::new();
    for (name, description) in admin.describe_topics(&names).await? {
        let existing = description?.partitions.len();
        let new = (!assignment.is_empty()).then(|| assignment.iter().skip(existing).cloned().collect());
        grown.insert(name, Growth { partition_count: count, assignment: new });
    }
    if grown.is_empty() {
        return Ok(());
    }
    for result in admin.create_partitions(&grown).await?.into_values() {
        result?;
    }
    Ok(())
}

async fn describe(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let wanted_id = match options.value("topic-id")? {
        Some(text) => {
            let id: TopicId = text.parse().map_err(|_| format!("Input string `{text}` is not a topic id"))?;
            Some(id).filter(|id| id.is_known())
        }
        None => None,
    };
    let names = match wanted_id {
        Some(id) => {
            let found = admin.list_topics().await?.into_iter().find(|topic| topic.id == id);
            let found = found.filter(|topic| !(options.has("exclude-internal") && topic.internal));
            if found.is_none() && !options.has("if-exists") {
                return Err(format!("TopicId '{id}' does not exist as expected").into());
            }
            found.into_iter().map(|topic| topic.name).collect()
        }
        None => existing(admin, options).await?,
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    let topics = admin.describe_topics(&names).await?;
    let mut configs = admin.describe_configs(ResourceType::Topic, &names).await?;
    let live: BTreeSet<i32> = admin.describe_cluster().await?.nodes.iter().map(|node| node.id).collect();
    let moving = admin.list_reassignments().await?;
    let report = Report::of(options);
    for (name, topic) in topics {
        let topic = topic?;
        let configs = configs.remove(&name).unwrap_or_else(|| Ok(Vec::new()))?;
        out(&description(&topic, configs, &live, &moving, &report));
    }
    Ok(())
}

/// Which lines of a description are wanted.
#[derive(Clone, Copy, Debug, Default)]
struct Report {
    under_replicated: bool,
    under_min_isr: bool,
    at_min_isr: bool,
    unavailable: bool,
    overrides: bool,
}

impl Report {
    fn of(options: &Options) -> Self {
        Self {
            under_replicated: options.has("under-replicated-partitions"),
            under_min_isr: options.has("under-min-isr-partitions"),
            at_min_isr: options.has("at-min-isr-partitions"),
            unavailable: options.has("unavailable-partitions"),
            overrides: options.has("topics-with-overrides"),
        }
    }

    /// Whole topics, not single partitions.
    fn is_of_topics(self) -> bool {
        !(self.under_replicated || self.under_min_isr || self.at_min_isr || self.unavailable)
    }
}

fn description(
    topic: &TopicDescription,
    mut configs: Vec<ConfigEntry>,
    live: &BTreeSet<i32>,
    moving: &BTreeMap<Partition, Reassignment>,
    report: &Report,
) -> String {
    java::hash_order(&mut configs, |config| &config.name);
    let moving = |partition: i32| moving.get(&(topic.name.clone(), partition));
    let mut text = String::new();
    let own: Vec<&ConfigEntry> = configs.iter().filter(|config| !config.is_default).collect();
    if let Some(first) = topic.partitions.first()
        && report.is_of_topics()
        && (!report.overrides || !own.is_empty())
    {
        let id = if topic.id.is_known() { format!("\tTopicId: {}", topic.id) } else { String::new() };
        // A secret or null value is printed as Java prints null.
        let value = |config: &ConfigEntry| config.value.clone().unwrap_or_else(|| "null".to_owned());
        let own: Vec<String> = own.into_iter().map(|config| format!("{}={}", config.name, value(config))).collect();
        text += &format!(
            "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}\n",
            topic.name,
            topic.partitions.len(),
            replication_factor(first, moving(first.partition)),
            own.join(",")
        );
    }
    if report.overrides {
        return text;
    }
    let minimum = configs.iter().find(|config| config.name == "min.insync.replicas");
    let minimum: usize = minimum.and_then(|config| config.value.as_deref()?.parse().ok()).unwrap_or(1);
    for partition in &topic.partitions {
        let moving = moving(partition.partition);
        let in_sync = partition.isr.len();
        let wanted = report.is_of_topics()
            || report.under_replicated && replication_factor(partition, moving) > in_sync
            || report.unavailable && partition.leader.is_none_or(|leader| !live.contains(&leader))
            || report.under_min_isr && (partition.leader.is_none() || in_sync < minimum)
            || report.at_min_isr && in_sync == minimum;
        if wanted {
            text += &partition_line(&topic.name, partition, moving);
        }
    }
    text
}

fn partition_line(topic: &str, partition: &PartitionDescription, moving: Option<&Reassignment>) -> String {
    let leader = partition.leader.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let moving = moving.map_or_else(String::new, |moving| {
        format!("\tAdding Replicas: {}\tRemoving Replicas: {}", joined(&moving.adding), joined(&moving.removing))
    });
    format!(
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}{moving}\tElr: N/A\tLastKnownElr: N/A\n",
        partition.partition,
        joined(&partition.replicas),
        joined(&partition.isr)
    )
}

/// Replicas that come count only once those that go are gone.
fn replication_factor(partition: &PartitionDescription, moving: Option<&Reassignment>) -> usize {
    match moving {
        Some(moving)
            if partition.replicas.iter().any(|id| moving.adding.contains(id) || moving.removing.contains(id)) =>
        {
            moving.replicas.len().saturating_sub(moving.adding.len())
        }
        _ => partition.replicas.len(),
    }
}

fn joined<'a>(ids: impl IntoIterator<Item = &'a i32>) -> String {
    ids.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
