//! Resetting committed offsets: which partitions, to what, and how it is told.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{FixedOffset, NaiveDateTime, TimeZone as _, Utc};
use client::admin::Partition;
use client::offsets;
use regex::Regex;

use super::{Failure, Groups, print_error, wrapped};
use crate::command::{err, out};

/// Options that say what to reset to; only one may be given.
pub const SCENARIOS: [&str; 8] =
    ["to-offset", "shift-by", "to-datetime", "by-duration", "to-earliest", "to-latest", "to-current", "from-file"];

/// New offsets by partition.
type Plan = BTreeMap<Partition, i64>;

impl Groups {
    /// Plans new offsets for every chosen group, sets them if it is to be done, and tells them.
    pub async fn reset(&self) -> Result<(), Failure> {
        let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
        for group in self.chosen().await? {
            let state = self.admin.describe_group(&group).await.map_err(|error| wrapped(&error))?.state;
            let mut plan = Plan::new();
            if matches!(state.as_str(), "Empty" | "Dead") {
                let partitions = self.partitions_to_reset(&group).await?;
                plan = self.plan(&group, &partitions).await?;
                if self.options.has("execute") {
                    self.admin.alter_offsets(&group, &plan).await.map_err(|error| wrapped(&error))?;
                }
            } else {
                print_error(&format!(
                    "Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
                ));
            }
            plans.insert(group, plan);
        }
        out(&if self.options.has("export") {
            format!("{}\n", csv(&plans, self.options.values("group").len() == 1))
        } else {
            table(&plans)
        });
        Ok(())
    }

    async fn partitions_to_reset(&self, group: &str) -> Result<Vec<Partition>, Failure> {
        if self.options.has("all-topics") {
            return Ok(self.committed(group).await?.into_keys().collect());
        }
        if !self.options.has("topic") {
            if self.options.has("from-file") {
                return Ok(Vec::new());
            }
            let text = "One of the reset scopes should be defined: --all-topics, --topic.";
            return Err(Failure::Usage(text.to_owned()));
        }
        let (named, whole) = self.partitions_named()?;
        let mut partitions: BTreeSet<Partition> = named.into_iter().collect();
        for (topic, description) in self.admin.describe_topics(&whole).await.map_err(|error| wrapped(&error))? {
            let description = description.map_err(|error| wrapped(&error))?;
            partitions.extend(description.partitions.iter().map(|p| (topic.clone(), p.partition)));
        }
        Ok(partitions.into_iter().collect())
    }

    async fn committed(&self, group: &str) -> Result<Plan, Failure> {
        self.admin.committed_offsets(group).await.map_err(|error| wrapped(&error))
    }

    async fn offsets_at(&self, partitions: &[Partition], timestamp: i64) -> Result<Plan, Failure> {
        let listed = self.admin.list_offsets(partitions, timestamp).await.map_err(|error| wrapped(&error))?;
        let offset = |(partition, offset): (Partition, Result<i64, client::Error>)| {
            Ok((partition, offset.map_err(|error| wrapped(&error))?))
        };
        listed.into_iter().map(offset).collect()
    }

    async fn plan(&self, group: &str, partitions: &[Partition]) -> Result<Plan, Failure> {
        let given = SCENARIOS.into_iter().find(|scenario| self.options.has(scenario));
        match given {
            Some("to-offset") => {
                let offset: i64 = self.options.parsed("to-offset")?.unwrap_or_default();
                self.within_range(partitions.iter().map(|partition| (partition.clone(), offset)).collect()).await
            }
            Some("to-earliest") => self.offsets_at(partitions, offsets::EARLIEST).await,
            Some("to-latest") => self.offsets_at(partitions, offsets::LATEST).await,
            Some("shift-by") => {
                let shift: i64 = self.options.parsed("shift-by")?.unwrap_or_default();
                let committed = self.committed(group).await?;
                let shifted = |partition: &Partition| {
                    let offset = committed.get(partition).ok_or_else(|| {
                        let (topic, index) = partition;
                        let text = "since there is no current committed offset";
                        Failure::Usage(format!("Cannot shift offset for partition {topic}-{index} {text}"))
                    })?;
                    Ok((partition.clone(), offset.saturating_add(shift)))
                };
                let shifted = partitions.iter().map(shifted).collect::<Result<Plan, Failure>>()?;
                self.within_range(shifted).await
            }
            Some("to-datetime") => {
                let text = self.options.value("to-datetime")?.unwrap_or_default();
                let timestamp = parse_datetime(text).map_err(Failure::Told)?;
                self.since(partitions, timestamp).await
            }
            Some("by-duration") => {
                let text = self.options.value("by-duration")?.unwrap_or_default();
                let millis = parse_duration(text)
                    .ok_or_else(|| Failure::Told("Text cannot be parsed to a Duration".to_owned()))?;
                self.since(partitions, Utc::now().timestamp_millis().saturating_sub(millis)).await
            }
            Some("from-file") => self.planned_in_file(group).await,
            Some("to-current") => {
                let committed = self.committed(group).await?;
                let missing: Vec<Partition> =
                    partitions.iter().filter(|partition| !committed.contains_key(*partition)).cloned().collect();
                let mut plan = self.offsets_at(&missing, offsets::LATEST).await?;
                plan.extend(committed.into_iter().filter(|(partition, _)| partitions.contains(partition)));
                Ok(plan)
            }
            _ => {
                let scenarios: Vec<String> = SCENARIOS.iter().map(|scenario| format!("[{scenario}]")).collect();
                Err(Failure::Usage(format!(
                    "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
                    scenarios.join(", ")
                )))
            }
        }
    }

    /// The first offset whose record is not older; the end where there is none.
    async fn since(&self, partitions: &[Partition], timestamp: i64) -> Result<Plan, Failure> {
        let mut plan = self.offsets_at(partitions, timestamp).await?;
        let beyond: Vec<Partition> =
            plan.iter().filter(|(_, offset)| **offset < 0).map(|(partition, _)| partition.clone()).collect();
        for (topic, index) in &beyond {
            let text = "is empty. Falling back to latest known offset.";
            out(&format!("\nWarn: Partition {index} from topic {topic} {text}\n"));
        }
        plan.extend(self.offsets_at(&beyond, offsets::LATEST).await?);
        Ok(plan)
    }

    async fn planned_in_file(&self, group: &str) -> Result<Plan, Failure> {
        let path = self.options.value("from-file")?.unwrap_or_default();
        let text = std::fs::read_to_string(path)
            .map_err(|_| Failure::Told(format!("java.io.IOException: Unable to read file {path}")))?;
        let only_group = match self.options.values("group")[..] {
            [group] => Some(group),
            _ => None,
        };
        let mut plans = parse_csv(&text, only_group).map_err(Failure::Told)?;
        match plans.remove(group) {
            Some(plan) => self.within_range(plan).await,
            None => {
                print_error(&format!("No reset plan for group {group} found"));
                Ok(Plan::new())
            }
        }
    }

    /// Moves offsets beyond either end of their partition to that end, with a warning.
    async fn within_range(&self, mut plan: Plan) -> Result<Plan, Failure> {
        let partitions: Vec<Partition> = plan.keys().cloned().collect();
        let starts = self.offsets_at(&partitions, offsets::EARLIEST).await?;
        let ends = self.offsets_at(&partitions, offsets::LATEST).await?;
        for (partition, offset) in &mut plan {
            let (start, end) = (starts.get(partition).copied(), ends.get(partition).copied());
            let bound = match (start, end) {
                (_, Some(end)) if *offset > end => Some((end, "higher than latest")),
                (Some(start), _) if *offset < start => Some((start, "lower than earliest")),
                _ => None,
            };
            if let Some((bound, how)) = bound {
                let (topic, index) = partition;
                err(&format!(
                    "WARN New offset ({offset}) is {how} offset for topic partition {topic}-{index}. Value will be set to \
                     {bound}\n"
                ));
                *offset = bound;
            }
        }
        Ok(plan)
    }
}

fn table(plans: &BTreeMap<String, Plan>) -> String {
    let row = |group: &str, topic: &str, partition: &str, offset: &str| {
        format!("{group:<30} {topic:<30} {partition:<10} {offset:<15}\n")
    };
    if plans.is_empty() {
        return String::new();
    }
    let mut table = format!("\n{}", row("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"));
    for (group, plan) in plans {
        for ((topic, index), offset) in plan {
            table += &row(group, topic, &index.to_string(), &offset.to_string());
        }
    }
    table
}

fn csv(plans: &BTreeMap<String, Plan>, is_single_group: bool) -> String {
    let mut text = String::new();
    for (group, plan) in plans {
        for ((topic, index), offset) in plan {
            if !is_single_group {
                text += &format!("{},", csv_text(group));
            }
            text += &format!("{},{index},{offset}\n", csv_text(topic));
        }
    }
    text
}

/// Jackson puts into quotes what might need them, and what is too long to look at.
fn csv_text(text: &str) -> String {
    let may_need_quotes = 24 < text.chars().count() || text.chars().any(|c| c < '-');
    if may_need_quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Plans by group: lines `topic,partition,offset` of the one group asked about, or `group,topic,partition,offset`.
fn parse_csv(text: &str, only_group: Option<&str>) -> Result<BTreeMap<String, Plan>, String> {
    let rows: Vec<Vec<String>> = text.lines().filter(|line| !line.trim().is_empty()).map(csv_fields).collect();
    let without_group = rows.first().is_some_and(|first| first.len() == 3);
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    for row in &rows {
        let (group, fields) = match (only_group, &row[..]) {
            (Some(group), fields) if without_group => (group, fields),
            (_, [group, fields @ ..]) => (group.as_str(), fields),
            (_, []) => continue,
        };
        let bad = || format!("cannot read the line '{}' of the reset plan", row.join(","));
        let [topic, index, offset] = fields else { return Err(bad()) };
        let index = index.trim().parse().map_err(|_| bad())?;
        let offset = offset.trim().parse().map_err(|_| bad())?;
        plans.entry(group.to_owned()).or_default().insert((topic.clone(), index), offset);
    }
    Ok(plans)
}

fn csv_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut in_quotes = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if in_quotes && chars.peek() == Some(&'"') => {
                chars.next();
                fields.last_mut().expect("there is always a field").push('"');
            }
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => fields.push(String::new()),
            other => fields.last_mut().expect("there is always a field").push(other),
        }
    }
    fields
}

/// `YYYY-MM-DDTHH:mm:SS.sss` with or without a zone (UTC without), as milliseconds since 1970.
fn parse_datetime(text: &str) -> Result<i64, String> {
    let Some((_, time)) = text.split_once('T').filter(|(_, time)| !time.is_empty()) else {
        let problem = "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format";
        return Err(format!("java.text.ParseException: {problem}"));
    };
    let with_zone = if time.contains(['+', '-', 'Z']) { text.to_owned() } else { format!("{text}Z") };
    datetime(&with_zone).ok_or_else(|| format!("java.text.ParseException: Unparseable date: \"{with_zone}\""))
}

fn datetime(text: &str) -> Option<i64> {
    let (seconds, rest) = text.split_once('.')?;
    let zone_at = rest.find(['+', '-', 'Z'])?;
    let (millis, zone) = rest.split_at(zone_at);
    let naive = NaiveDateTime::parse_from_str(seconds, "%Y-%m-%dT%H:%M:%S").ok()?;
    // Java reads the digits behind the point as a number of milliseconds.
    let millis: i64 = millis.parse().ok().filter(|millis| (0..1000).contains(millis))?;
    let offset_minutes = if zone == "Z" {
        0
    } else {
        let (hours, minutes) = zone[1..].split_once(':').unwrap_or((&zone[1..], "0"));
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        let sign = if zone.starts_with('-') { -1 } else { 1 };
        sign * (hours * 60 + minutes)
    };
    let zone = FixedOffset::east_opt(offset_minutes.checked_mul(60)?)?;
    Some(zone.from_local_datetime(&naive).single()?.timestamp_millis() + millis)
}

/// `PnDTnHnMnS` in milliseconds, each number with its own sign and the whole with one.
fn parse_duration(text: &str) -> Option<i64> {
    let form =
        r"(?i)\A([-+]?)P(?:([-+]?\d+)D)?(T(?:([-+]?\d+)H)?(?:([-+]?\d+)M)?(?:([-+]?\d+)(?:[.,](\d{0,9}))?S)?)?\z";
    let found = Regex::new(form).ok()?.captures(text)?;
    let is_bare = |group: usize| found.get(group).is_some_and(|part| part.as_str().eq_ignore_ascii_case("T"));
    if is_bare(3) || (2..=6).all(|group| found.get(group).is_none()) {
        return None;
    }
    let number = |group: usize| found.get(group).map_or(Some(0), |part| part.as_str().parse::<i64>().ok());
    let units = [(2, 86_400_000), (4, 3_600_000), (5, 60_000), (6, 1000)];
    let mut millis: i64 = 0;
    for (group, unit) in units {
        millis = millis.checked_add(number(group)?.checked_mul(unit)?)?;
    }
    let fraction = found.get(7).map_or("", |part| part.as_str());
    let fraction: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let is_negative_second = found.get(6).is_some_and(|part| part.as_str().starts_with('-'));
    millis = millis.checked_add(if is_negative_second { -fraction } else { fraction })?;
    if found[1].starts_with('-') { millis.checked_neg() } else { Some(millis) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans() -> BTreeMap<String, Plan> {
        let plan: Plan = [(("plain".to_owned(), 0), 1), (("plain".to_owned(), 1), 2)].into();
        [("g1".to_owned(), plan.clone()), ("a-group-with-a-name-longer-than-its-column".to_owned(), plan)].into()
    }

    #[test]
    fn the_table_has_one_row_a_line() {
        let one: BTreeMap<String, Plan> = plans().into_iter().filter(|(group, _)| group == "g1").collect();
        let expected = "
GROUP                          TOPIC                          PARTITION  NEW-OFFSET     
g1                             plain                          0          1              
g1                             plain                          1          2              
";
        assert_eq!(table(&one), expected);
        assert_eq!(table(&BTreeMap::new()), "");
    }

    #[test]
    fn what_is_exported_can_be_read_again() {
        let text = csv(&plans(), false);
        let expected = "\"a-group-with-a-name-longer-than-its-column\",plain,0,1
\"a-group-with-a-name-longer-than-its-column\",plain,1,2
g1,plain,0,1
g1,plain,1,2
";
        assert_eq!(text, expected);
        assert_eq!(parse_csv(&text, None).unwrap(), plans());
        let one: BTreeMap<String, Plan> = plans().into_iter().filter(|(group, _)| group == "g1").collect();
        assert_eq!(csv(&one, true), "plain,0,1\nplain,1,2\n");
        assert_eq!(parse_csv(&csv(&one, true), Some("g1")).unwrap(), one);
        assert_eq!(csv_fields("\"a,\"\"b\",c"), ["a,\"b", "c"]);
        assert!(parse_csv("plain,x,1\n", Some("g1")).is_err());
    }

    #[test]
    fn datetimes_are_utc_unless_they_name_a_zone() {
        assert_eq!(parse_datetime("2020-01-01T00:00:00.000"), Ok(1_577_836_800_000));
        assert_eq!(parse_datetime("2020-01-01T00:00:00.5Z"), Ok(1_577_836_800_005));
        assert_eq!(parse_datetime("2020-01-01T02:00:00.000+02:00"), Ok(1_577_836_800_000));
        assert_eq!(parse_datetime("2019-12-31T22:30:00.000-01:30"), Ok(1_577_836_800_000));
        let no_t =
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format";
        assert_eq!(parse_datetime("nonsense").unwrap_err(), no_t);
        assert!(parse_datetime("2020-13-01T00:00:00.000").unwrap_err().contains("Unparseable date"));
        assert!(parse_datetime("2020-01-01T00:00:00").is_err(), "Kafka wants milliseconds");
    }

    #[test]
    fn durations_are_iso_8601() {
        let day = 86_400_000;
        for (text, millis) in [("P1D", day), ("PT1H30M", 5_400_000), ("-P1D", -day), ("P1DT1.5S", day + 1500)] {
            assert_eq!(parse_duration(text), Some(millis), "{text}");
        }
        for bad in ["", "P", "PT", "1D", "P1Y", "nonsense", "P1DT"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
