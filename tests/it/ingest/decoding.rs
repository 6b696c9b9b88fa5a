//! Bytes that are not quite JSON, and compressed ones.

use std::io::Write;

use event_connector::ingest::inflate::{InflateError, gunzip};
use event_connector::ingest::{Error, Settings, read};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::NOW;

fn outcome(body: &[u8]) -> Result<Vec<String>, Error> {
    let batch = read(body, None, &Settings::default(), 10, NOW)?;
    let actions = batch
        .shares
        .into_iter()
        .flat_map(|share| share.activity.actions);
    Ok(actions.map(|action| action.title).collect())
}

fn named(name: &str) -> String {
    format!(r#"{{"event":"{name}","session_id":"S"}}"#)
}

#[test]
fn what_is_not_json_is_refused() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let bodies = [
        "",
        " ",
        "{",
        "nul",
        "{\"a\":1}x",
        r#"{"a":"\."}"#,
        r#"{"a":"\ud83"}"#,
        deep.as_str(),
    ];
    for body in bodies {
        assert_eq!(outcome(body.as_bytes()), Err(Error::InvalidJson));
    }
}

#[test]
fn half_surrogates_are_cut_out() {
    for (name, title) in [
        (r"Broken \ud83d text", "Broken text"),
        (r"Low \udc00 only", "Low only"),
        (r"Two \ud83d\ud83d\ude00 halves", "Two 😀 halves"),
        (r"Kept \\ud83d as typed \ud800", r"Kept \ud83d as typed"),
        (r"End \uD800", "End"),
    ] {
        assert_eq!(outcome(named(name).as_bytes()), Ok(vec![title.to_owned()]));
    }
}

#[test]
fn a_byte_order_mark_and_broken_utf_8_are_tolerated() {
    let marked = format!("\u{FEFF}{}", named("Seen it"));
    assert_eq!(outcome(marked.as_bytes()), Ok(vec!["Seen it".to_owned()]));
    let latin = named("Cafe it").replace("Cafe", "Caf#").into_bytes();
    let latin: Vec<_> = latin
        .into_iter()
        .map(|byte| if byte == b'#' { 0xE9 } else { byte })
        .collect();
    assert_eq!(outcome(&latin), Ok(vec!["Caf\u{FFFD} it".to_owned()]));
}

#[test]
fn nul_characters_vanish() {
    assert_eq!(
        outcome(named(r"No\u0000thing here").as_bytes()),
        Ok(vec!["Nothing here".to_owned()])
    );
}

fn zipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

#[test]
fn gzip_is_inflated_to_the_bound_and_not_beyond() {
    let content = b"activity ".repeat(1000);
    let body = zipped(&content);
    assert_eq!(gunzip(&body, content.len()), Ok(content.clone()));
    assert_eq!(
        gunzip(&body, content.len() - 1),
        Err(InflateError::TooLarge)
    );
    let bomb = zipped(&vec![0; 50_000_000]);
    assert!(bomb.len() < 100_000);
    assert_eq!(gunzip(&bomb, 1000), Err(InflateError::TooLarge));
}

#[test]
fn all_members_of_a_gzip_stream_count() {
    let body = [zipped(b"one "), zipped(b"two")].concat();
    assert_eq!(gunzip(&body, 100), Ok(b"one two".to_vec()));
    assert_eq!(gunzip(&body, 6), Err(InflateError::TooLarge));
}

#[test]
fn what_is_not_gzip_is_corrupt() {
    let body = zipped(b"content that is long enough to be cut");
    for broken in [&b""[..], b"plain", &body[..body.len() - 4], &body[..12]] {
        assert_eq!(gunzip(broken, 1000), Err(InflateError::Corrupt));
    }
}
