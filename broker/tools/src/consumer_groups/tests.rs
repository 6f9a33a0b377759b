//! Lists of groups, and which command lines are refused.

use super::*;

fn options(line: &str) -> Options {
    Options::parse(COMMAND.options, &line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap()
}

fn refusal(rest: &str) -> String {
    match check(&options(&format!("--bootstrap-server a:1 {rest}"))) {
        Err(Stop::Usage(text)) => text,
        other => panic!("{rest}: {other:?}"),
    }
}

fn group(name: &str) -> GroupListing {
    let [protocol_type, state, kind] = ["consumer", "Empty", "classic"].map(str::to_owned);
    GroupListing { group: name.to_owned(), protocol_type, state, kind }
}

#[test]
fn the_list_with_states_looks_as_kafkas() {
    let groups = [group("a-group-with-a-name-longer-than-its-column"), group("g1")];
    let expected = "\
GROUP                                                TYPE                 STATE               
a-group-with-a-name-longer-than-its-column           Classic              Empty               
g1                                                   Classic              Empty               
";
    assert_eq!(list_table(&groups, true, true), expected);
    assert_eq!(list_table(&[], false, true), "GROUP                     STATE               \n");
}

#[test]
fn filters_are_checked_against_the_known_words() {
    assert_eq!(filter(Some("stable, EMPTY"), &STATES), Ok(vec!["Stable".to_owned(), "Empty".to_owned()]));
    assert_eq!(filter(Some("foo"), &STATES), Err("foo".to_owned()));
    assert_eq!(filter(None, &KINDS), Ok(Vec::new()));
}

#[test]
fn partitions_are_named_behind_a_colon() {
    assert_eq!(parse_partitions("t:0,2"), Ok(vec![("t".to_owned(), 0), ("t".to_owned(), 2)]));
    assert_eq!(parse_partitions("t:x").unwrap_err(), "Invalid partition 'x' specified in topic arg 't:x''");
    assert_eq!(parse_partitions("t:0:1").unwrap_err(), "Invalid topic arg 't:0:1', expected topic name and partitions");
}

#[test]
fn command_lines_that_make_no_sense_are_refused_in_kafkas_words() {
    let one_action =
        "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets";
    assert_eq!(refusal(""), one_action);
    assert_eq!(
        refusal("--list --delete-offsets --group g --topic t"),
        "Option \"[group]\" can't be used with option \"[list]\""
    );
    assert_eq!(refusal("--describe"), "Option [describe] takes one of these options: [group], [all-groups]");
    assert_eq!(
        refusal("--describe --group g --members --state"),
        "Option [describe] takes at most one of these options: [members], [offsets], [state]"
    );
    assert_eq!(refusal("--list --group g"), "Option \"[group]\" can't be used with option \"[list]\"");
    assert_eq!(
        refusal("--reset-offsets --group g --to-earliest --to-latest --dry-run"),
        "Option \"[to-earliest]\" can't be used with option \"[to-latest]\""
    );
    let Err(Stop::Usage(text)) = check(&options("--list")) else { panic!("an address is needed") };
    assert_eq!(text, "Missing required argument \"[bootstrap-server]\"");
    assert!(check(&options("--bootstrap-server a:1 --describe --all-groups --verbose --members")).is_ok());
}
