//! Describing groups: offsets and lag, members, state. Tables are made by pure functions.
//! As in Kafka 3.9 a table of offsets begins with an empty line and ends without a line break.

use std::collections::{BTreeMap, BTreeSet};

use client::admin::{GroupDescription, GroupMember, Partition};
use client::{Error, offsets};

use super::{Failure, Groups, print_error, wrapped};
use crate::command::{err, out};

/// What stands where there is nothing to tell.
const MISSING: &str = "-";

/// A row of the table of offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetRow {
    /// The partition; none for a member that has none.
    pub partition: Option<Partition>,
    /// What the group has committed.
    pub committed: Option<i64>,
    /// Where the partition ends.
    pub end: Option<i64>,
    /// Member id, host and client id of who reads it.
    pub member: Option<(String, String, String)>,
}

impl Groups {
    /// Describes every chosen group.
    pub async fn describe(&self) -> Result<(), Failure> {
        let groups = self.chosen().await?;
        let mut described = Vec::new();
        for group in &groups {
            described.push(self.admin.describe_group(group).await?);
        }
        for group in described {
            if self.options.has("members") {
                let _nothing_to_tell = tell_state(&group, group.members.len())?;
                out(&members_table(&group, self.options.has("verbose")));
            } else if self.options.has("state") {
                if tell_state(&group, 1)? {
                    out(&state_table(&group));
                }
            } else {
                let rows = self.offset_rows(&group).await?;
                if tell_state(&group, rows.len())? {
                    out(&offsets_table(&group.group, &rows));
                }
            }
        }
        Ok(())
    }

    async fn offset_rows(&self, group: &GroupDescription) -> Result<Vec<OffsetRow>, Failure> {
        let committed = self.admin.committed_offsets(&group.group).await.map_err(|error| wrapped(&error))?;
        let assigned = group.members.iter().flat_map(|member| &member.assignment);
        let partitions: BTreeSet<Partition> = assigned.chain(committed.keys()).cloned().collect();
        let partitions: Vec<Partition> = partitions.into_iter().collect();
        let mut ends = BTreeMap::new();
        let listed = self.admin.list_offsets(&partitions, offsets::LATEST).await.map_err(|error| wrapped(&error))?;
        for (partition, end) in listed {
            ends.insert(partition, end.map_err(|error: Error| wrapped(&error))?);
        }
        Ok(rows(&group.members, &committed, &ends))
    }
}

/// Tells what is special about a group's state, and whether there is a table to print.
fn tell_state(group: &GroupDescription, row_count: usize) -> Result<bool, Failure> {
    let name = &group.group;
    match group.state.as_str() {
        "Dead" => print_error(&format!("Consumer group '{name}' does not exist.")),
        "Empty" => err(&format!("\nConsumer group '{name}' has no active members.\n")),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            err(&format!("\nWarning: Consumer group '{name}' is rebalancing.\n"));
        }
        "Stable" => {}
        other => {
            return Err(Failure::Told(format!("Expected a valid consumer group state, but found '{other}'.")));
        }
    }
    Ok(group.state != "Dead" && 0 < row_count)
}

/// The partitions of each member, those with most of them first, then committed partitions nobody reads.
fn rows(
    members: &[GroupMember],
    committed: &BTreeMap<Partition, i64>,
    ends: &BTreeMap<Partition, i64>,
) -> Vec<OffsetRow> {
    let row = |partition: &Partition, member: Option<&GroupMember>| OffsetRow {
        partition: Some(partition.clone()),
        committed: committed.get(partition).copied(),
        end: ends.get(partition).copied(),
        member: member.map(|member| (member.member_id.clone(), member.host.clone(), member.client_id.clone())),
    };
    let mut rows = Vec::new();
    let mut readers: Vec<&GroupMember> = members.iter().filter(|member| !member.assignment.is_empty()).collect();
    readers.sort_by_key(|member| std::cmp::Reverse(member.assignment.len()));
    for member in readers {
        let mut assignment = member.assignment.clone();
        assignment.sort();
        rows.extend(assignment.iter().map(|partition| row(partition, Some(member))));
    }
    let is_read = |partition: &Partition| members.iter().any(|member| member.assignment.contains(partition));
    rows.extend(committed.keys().filter(|partition| !is_read(partition)).map(|partition| row(partition, None)));
    rows
}

/// The table of offsets.
#[must_use]
pub fn offsets_table(group: &str, rows: &[OffsetRow]) -> String {
    let or_missing = |number: Option<i64>| number.map_or_else(|| MISSING.to_owned(), |number| number.to_string());
    let cells: Vec<[String; 9]> = rows
        .iter()
        .map(|row| {
            let lag = row.committed.filter(|offset| *offset != -1).zip(row.end).map(|(offset, end)| end - offset);
            let member = |part: fn(&(String, String, String)) -> &String| {
                row.member.as_ref().map_or_else(|| MISSING.to_owned(), |member| part(member).clone())
            };
            [
                group.to_owned(),
                row.partition.as_ref().map_or_else(|| MISSING.to_owned(), |(topic, _)| topic.clone()),
                or_missing(row.partition.as_ref().map(|(_, index)| i64::from(*index))),
                or_missing(row.committed),
                or_missing(row.end),
                or_missing(lag),
                member(|(id, _, _)| id),
                member(|(_, host, _)| host),
                member(|(_, _, client)| client),
            ]
        })
        .collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).fold(15, usize::max);
    let widths = [width(0), width(1), 10, 15, 15, 15, width(6), width(7), 0];
    let header =
        ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"];
    let mut table = line(&header, &widths);
    for row in &cells {
        table += &line(&row.each_ref().map(String::as_str), &widths);
    }
    table
}

/// A line break, then the cells, each as wide as its column.
fn line(cells: &[&str], widths: &[usize]) -> String {
    let cells: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    format!("\n{}", cells.join(" "))
}

/// The table of members. As in Kafka it is printed for groups without members, too.
fn members_table(group: &GroupDescription, verbose: bool) -> String {
    let members = &group.members;
    let with_instance = members.iter().any(|member| member.instance_id.as_deref().is_some_and(|id| !id.is_empty()));
    let is_told = !members.is_empty() && group.state != "Dead";
    let width = |least: usize, part: &dyn Fn(&GroupMember) -> usize| {
        if is_told { members.iter().map(part).fold(least, usize::max) } else { least }
    };
    let chars = |text: &str| text.chars().count();
    let group_width = width(15, &|_| chars(&group.group));
    let id_width = width(15, &|member| chars(&member.member_id));
    let instance_width = width(17, &|member| member.instance_id.as_deref().map_or(0, chars));
    let host_width = width(15, &|member| chars(&member.host));
    let client_width = width(15, &|member| chars(&member.client_id));
    let row = |group: &str, id: &str, instance: &str, host: &str, client: &str, count: &str| {
        let instance = if with_instance { format!("{instance:<instance_width$} ") } else { String::new() };
        format!(
            "{group:<group_width$} {id:<id_width$} {instance}{host:<host_width$} {client:<client_width$} {count:<15} "
        )
    };
    let mut table =
        format!("\n{}", row("GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS"));
    table += if verbose { "ASSIGNMENT\n" } else { "\n" };
    for member in members {
        let instance = member.instance_id.as_deref().unwrap_or_default();
        let count = member.assignment.len().to_string();
        table += &row(&group.group, &member.member_id, instance, &member.host, &member.client_id, &count);
        if verbose {
            table += &assignment(&member.assignment);
        }
        table.push('\n');
    }
    table
}

/// The partition numbers of each topic, without its name, as Kafka 3.9 prints them: sorted as texts.
fn assignment(partitions: &[Partition]) -> String {
    let mut by_topic: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (topic, index) in partitions {
        by_topic.entry(topic).or_default().push(index.to_string());
    }
    let in_parentheses = |mut indexes: Vec<String>| {
        indexes.sort();
        format!("({})", indexes.join(","))
    };
    let mut topics: Vec<String> = by_topic.into_values().map(in_parentheses).collect();
    topics.sort();
    if topics.is_empty() { MISSING.to_owned() } else { topics.join(", ") }
}

/// The table of a group's state. The column of the group is as wide as the coordinator, as in Kafka 3.9.
fn state_table(group: &GroupDescription) -> String {
    let node = &group.coordinator;
    let coordinator = format!("{}:{}  ({})", node.host, node.port, node.id);
    let widths = [coordinator.chars().count().max(25), 25, 20, 15, 0];
    let header = ["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"];
    let count = group.members.len().to_string();
    let row = [&*group.group, &*coordinator, &*group.assignor, &*group.state, &*count];
    line(&header, &widths) + &line(&row, &widths) + "\n"
}

#[cfg(test)]
mod tests {
    use client::cluster::Node;

    use super::*;

    fn group(state: &str, members: Vec<GroupMember>) -> GroupDescription {
        GroupDescription {
            group: "g1".to_owned(),
            state: state.to_owned(),
            protocol_type: "consumer".to_owned(),
            assignor: "range".to_owned(),
            coordinator: Node { id: 1, host: "127.0.0.1".to_owned(), port: 19192, rack: None },
            members,
        }
    }

    fn member(id: &str, partitions: &[(&str, i32)]) -> GroupMember {
        GroupMember {
            member_id: id.to_owned(),
            instance_id: None,
            client_id: "c".to_owned(),
            host: "/127.0.0.1".to_owned(),
            assignment: partitions.iter().map(|(topic, index)| ((*topic).to_owned(), *index)).collect(),
        }
    }

    #[test]
    fn the_table_of_offsets_looks_as_kafkas() {
        let committed = [(("plain".to_owned(), 0), 1), (("plain".to_owned(), 1), 2)].into();
        let ends = [(("plain".to_owned(), 0), 1), (("plain".to_owned(), 1), 5)].into();
        let expected = "
GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST            CLIENT-ID
g1              plain           0          1               1               0               -               -               -
g1              plain           1          2               5               3               -               -               -";
        assert_eq!(offsets_table("g1", &rows(&[], &committed, &ends)), expected);
    }

    #[test]
    fn columns_widen_and_members_with_most_partitions_come_first() {
        let members = [member("a-member-with-a-long-id", &[("t", 2)]), member("b", &[("t", 1), ("t", 0)])];
        let committed = [(("gone".to_owned(), 0), 7)].into();
        let table = offsets_table("g1", &rows(&members, &committed, &BTreeMap::new()));
        let rows: Vec<Vec<&str>> = table.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["g1", "t", "0", "-", "-", "-", "b", "/127.0.0.1", "c"]);
        assert_eq!(rows[1][2], "1");
        assert_eq!(rows[2][6], "a-member-with-a-long-id");
        assert_eq!(rows[3], ["g1", "gone", "0", "7", "-", "-", "-", "-", "-"]);
        assert!(table.lines().nth(1).is_some_and(|header| header.contains("CONSUMER-ID             HOST")));
    }

    #[test]
    fn the_table_of_members_looks_as_kafkas() {
        let header = "GROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS     ";
        assert_eq!(members_table(&group("Empty", Vec::new()), false), format!("\n{header}\n"));
        let members = vec![member("m", &[("t", 10), ("t", 2), ("s", 0)]), member("n", &[])];
        let row = "g1              m               /127.0.0.1      c               3               (0), (10,2)";
        let idle = "g1              n               /127.0.0.1      c               0               -";
        assert_eq!(members_table(&group("Stable", members), true), format!("\n{header}ASSIGNMENT\n{row}\n{idle}\n"));
    }

    #[test]
    fn static_members_show_their_instance() {
        let member = GroupMember { instance_id: Some("i1".to_owned()), ..member("m", &[]) };
        let table = members_table(&group("Stable", vec![member]), false);
        assert!(table.contains("CONSUMER-ID     GROUP-INSTANCE-ID HOST"), "{table}");
        assert!(table.contains("m               i1                /127.0.0.1"), "{table}");
    }

    #[test]
    fn the_table_of_states_looks_as_kafkas() {
        let expected = "
GROUP                     COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE           #MEMBERS
g1                        127.0.0.1:19192  (1)                           Empty           0
";
        let empty = GroupDescription { assignor: String::new(), ..group("Empty", Vec::new()) };
        assert_eq!(state_table(&empty), expected);
    }
}
