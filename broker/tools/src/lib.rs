//! Kafka's command-line tools: topics, consuming, producing, groups, deleting records.
//! One program under many names: which command it is says the name it is called by. Speaks only the wire protocol.

pub mod command;
mod console_consumer;
mod console_producer;
mod consumer_groups;
mod delete_records;
mod deserializer;
mod formatter;
mod java;
pub mod options;
mod pattern;
pub mod settings;
mod topics;
pub mod usage;

use std::path::Path;

use command::Command;

/// Every command of this crate, by name.
pub const COMMANDS: [&Command; 5] = [
    &console_consumer::COMMAND,
    &console_producer::COMMAND,
    &consumer_groups::COMMAND,
    &delete_records::COMMAND,
    &topics::COMMAND,
];

/// The command called by this name: a path, with or without `.sh`.
#[must_use]
pub fn command_named(name: &str) -> Option<&'static Command> {
    let base = Path::new(name).file_name()?.to_str()?;
    let base = base.strip_suffix(".sh").unwrap_or(base);
    COMMANDS.into_iter().find(|command| command.name == base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_by_the_name_it_is_called_by() {
        for name in ["kafka-topics", "kafka-topics.sh", "/opt/kafka/bin/kafka-topics.sh", "./kafka-topics"] {
            assert_eq!(command_named(name).map(|command| command.name), Some("kafka-topics"), "{name}");
        }
        for name in ["kafka-tools", "topics", "", "/"] {
            assert!(command_named(name).is_none(), "{name}");
        }
    }
}
