//! Products and keys as JSON: what an operator may see, and what is shown once.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::decision::{Issued, Refused};
use super::directory::Directory;
use super::record::Registration;
use super::setup::Error;
use crate::domain::id::ProductId;
use crate::domain::time::seconds;
use crate::platform;
use crate::product::{Origin, Product, Risk};

/// All products, those of the operator's list first.
pub(super) async fn list(directory: &Directory) -> Result<Value, Error> {
    let (registrations, unreadable) = directory.all().await?;
    let listed = directory.0.products.all();
    let listed = listed.iter().filter(|one| one.origin == Origin::File);
    let mut all: Vec<Value> = listed.map(|product| of_product(product)).collect();
    all.extend(registrations.iter().map(of_registration));
    all.extend(unreadable.iter().map(
        |one| json!({"product_id": one.product, "source": "registered", "error": one.reason}),
    ));
    Ok(json!({"count": all.len(), "products": all}))
}

/// One product, with its configuration.
pub(super) async fn one(directory: &Directory, id: &ProductId) -> Result<Value, Error> {
    let in_force = directory.0.products.get(id);
    if let Some(product) = in_force.as_deref()
        && product.origin == Origin::File
    {
        return Ok(with_details(of_product(product), product));
    }
    let registration = directory.get(id).await?;
    let mut shown = of_registration(&registration);
    shown["keys"] = keys(directory, &registration).await?;
    match registration.product() {
        Ok(product) => Ok(with_details(shown, &product)),
        Err(faults) => Err(Refused::Faults(faults).into()),
    }
}

/// The keys of a product, as far as they may be shown.
pub(super) async fn keys(
    directory: &Directory,
    registration: &Registration,
) -> Result<Value, Error> {
    let keys = &registration.record.keys;
    let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
    let uses = directory.last_uses(&ids).await?;
    let shown = keys.iter().zip(uses).map(|(key, used_ms)| {
        json!({
            "key_id": key.id,
            "scope": key.scope,
            "name": key.name,
            "prefix": key.prefix,
            "created_at": seconds(key.created_ms),
            "expires_at": key.until_ms.map(seconds),
            "last_used_at": used_ms.map(seconds),
        })
    });
    Ok(shown.collect())
}

/// What was issued, in all the documented shapes at once: old clients ignore what they do not know.
pub(super) fn issued(registration: &Registration, issued: &Issued, base: &str) -> Value {
    let record = &registration.record;
    let id = &record.product_id;
    let secret = issued.secret.as_ref().map(|secret| secret.expose_secret());
    let mcp_key = issued.mcp_key.as_ref().map(|key| key.key.expose_secret());
    let stream_key = issued.stream_key.as_ref();
    let key = stream_key.map(|key| key.key.expose_secret());
    let owner_token = issued
        .owner_token
        .as_ref()
        .map(|token| token.expose_secret());
    let row = registration.row();
    let mut answer = json!({
        "product_id": id,
        "name": record.name.as_deref().unwrap_or(id.as_str()),
        "provider": record.provider,
        "provider_project_id": record.provider_project_id,
        "contact_email": row.get("contact_email"),
        "integration_type": row.get("integration_type"),
        "webhook_secret": secret,
        "unkey_key": key,
        "unkey_key_id": stream_key.map(|key| &key.id),
        "dual_write": true,
        "render_sync_performed": false,
        "webhook_url": format!("{base}/webhook/{id}"),
        "stream_url": format!("{base}/stream/{id}"),
        "amplitude_ingest_url": format!("{base}/ingest/amplitude/{id}"),
        "credentials": {
            "ingest_secret": secret,
            "mcp_key": mcp_key,
            "stream_key": key,
            "owner_token": owner_token,
        },
        "setup": {
            "ingest_url": format!("{base}/ingest/{id}"),
            "ingest_auth": "Authorization: Bearer <ingest_secret>",
            "stream_url": format!("{base}/stream/{id}"),
            "stream_auth": "Authorization: Bearer <stream_key>",
        },
    });
    let integration = row.get("integration_type").and_then(Value::as_str);
    if integration.and_then(platform::named).is_some() {
        let url = format!("{base}/chatbot-webhook/{id}");
        answer["setup"]["chatbot_webhook_url"] = url.into();
    }
    answer
}

fn of_registration(registration: &Registration) -> Value {
    let (record, row) = (&registration.record, registration.row());
    json!({
        "product_id": record.product_id,
        "name": record.name,
        "contact_email": row.get("contact_email"),
        "integration_type": row.get("integration_type"),
        "provider": record.provider,
        "provider_project_id": record.provider_project_id,
        "created_at": seconds(record.created_ms),
        "updated_at": seconds(record.updated_ms),
        "deleted_at": record.deleted_ms.map(seconds),
        "source": "registered",
    })
}

fn of_product(product: &Product) -> Value {
    json!({
        "product_id": product.id,
        "contact_email": product.contact_email,
        "integration_type": product.integration.name(),
        "source": "list",
    })
}

fn with_details(mut shown: Value, product: &Product) -> Value {
    shown["integration_config"] = product.shown_config.clone();
    shown["notices"] = product.notices.clone().into();
    let risks = Risk::of(product);
    shown["risks"] = risks.iter().map(ToString::to_string).collect();
    shown
}
