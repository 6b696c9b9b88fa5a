//! What is asked about products and keys: a request's body read, the directory asked, the answer made. It is the same
//! over HTTP and at a terminal while no service runs, because both ask here.
//!
//! Whoever calls has made sure who asks. Everything that is wrong with a body comes back at once, as
//! [`Refused::Faults`] with pointers. Only what was just issued is shown in clear. A `base` is the address under which
//! the outside reaches the service; the addresses that an answer names begin with it.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::application::{Application, short};
use super::decision::{self, Authority, Refused, Rotation};
use super::directory::Directory;
use super::patch;
use super::record::Scope;
use super::setup::Error;
use super::view;
use crate::domain::id::ProductId;
use crate::domain::time::{seconds, to_ms};
use crate::fields::{Fault, Fields};

/// What can be issued anew, as it is named in a request.
pub const ROTATABLE: [&str; 4] = ["ingest_secret", "stream_key", "mcp_key", "owner_token"];

/// Registers a product, or registers it anew; answers what was issued, in all the documented shapes.
///
/// # Errors
///
/// [`Error`]; then nothing has changed, unless the store cannot say. So it is with everything here.
pub async fn register(
    directory: &Directory,
    body: &Value,
    authority: Authority,
    invite: Option<&SecretString>,
    base: &str,
) -> Result<Value, Error> {
    let application = Application::read(body).map_err(Refused::Faults)?;
    let registered = directory.register(&application, authority, invite);
    let (registration, issued) = registered.await?;
    let mut answer = view::issued(&registration, &issued, base);
    let notices = registration.product().map(|product| product.notices);
    let notices = application
        .notices
        .into_iter()
        .chain(notices.unwrap_or_default());
    answer["notices"] = notices.collect();
    Ok(answer)
}

/// All products, those of the operator's list first: `{"count", "products": […]}`.
///
/// # Errors
///
/// The store did not answer.
pub async fn list(directory: &Directory) -> Result<Value, Error> {
    view::list(directory).await
}

/// One product, with its configuration and its keys.
///
/// # Errors
///
/// There is none of that name, or it cannot be read.
pub async fn show(directory: &Directory, id: &str) -> Result<Value, Error> {
    view::one(directory, &named(id)).await
}

/// Changes a product's row by a merge patch; answers the product as it is then.
///
/// # Errors
///
/// As for [`register`].
pub async fn change(directory: &Directory, id: &str, body: &Value) -> Result<Value, Error> {
    let id = named(id);
    let changed = directory.change(&id, |registration, terms| {
        patch::change(registration, body, terms.now_ms)
    });
    changed.await?;
    tracing::info!(product_id = %id, "a product was changed");
    view::one(directory, &id).await
}

/// Takes a product out of force; after a while it goes for good.
///
/// # Errors
///
/// As for [`register`].
pub async fn remove(directory: &Directory, id: &str) -> Result<Value, Error> {
    let id = named(id);
    let removed = directory.change(&id, |registration, terms| {
        decision::remove(registration, terms.now_ms);
        Ok(())
    });
    removed.await?;
    tracing::info!(product_id = %id, "a product was removed");
    Ok(json!({"status": "deleted", "product_id": id}))
}

/// Issues secrets and keys anew; what they replace is accepted until the overlap is over. `what` lists them,
/// everything but the owner's token unless given; `overlap_s` is how long that is.
///
/// # Errors
///
/// As for [`register`].
pub async fn rotate(
    directory: &Directory,
    id: &str,
    body: &Value,
    base: &str,
) -> Result<Value, Error> {
    let mut fields = open(body)?;
    let is_word = |text: &str| ROTATABLE.contains(&text);
    let wanted = "ingest_secret, stream_key, mcp_key or owner_token";
    let what = fields
        .texts("what", is_word, wanted)
        .map_or(Rotation::REGISTRATION, |what| {
            let has = |word: &str| what.iter().any(|one| one == word);
            Rotation {
                secret: has("ingest_secret"),
                stream_key: has("stream_key"),
                mcp_key: has("mcp_key"),
                owner_token: has("owner_token"),
            }
        });
    let overlap_ms = fields.seconds("overlap_s").map(to_ms);
    sound(fields.faults)?;
    let id = named(id);
    let drawn = directory.draw();
    let rotated = directory.change(&id, |registration, terms| {
        let mut terms = *terms;
        terms.overlap_ms = overlap_ms.unwrap_or(terms.overlap_ms);
        Ok(decision::rotate(registration, what, None, &drawn, &terms))
    });
    let (registration, issued) = rotated.await?;
    tracing::info!(product_id = %id, "secrets of a product were issued anew");
    Ok(view::issued(&registration, &issued, base))
}

/// The keys of a product: how they begin, and when they were last used. A product of the list has none that were
/// issued.
///
/// # Errors
///
/// There is no such product, or it cannot be read.
pub async fn keys(directory: &Directory, id: &str) -> Result<Value, Error> {
    let id = named(id);
    if directory.is_listed(&id) {
        return Ok(json!({"product_id": id, "keys": []}));
    }
    let registration = directory.get(&id).await?;
    let keys = view::keys(directory, &registration).await?;
    Ok(json!({"product_id": id, "keys": keys}))
}

/// Issues a key, of which `scope`, `name` and `expires_in_s` may be said.
///
/// # Errors
///
/// As for [`register`].
pub async fn create_key(directory: &Directory, id: &str, body: &Value) -> Result<Value, Error> {
    let mut fields = open(body)?;
    let scope = fields.choice("scope", [("stream", Scope::Stream), ("mcp", Scope::Mcp)]);
    let name = short(&mut fields, "name");
    let lives_s = fields.seconds("expires_in_s");
    sound(fields.faults)?;
    let now_ms = directory.now_ms();
    let until_ms = lives_s.map(|lives_s| now_ms.saturating_add(to_ms(lives_s)));
    let key = directory.draw_key(scope);
    let id = named(id);
    let added = directory.change(&id, |registration, terms| {
        decision::add_key(registration, &key, name.clone(), until_ms, terms)
    });
    added.await?;
    tracing::info!(product_id = %id, key_id = key.id, "a key was issued");
    Ok(json!({
        "product_id": id,
        "key_id": key.id,
        "key": key.key.expose_secret(),
        "scope": key.scope,
        "name": name,
        "expires_at": until_ms.map(seconds),
    }))
}

/// Revokes a key at once.
///
/// # Errors
///
/// As for [`register`].
pub async fn revoke_key(directory: &Directory, id: &str, key_id: &str) -> Result<Value, Error> {
    let id = named(id);
    let revoked = directory.change(&id, |registration, terms| {
        decision::revoke_key(registration, key_id, terms.now_ms)
    });
    revoked.await?;
    tracing::info!(product_id = %id, key_id, "a key was revoked");
    Ok(json!({"status": "revoked", "product_id": id, "key_id": key_id}))
}

/// Makes an invitation: an address under which `/products` takes one registration, within `expires_in_s`.
///
/// # Errors
///
/// As for [`register`]; [`Error::InvitationsOff`].
pub async fn invite(directory: &Directory, body: &Value, base: &str) -> Result<Value, Error> {
    let mut fields = open(body)?;
    let lives_ms = fields.seconds("expires_in_s").map(to_ms);
    sound(fields.faults)?;
    let (invite, until_ms) = directory.invite(lives_ms).await?;
    tracing::info!("an invitation was made");
    Ok(json!({
        "url": format!("{base}/register/{}", invite.expose_secret()),
        "expires_at": seconds(until_ms),
    }))
}

/// The fields of a body, which must be an object.
pub(crate) fn open(body: &Value) -> Result<Fields<'_>, Refused> {
    let object = body.as_object().ok_or_else(|| {
        let (pointer, text) = (String::new(), "must be an object".to_owned());
        Refused::Faults(vec![Fault { pointer, text }])
    })?;
    Ok(Fields::new(object, String::new()))
}

/// Whether nothing is wrong.
fn sound(faults: Vec<Fault>) -> Result<(), Refused> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Refused::Faults(faults))
    }
}

/// A product as it is named in a path: trimmed, compared as a string (contract 0.3).
fn named(id: &str) -> ProductId {
    ProductId::from(id.trim())
}
