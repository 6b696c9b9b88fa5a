//! `POST /intercom/proactive/{product_id}`: labels for the buttons that a host application shows (contract 1.11).

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::credentials::admit_admin;
use super::link::ID_CHARS_MAX;
use super::problem::Problem;
use super::products::read_json;
use super::state::AppState;
use crate::domain::log::{Effects, IndexKey, IndexWrite, Space};
use crate::domain::time::to_ms;
use crate::fields::Fields;
use crate::product::{LABELS_MAX, LabelRequest, Product, Skip};
use crate::registration::{Refused, desk};
use crate::store::{Commit, Error, Guard, Outcome};

/// How often a commit is repeated whose answer was lost.
const REPEATS_MAX: usize = 4;

/// Answers up to three labels, or why there are none this time. Of calls for one conversation (or else session) within
/// its cooldown exactly one is answered labels, whichever instances they come to.
pub(super) async fn suggest(
    State(state): State<AppState>,
    Path(product_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    admit_admin(&state, &headers)?;
    let product = state.product(&product_id).await?;
    let body = read_json(&state, body).await?;
    let request = read(&product, &body)?;
    if let Some(skip) = request.skip() {
        return Ok(answer(&[], Some(skip)));
    }
    let row = request.cooldown_id();
    let row = row.map(|id| IndexKey::new(Space::Quota, id));
    if let Some(row) = &row
        && held(&state, &product, row).await?.is_some()
    {
        return Ok(answer(&[], Some(Skip::Cooldown)));
    }
    let mut labels = state.labels.labels(&request).await;
    labels.truncate(LABELS_MAX);
    if labels.is_empty() {
        return Err(no_labels());
    }
    if let Some(row) = row
        && !begin_cooldown(&state, &product, row).await?
    {
        return Ok(answer(&[], Some(Skip::Cooldown)));
    }
    Ok(answer(&labels, None))
}

fn read<'a>(product: &'a Product, body: &Value) -> Result<LabelRequest<'a>, Problem> {
    let mut fields = desk::open(body)?;
    let conversation = id(&mut fields, "conversation_id");
    let session = id(&mut fields, "session_id");
    let action_count = fields.whole("action_count", 0..=u32::MAX);
    if !fields.faults.is_empty() {
        return Err(Refused::Faults(fields.faults).into());
    }
    Ok(LabelRequest {
        product,
        session: session.map(Into::into),
        conversation: conversation.map(Into::into),
        action_count: action_count.unwrap_or(0),
    })
}

fn id(fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
    let id = fields.name(key)?;
    if id.chars().count() > ID_CHARS_MAX {
        fields.fault(key, format!("must have at most {ID_CHARS_MAX} characters"));
    }
    Some(id)
}

/// Remembers that labels are given; whether nobody else has meanwhile.
async fn begin_cooldown(
    state: &AppState,
    product: &Product,
    row: IndexKey,
) -> Result<bool, Problem> {
    let now_ms = state.clock.now_ms();
    let ends_ms = now_ms.saturating_add(to_ms(product.labels.cooldown_s));
    let id: [u8; 8] = state.chance.bytes();
    // Tells the rows of two calls apart.
    let value: Arc<str> = u64::from_be_bytes(id).to_string().into();
    let commit = Arc::new(Commit {
        id,
        product: product.id.clone(),
        now_ms,
        state: None,
        effects: Effects {
            index: vec![IndexWrite {
                key: row.clone(),
                value: Some(Arc::clone(&value)),
                // A row holds through its last millisecond.
                expires_ms: ends_ms.saturating_sub(1),
            }],
            ..Effects::default()
        },
        guards: vec![Guard::Index {
            key: row.clone(),
            value: None,
        }],
    });
    let mut repeated = 0;
    loop {
        match state.store.commit(Arc::clone(&commit)).await {
            Outcome::Committed => return Ok(true),
            // An earlier try may have been written: then the row is ours.
            Outcome::Conflict(_) => {
                return Ok(held(state, product, &row).await? == Some(value));
            }
            Outcome::Unknown(_) if repeated < REPEATS_MAX => repeated += 1,
            Outcome::NotWritten(error) | Outcome::Unknown(error) => return Err(error.into()),
        }
    }
}

/// What is remembered of a cooldown that goes on.
async fn held(
    state: &AppState,
    product: &Product,
    row: &IndexKey,
) -> Result<Option<Arc<str>>, Error> {
    let rows = std::slice::from_ref(row);
    let now_ms = state.clock.now_ms();
    let mut held = state.store.index(&product.id, rows, now_ms).await?;
    Ok(held.pop().flatten())
}

/// Old clients read `prompts`, new ones `labels`: both hold the same.
fn answer(labels: &[Arc<str>], skip: Option<Skip>) -> Json<Value> {
    Json(json!({
        "prompts": labels,
        "labels": labels,
        "count": labels.len(),
        "skip_reason": skip.map(Skip::as_str),
    }))
}

/// Not temporary: it takes a change of the product.
fn no_labels() -> Problem {
    let detail = "there is nothing to choose labels from, and no language model that would write any: give the \
                  product labels in its integration_config, as proactive_intercom[].messages[].label, \
                  proactive_triggers.predicates[].reply_option_labels or \
                  proactive_triggers.section_playbook.{section}.reply_option_labels";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_labels", detail)
}
