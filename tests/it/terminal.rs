//! Colour, width and text laid out.

use std::time::Duration;

use event_connector::terminal::{fit, spoken, spoken_bytes, wants_colour, width, wrap};

#[test]
fn colour_is_for_terminals_unless_somebody_asks_otherwise() {
    type Case<'a> = (bool, &'a [(&'a str, &'a str)], bool);
    let cases: [Case<'_>; 12] = [
        (true, &[], true),
        (false, &[], false),
        (true, &[("NO_COLOR", "1")], false),
        (true, &[("NO_COLOR", "0")], false),
        (true, &[("NO_COLOR", "")], true),
        (false, &[("CLICOLOR_FORCE", "1")], true),
        (false, &[("CLICOLOR_FORCE", "0")], false),
        (false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (true, &[("CLICOLOR", "0")], false),
        (true, &[("CLICOLOR", "1")], true),
        (true, &[("TERM", "dumb")], false),
        (false, &[("TERM", "xterm")], false),
    ];
    for (is_terminal, variables, expected) in cases {
        let pairs = variables.iter();
        let environment: Vec<_> = pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let wanted = wants_colour(is_terminal, &environment);
        assert_eq!(wanted, expected, "{is_terminal} {variables:?}");
    }
}

#[test]
fn text_is_broken_between_words_and_long_words_are_broken_themselves() {
    assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    assert_eq!(wrap("demo-posthog-1", 10), ["demo-posth", "og-1"]);
    assert_eq!(wrap("", 7), [""]);
    for columns in 1..40 {
        let lines = wrap(
            "an e-mail to 王小明 — at_a_very_long_address@example.org",
            columns,
        );
        let widest = lines.iter().map(|line| width(line)).max();
        assert!(
            widest.unwrap_or(0) <= columns.max(2),
            "{columns}: {lines:?}"
        );
    }
}

#[test]
fn what_does_not_fit_is_cut_where_it_can_be_seen() {
    assert_eq!(fit("abcdef", 6), "abcdef");
    assert_eq!(fit("abcdefg", 6), "abcde…");
    assert_eq!(width(&fit("王小明王小明", 6)), 5);
}

#[test]
fn text_from_outside_cannot_move_the_cursor() {
    let hostile = "a\u{1b}[2Jb\rc\nd\u{7}\u{9b}";
    for shown in [wrap(hostile, 40).join("|"), fit(hostile, 40)] {
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert!(shown.starts_with("a\u{fffd}[2Jb\u{fffd}c"), "{shown:?}");
    }
}

#[test]
fn times_and_sizes_are_said_briefly() {
    let times = [0, 7, 999, 1000, 2449].map(|ms| spoken(Duration::from_millis(ms)));
    assert_eq!(times, ["0 ms", "7 ms", "999 ms", "1.0 s", "2.4 s"]);
    let sizes = [0, 999, 1000, 131_800, 999_960, 7_000_000_000_000].map(spoken_bytes);
    assert_eq!(
        sizes,
        ["0 B", "999 B", "1.0 kB", "131.8 kB", "1.0 MB", "7000.0 GB"]
    );
}
