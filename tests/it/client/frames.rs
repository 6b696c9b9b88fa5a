//! Event streams taken apart.

use std::time::Duration;

use event_connector::client::sse::{Event, Frame, Parser};
use proptest::prelude::*;

/// Larger than anything here.
const PLENTY: usize = 1 << 20;

fn parse(bytes: &[u8], frame_bytes_max: usize) -> Vec<Frame> {
    Parser::new(frame_bytes_max).push(bytes)
}

fn event(name: &str, id: &str, data: &str) -> Frame {
    Frame::Event(Event {
        name: name.to_owned(),
        id: id.to_owned(),
        data: data.to_owned(),
    })
}

#[test]
fn fields_mean_what_the_standard_says() {
    let cases: [(&[u8], &[Frame]); 13] = [
        (b"data: a\n\n", &[event("", "", "a")]),
        (b"data:a\ndata\ndata:  b\n\n", &[event("", "", "a\n\n b")]),
        (
            b"event: heartbeat\ndata:\n\n",
            &[event("heartbeat", "", "")],
        ),
        (b"id: 7\n\ndata: a\n\n", &[event("", "7", "a")]),
        (
            b"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            &[event("", "7", "a"), event("", "7", "b"), event("", "", "c")],
        ),
        (b"id: 7\0\ndata: a\n\n", &[event("", "", "a")]),
        (b": a comment\nwhat: else\n\n", &[]),
        (b"event: named\n\ndata: a\n\n", &[event("", "", "a")]),
        (b"\xef\xbb\xbfdata: a\n\n", &[event("", "", "a")]),
        (b"\xef\xbb\xbf\ndata: a\n\n", &[event("", "", "a")]),
        (b"data: \xff\xfe\n\n", &[event("", "", "\u{fffd}\u{fffd}")]),
        (
            b"data: a\r\rdata: b\r\n\r\ndata: c\n\n",
            &[event("", "", "a"), event("", "", "b"), event("", "", "c")],
        ),
        (b"data: the end is missing\n", &[]),
    ];
    for (bytes, frames) in cases {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(parse(bytes, PLENTY), frames, "{text:?}");
    }
}

#[test]
fn a_stream_says_how_long_to_wait_and_nonsense_changes_nothing() {
    let mut parser = Parser::new(PLENTY);
    assert_eq!(parser.retry(), None);
    parser.push(b"event: heartbeat\ndata:\nretry: 2500\n\n");
    assert_eq!(parser.retry(), Some(Duration::from_millis(2500)));
    parser.push(b"retry: soon\nretry: -1\nretry\nretry: 99999999999999999999999\n\n");
    assert_eq!(parser.retry(), Some(Duration::from_millis(2500)));
}

#[test]
fn what_is_too_large_is_left_out_and_the_stream_goes_on() {
    let large = "x".repeat(100);
    let text = format!("id: 1\ndata: a\n\nid: 2\ndata: {large}\nid: 9\n\nid: 3\ndata: b\n\n");
    let frames = [
        event("", "1", "a"),
        Frame::TooLarge { id: "2".to_owned() },
        event("", "3", "b"),
    ];
    assert_eq!(parse(text.as_bytes(), 50), frames);
    // Many small lines are as large as one.
    let lines = format!("{}\ndata: b\n\n", "data: a\n".repeat(20));
    let frames = [Frame::TooLarge { id: String::new() }, event("", "", "b")];
    assert_eq!(parse(lines.as_bytes(), 50), frames);
}

/// Bytes in pieces, which may be empty.
fn pieces(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut from = 0;
    let piece = |end: usize| bytes[std::mem::replace(&mut from, end)..end].to_vec();
    ends.into_iter().map(piece).collect()
}

/// A piece of a stream: whole lines, their ends, or anything.
fn stretch() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        &b"data: {\"a\":1}"[..],
        b"data:",
        b"id: 1789000300123-0",
        b"event: heartbeat",
        b"retry: 10",
        b": comment",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\r\r",
        b"\xef\xbb\xbf",
        "data: \u{e4}\u{2028}\u{1f600}".as_bytes(),
    ]);
    prop_oneof![
        6 => words.prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #[test]
    fn however_bytes_are_split_the_same_frames_come_out(
        stretches in prop::collection::vec(stretch(), 0..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        frame_bytes_max in prop_oneof![Just(PLENTY), 0..60_usize],
    ) {
        let bytes = stretches.concat();
        let whole = parse(&bytes, frame_bytes_max);
        let mut parser = Parser::new(frame_bytes_max);
        let split: Vec<_> = pieces(&bytes, &cuts)
            .iter()
            .flat_map(|piece| parser.push(piece))
            .collect();
        prop_assert_eq!(&split, &whole);
        let mut parser = Parser::new(frame_bytes_max);
        let single: Vec<_> = bytes.iter().flat_map(|byte| parser.push(&[*byte])).collect();
        prop_assert_eq!(single, whole);
    }

    #[test]
    fn whatever_was_written_comes_out(
        events in prop::collection::vec(("[a-z]{0,9}", "[0-9]{1,9}-[0-9]{1,3}", "[^\r\n]{0,40}"), 0..9),
        end in prop::sample::select(vec!["\n", "\r", "\r\n"]),
        mark in prop::bool::ANY,
    ) {
        let mut text = if mark { "\u{feff}".to_owned() } else { String::new() };
        for (name, id, data) in &events {
            text += &format!(":{end}event: {name}{end}id:{id}{end}data: {data}{end}{end}");
        }
        let wanted: Vec<_> = events.iter().map(|(name, id, data)| event(name, id, data)).collect();
        prop_assert_eq!(parse(text.as_bytes(), PLENTY), wanted);
    }
}
