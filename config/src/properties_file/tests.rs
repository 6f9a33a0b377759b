//! Facts about the text format.

use proptest::prelude::*;

use super::*;

fn one(text: &[u8]) -> (String, String) {
    parse(text).unwrap().into_iter().next().unwrap()
}

fn pair(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

#[test]
fn three_separators_mean_the_same() {
    for text in ["broker.id=7", "broker.id:7", "broker.id 7", "  broker.id = 7", "broker.id\t:  7"] {
        assert_eq!(one(text.as_bytes()), pair("broker.id", "7"), "{text}");
    }
}

#[test]
fn comments_and_empty_lines_are_passed_over() {
    assert!(parse(b"# one\n! two\n\n   # three\r\n").unwrap().is_empty());
}

#[test]
fn a_backslash_at_the_end_continues_the_line() {
    assert_eq!(one(b"log.dirs=/a,\\\n    /b,\\\r\n /c"), pair("log.dirs", "/a,/b,/c"));
}

#[test]
fn bytes_are_latin_1_and_other_letters_are_escaped() {
    assert_eq!(one(b"broker.rack=caf\xe9"), pair("broker.rack", "caf\u{e9}"));
    assert_eq!(one(b"broker.rack=\x80\\\xe9"), pair("broker.rack", "\u{80}\u{e9}"));
    assert_eq!(one(b"broker.rack=\\u4f60\\u597d"), pair("broker.rack", "\u{4f60}\u{597d}"));
    assert_eq!(one(b"path=C\\:\\\\\xe9"), pair("path", "C:\\\u{e9}"));
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    assert_eq!(one(b"a=1\na=2"), pair("a", "2"));
}

#[test]
fn a_broken_escape_is_refused() {
    assert!(parse(b"a=\\u12").is_err());
}

#[test]
fn a_key_alone_has_an_empty_value() {
    assert_eq!(one(b"super.users"), pair("super.users", ""));
}

#[test]
fn an_override_splits_at_the_first_equals_sign() {
    assert_eq!(parse_override("a.b=c=d"), Ok(pair("a.b", "c=d")));
    assert!(parse_override("a.b").is_err());
    assert!(parse_override("=x").is_err());
}

proptest! {
    #[test]
    fn plain_texts_read_back(pairs in prop::collection::btree_map("[a-z][a-z0-9.]{0,15}", "[!-~&&[^\\\\]]([ -~&&[^\\\\]]{0,20}[!-~&&[^\\\\]])?", 0..8)) {
        let text: String = pairs.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        prop_assert_eq!(parse(text.as_bytes()).unwrap(), pairs);
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn every_byte_above_ascii_reads_as_its_latin_1_letter(byte in 0x80_u8..) {
        prop_assert_eq!(one(&[b'a', b'=', byte]).1, char::from(byte).to_string());
    }
}
