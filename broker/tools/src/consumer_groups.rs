//! `kafka-consumer-groups`: lists, describes and deletes groups, resets and deletes their offsets.
//! Failures of the work itself are told on standard output and end with exit code 0, as Kafka's own command does;
//! only a command line that makes no sense ends with 1.
//! Source: `ConsumerGroupCommand` of Kafka 3.9. Differs from Kafka: groups come by name and partitions by topic and number,
//! where Java's order is that of a hash map; the tables of `--reset-offsets` and `--delete-offsets` have one row a line,
//! as they had before 3.9.

mod delete;
mod describe;
mod reset;

use std::time::Duration;

use client::Error;
use client::admin::{Admin, GroupListing, Partition};

use crate::command::{Command, Outcome, Stop, err, forbid, out, require};
use crate::java;
use crate::options::{self, Options, Spec};
use crate::settings::Settings;

/// The command.
pub const COMMAND: Command = Command {
    name: "kafka-consumer-groups",
    about: "Lists, describes or deletes consumer groups, and resets or deletes their offsets.",
    options: &[
        Spec::text("bootstrap-server", "host:port,...", "REQUIRED: brokers to connect to first."),
        Spec::text("group", "group", "Which group. May be repeated."),
        Spec::text(
            "topic",
            "topic",
            "Whose offsets to reset or delete; topic:0,1,2 for some partitions only. May be repeated.",
        ),
        Spec::flag("all-topics", "With --reset-offsets: every topic the group has offsets of."),
        Spec::flag("list", "List all groups."),
        Spec::flag("describe", "Show a group and how far it lags behind."),
        Spec::flag("all-groups", "Every group."),
        Spec::flag("delete", "Delete groups with all their offsets."),
        Spec::long("timeout", "timeout (ms)", "How long each question may take.").or("5000"),
        Spec::text("command-config", "file", "Properties for the client."),
        Spec::flag(
            "reset-offsets",
            "Set committed offsets of a group without members. What to set them to says one of --to-datetime, \
             --by-duration, --to-earliest, --to-latest, --shift-by, --from-file, --to-current and --to-offset; of which \
             topics --all-topics or --topic, unless it is --from-file. Only --execute does it.",
        ),
        Spec::flag("delete-offsets", "Delete a group's offsets of topics."),
        Spec::flag("dry-run", "With --reset-offsets: only show what would be set; so it is without this, too."),
        Spec::flag("execute", "With --reset-offsets: do it."),
        Spec::flag("export", "With --reset-offsets: write CSV."),
        Spec::long("to-offset", "offset", "Reset to this offset."),
        Spec::text("from-file", "file", "Reset to the offsets of a CSV file as --export writes it."),
        Spec::text("to-datetime", "datetime", "Reset to the first record not older than YYYY-MM-DDTHH:mm:SS.sss."),
        Spec::text("by-duration", "duration", "Reset to the first record not older than PnDTnHnMnS before now."),
        Spec::flag("to-earliest", "Reset to the oldest record."),
        Spec::flag("to-latest", "Reset to the end."),
        Spec::flag("to-current", "Reset to the committed offset, or to the end where there is none."),
        Spec::long("shift-by", "number", "Reset so many records forward, or back if negative."),
        Spec::flag("members", "With --describe: show the members.").only_with(&["describe"]),
        Spec::flag("verbose", "With --describe --members: also what each is assigned.").only_with(&["describe"]),
        Spec::flag("offsets", "With --describe: show the partitions with their offsets; so it is without this, too.")
            .only_with(&["describe"]),
        Spec::optional(
            "state",
            "",
            "With --describe: show the state. With --list: show states, or list only groups in these (state,state).",
        )
        .only_with(&["describe", "list"]),
        Spec::optional("type", "", "With --list: show types, or list only groups of these (classic,consumer).")
            .only_with(&["list"]),
    ],
    run: |options| Box::pin(run(options)),
};

/// Why an action did not succeed.
enum Failure {
    /// Told on standard output, exit code 0.
    Told(String),
    /// Told with the usage, exit code 1.
    Usage(String),
}

impl From<options::Error> for Failure {
    fn from(error: options::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// An error as Java wraps it on its way to the user.
fn wrapped(error: &Error) -> Failure {
    Failure::Told(format!("java.util.concurrent.ExecutionException: {}", java::exception(error)))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Told(java::exception(&error))
    }
}

/// A group command under way.
struct Groups {
    admin: Admin,
    options: Options,
}

async fn run(options: Options) -> Outcome {
    check(&options)?;
    let settings = Settings::from_file(options.value("command-config")?)?;
    let cluster = settings.cluster(options.value("bootstrap-server")?.unwrap_or_default(), "adminclient-1")?;
    let timeout = options.parsed::<i64>("timeout")?.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0);
    let admin = Admin::new(cluster, Duration::from_millis(timeout));
    let groups = Groups { admin, options };
    let has = |name: &str| groups.options.has(name);
    let done = if has("list") {
        groups.list().await
    } else if has("describe") {
        groups.describe().await
    } else if has("delete") {
        groups.delete().await
    } else if has("reset-offsets") {
        groups.reset().await
    } else {
        groups.delete_offsets().await
    };
    match done {
        Ok(()) => Ok(0),
        Err(Failure::Told(text)) => {
            print_error(&format!("Executing consumer group command failed due to {text}"));
            Ok(0)
        }
        Err(Failure::Usage(text)) => Err(Stop::Usage(text)),
    }
}

fn print_error(text: &str) {
    out(&format!("\nError: {text}\n"));
}

fn check(options: &Options) -> Result<(), Stop> {
    let usage = |text: &str| Err(Stop::Usage(text.to_owned()));
    let has = |name: &str| options.has(name);
    require(options, &["bootstrap-server"])?;
    let has_scope = has("group") || has("all-groups");
    if has("describe") {
        if !has_scope {
            return usage("Option [describe] takes one of these options: [group], [all-groups]");
        }
        if 1 < ["members", "offsets", "state"].into_iter().filter(|part| has(part)).count() {
            return usage("Option [describe] takes at most one of these options: [members], [offsets], [state]");
        }
        if options.value("state")?.is_some() {
            return usage("Option [describe] does not take a value for [state]");
        }
    }
    if has("delete") {
        if !has_scope {
            return usage("Option [delete] takes one of these options: [group], [all-groups]");
        }
        if has("topic") {
            return usage("The consumer does not support topic-specific offset deletion from a consumer group.");
        }
    }
    if has("delete-offsets") && !(has("group") && has("topic")) {
        return usage("Option [delete-offsets] takes the following options: [group], [topic]");
    }
    if has("reset-offsets") {
        if has("dry-run") && has("execute") {
            return usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]");
        }
        if !has("dry-run") && !has("execute") {
            err("WARN: No action will be performed as the --execute option is missing.In a future major release, the \
                 default behavior of this command will be to prompt the user before executing the reset rather than doing \
                 a dry run. You should add the --dry-run option explicitly if you are scripting this command and want to \
                 keep the current default behavior without prompting.\n");
        }
        if !has_scope {
            return usage("Option [reset-offsets] takes one of these options: [group], [all-groups]");
        }
        for scenario in reset::SCENARIOS {
            let others: Vec<&str> = reset::SCENARIOS.into_iter().filter(|other| *other != scenario).collect();
            forbid(options, scenario, &others)?;
        }
    }
    forbid(options, "group", &["all-groups", "list"])?;
    forbid(options, "topic", &["list", "describe"])?;
    let actions = ["list", "describe", "delete", "reset-offsets", "delete-offsets"];
    if actions.into_iter().filter(|action| has(action)).count() != 1 {
        return usage(
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets",
        );
    }
    Ok(())
}

impl Groups {
    /// The groups that were named, or all.
    async fn chosen(&self) -> Result<Vec<String>, Failure> {
        if self.options.has("all-groups") {
            return Ok(self.listed(&[], &[]).await?.into_iter().map(|group| group.group).collect());
        }
        let mut groups: Vec<String> = self.options.values("group").into_iter().map(str::to_owned).collect();
        groups.sort();
        groups.dedup();
        Ok(groups)
    }

    async fn listed(&self, states: &[String], kinds: &[String]) -> Result<Vec<GroupListing>, Failure> {
        let listed = self.admin.list_groups(states, kinds).await.map_err(|error| wrapped(&error))?;
        if let Some(error) = listed.failed.first() {
            return Err(wrapped(error));
        }
        // Connect's groups and the like are no consumer groups; empty groups may have no type left.
        let is_consumer = |group: &GroupListing| matches!(group.protocol_type.as_str(), "consumer" | "");
        Ok(listed.groups.into_iter().filter(is_consumer).collect())
    }

    async fn list(&self) -> Result<(), Failure> {
        let (with_state, with_kind) = (self.options.has("state"), self.options.has("type"));
        let states = filter(self.options.value("state")?, &STATES).map_err(|list| {
            Failure::Usage(format!("Invalid state list '{list}'. Valid states are: {}", STATES.join(", ")))
        })?;
        let kinds = filter(self.options.value("type")?, &KINDS).map_err(|list| {
            Failure::Usage(format!("Invalid types list '{list}'. Valid types are: {}", KINDS.join(", ")))
        })?;
        let groups = self.listed(&states, &kinds).await?;
        out(&if with_state || with_kind {
            list_table(&groups, with_kind, with_state)
        } else {
            groups.iter().map(|group| format!("{}\n", group.group)).collect()
        });
        Ok(())
    }

    /// The partitions named by words such as `topic` and `topic:0,1`; the topics named whole are told apart.
    fn partitions_named(&self) -> Result<(Vec<Partition>, Vec<&str>), Failure> {
        let mut partitions = Vec::new();
        let mut topics = Vec::new();
        for word in self.options.values("topic") {
            if word.contains(':') {
                partitions.extend(parse_partitions(word).map_err(Failure::Usage)?);
            } else {
                topics.push(word);
            }
        }
        Ok((partitions, topics))
    }
}

const STATES: [&str; 7] =
    ["PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"];
const KINDS: [&str; 2] = ["Consumer", "Classic"];

/// Reads `a,b`; the list itself if a word is none of the known ones. Capitals do not matter.
fn filter(list: Option<&str>, known: &[&str]) -> Result<Vec<String>, String> {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(Vec::new()) };
    let find = |word: &str| known.iter().find(|known| known.eq_ignore_ascii_case(word.trim()));
    list.split(',').map(|word| find(word).map(|known| (*known).to_owned()).ok_or_else(|| list.to_owned())).collect()
}

fn list_table(groups: &[GroupListing], with_kind: bool, with_state: bool) -> String {
    let or_unknown = |text: &str| if text.is_empty() { "Unknown".to_owned() } else { text.to_owned() };
    let capitalised = |kind: &str| match kind.to_ascii_lowercase().as_str() {
        "classic" => "Classic".to_owned(),
        "consumer" => "Consumer".to_owned(),
        _ => "Unknown".to_owned(),
    };
    let width = groups.iter().map(|group| group.group.chars().count()).fold(15, usize::max) + 10;
    let row = |group: &str, kind: &str, state: &str| {
        let mut row = format!("{group:<width$}");
        if with_kind {
            row += &format!(" {kind:<20}");
        }
        if with_state {
            row += &format!(" {state:<20}");
        }
        row + "\n"
    };
    let rows = groups.iter().map(|group| row(&group.group, &capitalised(&group.kind), &or_unknown(&group.state)));
    row("GROUP", "TYPE", "STATE") + &rows.collect::<String>()
}

/// `topic:0,1,2`.
fn parse_partitions(word: &str) -> Result<Vec<Partition>, String> {
    let parts: Vec<&str> = word.split(':').collect();
    let [topic, indexes] = parts[..] else {
        return Err(format!("Invalid topic arg '{word}', expected topic name and partitions"));
    };
    let parse = |index: &str| {
        let index =
            index.parse().map_err(|_| format!("Invalid partition '{index}' specified in topic arg '{word}''"))?;
        Ok((topic.to_owned(), index))
    };
    indexes.split(',').map(parse).collect()
}

#[cfg(test)]
mod tests;
