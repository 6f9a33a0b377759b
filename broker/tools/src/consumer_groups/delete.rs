//! Deleting groups, and deleting offsets of groups.

use std::collections::BTreeMap;

use client::Error;
use client::admin::Partition;
use wire::ErrorCode;

use super::{Failure, Groups, print_error};
use crate::command::out;
use crate::java;

impl Groups {
    /// Deletes every chosen group.
    pub async fn delete(&self) -> Result<(), Failure> {
        let (mut deleted, mut failed) = (Vec::new(), Vec::new());
        for group in self.chosen().await? {
            match self.admin.delete_group(&group).await {
                Ok(()) => deleted.push(group),
                Err(error) => failed.push((group, error)),
            }
        }
        if failed.is_empty() {
            out(&format!("Deletion of requested consumer groups ('{}') was successful.\n", deleted.join("', '")));
            return Ok(());
        }
        print_error("Deletion of some consumer groups failed:");
        for (group, error) in failed {
            let error = java::exception(&error);
            out(&format!(
                "* Group '{group}' could not be deleted due to: java.util.concurrent.ExecutionException: {error}\n"
            ));
        }
        if !deleted.is_empty() {
            out(&format!("\nThese consumer groups were deleted successfully: '{}'\n", deleted.join("', '")));
        }
        Ok(())
    }

    /// Deletes the offsets of the named topics and partitions.
    pub async fn delete_offsets(&self) -> Result<(), Failure> {
        let group = self.options.value("group")?.unwrap_or_default();
        let topics = self.options.values("topic");
        let (mut partitions, whole) = self.partitions_named()?;
        let mut rows: BTreeMap<Partition, Option<Error>> = BTreeMap::new();
        for (topic, description) in self.admin.describe_topics(&whole).await? {
            match description {
                Ok(topic) => partitions.extend(topic.partitions.iter().map(|p| (topic.name.clone(), p.partition))),
                Err(error) => {
                    rows.insert((topic, -1), Some(error));
                }
            }
        }
        let deleted = self.admin.delete_offsets(group, &partitions).await;
        let first_error = match deleted {
            Ok(results) => {
                let mut first = None;
                for (partition, result) in results {
                    let error = result.err();
                    first = first.or_else(|| error.as_ref().and_then(Error::code));
                    rows.insert(partition, error);
                }
                first
            }
            Err(error) => {
                let code = error.code().unwrap_or(ErrorCode::RequestTimedOut);
                for partition in partitions {
                    rows.insert(partition, Some(Error::broker(group, code, Some(&error.message()))));
                }
                Some(code)
            }
        };
        match first_error.map(|code| refusal(group, code)) {
            None => {
                let topics = topics.join(", ");
                out(&format!("Request succeed for deleting offsets with topic {topics} group {group}\n"));
            }
            Some(text) => print_error(&text),
        }
        out(&table(&rows));
        Ok(())
    }
}

fn refusal(group: &str, code: ErrorCode) -> String {
    match code {
        ErrorCode::InvalidGroupId => format!("'{group}' is not valid."),
        ErrorCode::GroupIdNotFound => format!("'{group}' does not exist."),
        ErrorCode::GroupAuthorizationFailed => format!("Access to '{group}' is not authorized."),
        ErrorCode::NonEmptyGroup => {
            format!("Deleting offsets of a consumer group '{group}' is forbidden if the group is not empty.")
        }
        ErrorCode::GroupSubscribedToTopic
        | ErrorCode::TopicAuthorizationFailed
        | ErrorCode::UnknownTopicOrPartition => {
            "Encounter some partition level error, see the follow-up details:".to_owned()
        }
        other => format!("Encounter some unknown error: {}", other.name()),
    }
}

fn table(rows: &BTreeMap<Partition, Option<Error>>) -> String {
    let row = |topic: &str, partition: &str, status: &str| format!("{topic:<30} {partition:<15} {status:<15}\n");
    let mut table = format!("\n{}", row("TOPIC", "PARTITION", "STATUS"));
    for ((topic, index), error) in rows {
        let index = if *index < 0 { "Not Provided".to_owned() } else { index.to_string() };
        let status = match error {
            None => "Successful".to_owned(),
            Some(error) => format!("Error: :{}", java::exception(error)),
        };
        table += &row(topic, &index, &status);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_status() {
        let rows = [
            (("t".to_owned(), 0), None),
            (("u".to_owned(), -1), Some(Error::broker("u", ErrorCode::UnknownTopicOrPartition, None))),
        ]
        .into();
        let expected = "
TOPIC                          PARTITION       STATUS         
t                              0               Successful     
u                              Not Provided    Error: :org.apache.kafka.common.errors.UnknownTopicOrPartitionException: This server does not host this topic-partition.
";
        assert_eq!(table(&rows), expected);
    }

    #[test]
    fn a_group_in_use_keeps_its_offsets() {
        let text = refusal("g", ErrorCode::NonEmptyGroup);
        assert_eq!(text, "Deleting offsets of a consumer group 'g' is forbidden if the group is not empty.");
        assert_eq!(refusal("g", ErrorCode::UnknownServerError), "Encounter some unknown error: UNKNOWN_SERVER_ERROR");
    }
}
