//! `push_webhook`: our signature, and the published receiver of our pushes. The receiver is built
//! here from the code that signs and the code that decodes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use event_connector::client::{Malformed, Payload};
use event_connector::ingest::signature;
use serde_json::{Value, json};

use crate::case::Case;
use crate::compare::{self, error, is_error};
use crate::topic::{Topic, exactly, nothing_later};

/// Signing and receiving.
pub(crate) const TOPIC: Topic = Topic {
    name: "push_webhook",
    answer,
    compare: exactly,
    judge: refused_or_as_recorded,
    later: nothing_later,
};

/// Odd input is refused, or taken as the reference takes it.
fn refused_or_as_recorded(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    if is_error(answer) {
        return Ok(());
    }
    compare::exactly(case.expected, answer)
}

/// Why a body is refused.
enum Refusal {
    /// Its bytes are not text.
    NotText,
    /// It is JSON, but not an object.
    NotAnObject,
}

fn answer(input: &Value) -> Value {
    let Some(body) = body(input) else {
        return error("TypeError");
    };
    let secret = input["secret"].as_str().unwrap_or_default();
    let header = input["header"].as_str().unwrap_or_default();
    match input["fn"].as_str().unwrap_or_default() {
        "sign" => json!({
            "header_name": "X-Connector-Signature",
            "header": signature::sign(secret, &body),
        }),
        "verify" => json!({"accepted": signature::verify(secret, &body, header)}),
        "parse" => {
            parse(&body).map_or_else(|_| error("TypeError"), |parsed| json!({"payload": parsed}))
        }
        "handle" | "handle_sync" if !signature::verify(secret, &body, header) => {
            error("ValueError")
        }
        "handle" => handle(&body, &input["callbacks"], true),
        "handle_sync" => handle(&body, &input["callbacks"], false),
        _ => error("AttributeError"),
    }
}

fn body(input: &Value) -> Option<Vec<u8>> {
    match input["body_b64"].as_str() {
        Some(encoded) => STANDARD.decode(encoded).ok(),
        None => input["body"].as_str().map(|body| body.as_bytes().to_vec()),
    }
}

/// A payload that this client knows, else `None`.
fn parse(body: &[u8]) -> Result<Option<Payload>, Refusal> {
    let text = text(body).ok_or(Refusal::NotText)?;
    let Ok(data) = serde_json::from_str::<Value>(&text) else {
        return Ok(None);
    };
    match Payload::decode(&data) {
        Ok(payload) => Ok(payload),
        Err(Malformed::Actions) => Ok(None),
        Err(Malformed::Payload) => Err(Refusal::NotAnObject),
    }
}

/// What the receiver returns and which callbacks it runs. A failing callback is swallowed, and so
/// is an asynchronous one that a synchronous receiver cannot run.
fn handle(body: &[u8], callbacks: &Value, can_await: bool) -> Value {
    let Ok(payload) = parse(body) else {
        return error("TypeError");
    };
    let kind = payload.map(|payload| match payload {
        Payload::Actions(_) => "actions",
        Payload::Summary(_) => "summary",
    });
    let runs = match callbacks.as_str() {
        Some("none") => false,
        Some("async") => can_await,
        _ => true,
    };
    let ran: Vec<&str> = kind.into_iter().filter(|_| runs).collect();
    json!({"returned": kind, "callbacks": ran})
}

/// The text of a JSON body in any of the encodings that JSON has been written in: by its mark, or
/// by where the zeros are, since a JSON text begins with an ASCII character.
fn text(body: &[u8]) -> Option<String> {
    match *body {
        [0, 0, 0xFE, 0xFF, ..] | [0xFF, 0xFE, 0, 0, ..] => {
            utf_32(body.get(4..)?, body.first() == Some(&0))
        }
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] => utf_16(body.get(2..)?, body.first() == Some(&0xFE)),
        [0xEF, 0xBB, 0xBF, ref rest @ ..] => utf_8(rest),
        [0, 0, _, _, ..] => utf_32(body, true),
        [0, _, _, _, ..] | [0, _] => utf_16(body, true),
        [_, 0, 0, 0, ..] => utf_32(body, false),
        [_, 0, _, _, ..] | [_, 0] => utf_16(body, false),
        _ => utf_8(body),
    }
}

fn utf_8(body: &[u8]) -> Option<String> {
    String::from_utf8(body.to_vec()).ok()
}

fn utf_16(body: &[u8], is_big_endian: bool) -> Option<String> {
    let (pairs, rest) = body.as_chunks::<2>();
    let units: Vec<u16> = pairs
        .iter()
        .map(|pair| {
            if is_big_endian {
                u16::from_be_bytes(*pair)
            } else {
                u16::from_le_bytes(*pair)
            }
        })
        .collect();
    rest.is_empty().then(|| String::from_utf16(&units).ok())?
}

fn utf_32(body: &[u8], is_big_endian: bool) -> Option<String> {
    let (quads, rest) = body.as_chunks::<4>();
    let text = quads.iter().map(|quad| {
        char::from_u32(if is_big_endian {
            u32::from_be_bytes(*quad)
        } else {
            u32::from_le_bytes(*quad)
        })
    });
    text.collect::<Option<String>>().filter(|_| rest.is_empty())
}
