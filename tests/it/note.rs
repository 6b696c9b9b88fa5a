//! The text of notes: headers, order, bins, and splitting.

use event_connector::domain::note::{Line, Piece, header, render};
use proptest::prelude::*;

const NOW: f64 = 1_700_000_000.0;

fn line(at: Option<f64>, description: &str) -> Line {
    Line {
        at,
        description: description.to_owned(),
    }
}

/// The note in one piece.
fn whole(lines: &[Line], bin_seconds: f64) -> String {
    let pieces = render(Some("s"), lines, bin_seconds, NOW, usize::MAX);
    assert_eq!(pieces.len(), 1);
    pieces.into_iter().map(|piece| piece.text).collect()
}

#[test]
fn seconds_are_those_of_the_time_rounded_to_microseconds() {
    for (timestamp, text) in [
        (0.0, "1970-01-01 00:00:00"),
        (-0.0, "1970-01-01 00:00:00"),
        (59.999_999, "1970-01-01 00:00:59"),
        (59.999_999_5, "1970-01-01 00:01:00"),
        (0.999_999_5, "1970-01-01 00:00:01"),
        (-0.5, "1969-12-31 23:59:59"),
        (-1e-7, "1970-01-01 00:00:00"),
        (-5e-7, "1970-01-01 00:00:00"),
        (-0.999_999_999, "1969-12-31 23:59:59"),
        (-86_400.5, "1969-12-30 23:59:59"),
        (951_868_799.5, "2000-02-29 23:59:59"),
        (1_700_000_000.25, "2023-11-14 22:13:20"),
        (253_402_300_799.0, "9999-12-31 23:59:59"),
        (-62_135_596_800.0, "0001-01-01 00:00:00"),
    ] {
        assert_eq!(
            header(Some("s"), timestamp).as_deref(),
            Ok(format!("session_id: s\ntimestamp: {text} UTC\n\n").as_str()),
            "{timestamp}"
        );
    }
}

#[test]
fn times_outside_the_calendar_have_no_header() {
    for timestamp in [
        253_402_300_800.0,
        -62_135_596_801.0,
        1.7e12,
        1e18,
        1e300,
        -1e300,
        f64::INFINITY,
        f64::NAN,
    ] {
        assert!(header(None, timestamp).is_err(), "{timestamp}");
    }
}

#[test]
fn a_session_without_a_name_is_unknown_and_names_are_not_escaped() {
    for (session_id, shown) in [
        (None, "unknown"),
        (Some(""), "unknown"),
        (Some(" "), " "),
        (Some("a\nb"), "a\nb"),
    ] {
        let text = header(session_id, 0.0).unwrap();
        assert!(text.starts_with(&format!("session_id: {shown}\ntimestamp: ")));
    }
}

#[test]
fn a_note_without_lines_is_a_header_dated_now() {
    assert_eq!(Ok(whole(&[], 3.0)), header(Some("s"), NOW));
}

#[test]
fn the_first_line_dates_the_note_and_one_without_a_time_dates_it_now() {
    let dated = |lines: &[Line], at: f64| {
        assert!(whole(lines, 0.0).starts_with(&header(Some("s"), at).unwrap()));
    };
    let (missing, zero) = (line(None, "missing"), line(Some(0.0), "zero"));
    dated(&[line(Some(9.0), "late"), line(Some(5.0), "early")], 5.0);
    dated(&[missing.clone(), zero.clone()], NOW);
    dated(&[zero, missing.clone()], 0.0);
    dated(&[line(Some(-1.0), "negative"), missing], -1.0);
    dated(&[line(Some(1.7e12), "in milliseconds")], NOW);
}

#[test]
fn lines_are_in_order_of_time_then_arrival_with_a_gap_per_change_of_bin() {
    let lines = [
        line(Some(7.0), "d"),
        line(Some(0.0), "a"),
        line(Some(-0.0), "b"),
        line(Some(2.9), "c"),
        line(Some(700.0), "e"),
        line(Some(-0.1), "before"),
    ];
    let body = |bin_seconds| {
        let text = whole(&lines, bin_seconds);
        text.split_once("\n\n").map(|(_, body)| body.to_owned())
    };
    let binned = "[1] before\n\n[2] a\n[3] b\n[4] c\n\n[5] d\n\n[6] e";
    assert_eq!(body(3.0).as_deref(), Some(binned));
    assert_eq!(body(0.0), Some(binned.replace("\n\n", "\n")));
}

#[test]
fn fractional_bins_are_exact() {
    let lines = [0.9, 1.0, 1.1].map(|at| line(Some(at), "x"));
    assert!(whole(&lines, 0.1).ends_with("[1] x\n\n[2] x\n\n[3] x"));
    let lines = [0.8, 0.9].map(|at| line(Some(at), "x"));
    assert!(whole(&lines, 0.1).ends_with("[1] x\n[2] x"));
}

#[test]
fn a_long_note_continues_under_the_same_header() {
    let lines = [1.0, 2.0, 30.0].map(|at| line(Some(at), "ten chars."));
    let head = header(Some("s"), 1.0).unwrap();
    let pieces = render(Some("s"), &lines, 3.0, NOW, head.len() + 30);
    let texts: Vec<&str> = pieces
        .iter()
        .filter_map(|piece| piece.text.strip_prefix(&head))
        .collect();
    assert_eq!(texts, ["[1] ten chars.\n[2] ten chars.", "[3] ten chars."]);
    let told: Vec<_> = pieces.iter().map(|piece| piece.lines.clone()).collect();
    assert_eq!(told, [vec![0, 1], vec![2]]);
}

#[test]
fn a_line_too_long_for_a_note_of_its_own_is_cut_at_a_character() {
    let head = header(Some("s"), 1.0).unwrap();
    let lines = [line(Some(1.0), "ééééé"), line(Some(2.0), "short")];
    let pieces = render(Some("s"), &lines, 0.0, NOW, head.len() + 12);
    let texts: Vec<_> = pieces
        .iter()
        .map(|piece| &piece.text[head.len()..])
        .collect();
    assert_eq!(texts, ["[1] éé…", "[2] short"]);
}

#[test]
fn a_limit_that_nothing_fits_keeps_every_number() {
    let lines = [line(Some(1.0), "one"), line(None, "two")];
    let pieces = render(None, &lines, 0.0, NOW, 0);
    assert_eq!(pieces.len(), 2);
    for (piece, number) in pieces.iter().zip(1..) {
        assert!(
            piece.text.ends_with(&format!("\n\n[{number}] …")),
            "{piece:?}"
        );
    }
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let time = prop_oneof![
        Just(None),
        (-1e3..1e4_f64).prop_map(Some),
        any::<f64>().prop_map(Some),
    ];
    let description = prop_oneof!["[a-zé…\n]{0,40}", "\\PC{0,120}"];
    let line = (time, description).prop_map(|(at, description)| Line { at, description });
    proptest::collection::vec(line, 0..30)
}

/// The lines' own text: what stands between the header and the end, without gaps.
fn line_texts(piece: &Piece, first: usize, lines: &[Line], head: &str) -> Vec<String> {
    let mut rest = piece
        .text
        .strip_prefix(head)
        .expect("a piece begins with the header");
    let mut texts = Vec::new();
    for (number, position) in (first..).zip(&piece.lines) {
        let mark = format!("[{number}] ");
        rest = rest.trim_start_matches('\n');
        rest = rest.strip_prefix(&mark).expect("numbers run on");
        let description = &lines[*position].description;
        let told = match rest.strip_prefix(description.as_str()) {
            Some(_) => description.clone(),
            None => rest.to_owned(),
        };
        rest = &rest[told.len()..];
        texts.push(told);
    }
    assert_eq!(rest, "", "nothing but lines is told");
    texts
}

proptest! {
    #[test]
    fn every_line_is_in_exactly_one_piece_whole_or_cut(
        lines in lines(),
        bin_seconds in prop_oneof![Just(0.0), 0.1..60.0_f64],
        room in 16..400_usize,
    ) {
        let single = render(Some("s"), &lines, bin_seconds, NOW, usize::MAX);
        prop_assert_eq!(single.len(), 1);
        let head_len = single[0].text.find("\n\n").unwrap() + 2;
        let head = &single[0].text[..head_len];
        let pieces = render(Some("s"), &lines, bin_seconds, NOW, head_len + room);
        let told: Vec<usize> = pieces.iter().flat_map(|piece| piece.lines.clone()).collect();
        prop_assert_eq!(&told, &single[0].lines);
        let mut sorted = told;
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..lines.len()).collect::<Vec<_>>());
        let mut number = 1;
        for piece in &pieces {
            prop_assert!(piece.text.len() <= head_len + room);
            prop_assert!(lines.is_empty() || !piece.lines.is_empty());
            let texts = line_texts(piece, number, &lines, head);
            for (text, position) in texts.iter().zip(&piece.lines) {
                let description = &lines[*position].description;
                if text != description {
                    let kept = text.strip_suffix('…').expect("a cut line says so");
                    prop_assert!(description.starts_with(kept));
                    prop_assert!(description.len() + 5 > room.saturating_sub(1));
                    prop_assert_eq!(texts.len(), 1);
                }
            }
            number += texts.len();
        }
    }
}
