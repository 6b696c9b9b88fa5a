//! What Intercom's answers mean (external-apis §1.4, §1.5).

use serde_json::Value;

use super::text;
use crate::delivery::admission::Sign;
use crate::delivery::client::Answer;
use crate::delivery::destination::Refusal;
use crate::domain::id::PartId;

/// One message of a conversation, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) id: PartId,
    is_ours: bool,
    created_ms: Option<u64>,
    body: String,
}

/// What an accepted note's answer tells.
pub(super) enum Accepted {
    /// All messages, newest last.
    Parts(Vec<Part>),
    /// It is a conversation, too long to be read.
    TooLong,
}

/// What an answer says about the account that was used. Only Intercom itself proves that it works.
pub(super) fn sign(answer: &Answer, is_conversation: bool) -> Sign {
    let is_ours = || error_code(&answer.body).is_some();
    match answer.status {
        _ if is_conversation => Sign::Works,
        429 => Sign::Limited {
            after_ms: wish_ms(answer),
        },
        401 => Sign::Refused,
        402 | 403 if is_ours() => Sign::Refused,
        400..500 if answer.status != 408 && is_ours() => Sign::Works,
        _ => Sign::Silent,
    }
}

/// What Intercom asks for after a refusal.
fn wish_ms(answer: &Answer) -> Option<u64> {
    answer.retry_after_ms.max(answer.rate_reset_ms)
}

/// Turns an answer to either call into messages or a refusal. `admin` is the author of our notes.
pub(super) fn judge(answer: &Answer, admin: &str) -> Result<Accepted, Refusal> {
    if !(200..300).contains(&answer.status) {
        return Err(refusal(answer));
    }
    if !answer.is_whole && begins_a_conversation(&answer.body) {
        return Ok(Accepted::TooLong);
    }
    // A success that is not a conversation may come from anything between Intercom and us, so it
    // proves nothing.
    parts(&answer.body, admin)
        .map(Accepted::Parts)
        .ok_or_else(|| {
            let status = answer.status;
            Refusal::unknown(format!(
                "Intercom answered {status} with something that is not a conversation"
            ))
        })
}

/// The message that carries the note just posted: ours with its text, else our newest, else the
/// newest (contract 4.1).
pub(super) fn posted(parts: &[Part], note: &str) -> Option<PartId> {
    let ours = || parts.iter().rev().filter(|part| part.is_ours);
    ours()
        .find(|part| text::is_same(&part.body, note))
        .or_else(|| ours().next())
        .or_else(|| parts.last())
        .map(|part| part.id.clone())
}

/// The messages that could be the note, not older than `oldest_ms`, oldest first.
pub(super) fn candidates(mut parts: Vec<Part>, note: &str, oldest_ms: u64) -> Vec<PartId> {
    parts.retain(|part| {
        // Intercom counts whole seconds: a part may be younger than it says by up to one.
        let youngest_ms = part.created_ms.map(|ms| ms.saturating_add(999));
        part.is_ours
            && youngest_ms.is_none_or(|ms| ms >= oldest_ms)
            && text::is_same(&part.body, note)
    });
    parts.sort_by_key(|part| part.created_ms);
    parts.into_iter().map(|part| part.id).collect()
}

fn refusal(answer: &Answer) -> Refusal {
    let code = error_code(&answer.body);
    let name = code.as_deref().unwrap_or("no error code");
    let reason = format!("Intercom answered {} ({name})", answer.status);
    match (answer.status, code.as_deref()) {
        (429, _) => Refusal::Limited {
            after_ms: wish_ms(answer),
            reason: reason.into(),
        },
        (408 | 500.., _) => Refusal::Unknown {
            after_ms: answer.retry_after_ms,
            reason: reason.into(),
        },
        (401, _) | (402 | 403, Some(_)) => Refusal::Unauthorized {
            reason: reason.into(),
        },
        // Whatever stands between us and Intercom may forbid one note and let the others pass.
        (402 | 403, None) | (_, Some("admin_not_found" | "intercom_version_invalid")) => {
            Refusal::misconfigured(reason)
        }
        (404 | 410, Some("conversation_not_found" | "not_found")) => Refusal::Gone {
            reason: reason.into(),
        },
        // Without Intercom's own words a 404 or a redirect says that the address is wrong.
        (..=399, _) | (404 | 410, None) => Refusal::misconfigured(reason),
        _ => Refusal::Never {
            reason: reason.into(),
        },
    }
}

/// The first error's code, if the body is Intercom's error list and the code looks like one.
fn error_code(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let code = body.get("errors")?.get(0)?.get("code")?.as_str()?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (code.len() <= CODE_BYTES_MAX && code.bytes().all(is_plain)).then(|| code.to_owned())
}

fn begins_a_conversation(body: &[u8]) -> bool {
    let mut letters = body.iter().filter(|b| !b.is_ascii_whitespace());
    CONVERSATION.iter().all(|b| letters.next() == Some(b))
}

fn parts(body: &[u8], admin: &str) -> Option<Vec<Part>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let list = body.get("conversation_parts")?;
    let list = list.get("conversation_parts").unwrap_or(list).as_array()?;
    Some(
        list.iter()
            .filter_map(|part| read_part(part, admin))
            .collect(),
    )
}

fn read_part(part: &Value, admin: &str) -> Option<Part> {
    let author = part.get("author");
    let is_admin = author.and_then(|author| author.get("type")) == Some(&Value::from("admin"));
    let author_id = author.and_then(|author| text_or_number(author.get("id")?));
    Some(Part {
        id: text_or_number(part.get("id")?)?.into(),
        is_ours: is_admin && author_id.as_deref() == Some(admin),
        created_ms: part
            .get("created_at")
            .and_then(Value::as_u64)
            .map(|s| s.saturating_mul(1000)),
        body: part
            .get("body")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
    })
}

/// Identifiers are strings in the descriptions and numbers in some answers.
pub(super) fn text_or_number(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// How every conversation begins, white space aside.
const CONVERSATION: &[u8] = br#"{"type":"conversation","#;

/// Longer than any documented code.
const CODE_BYTES_MAX: usize = 64;
