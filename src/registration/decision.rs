//! What becomes of a registration. Nothing here reads a clock, draws or writes.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Map;

use super::application::{Application, Form};
use super::patch;
use super::record::{KeyRecord, Old, Record, Registration, Scope, Sealed};
use super::secret::{Drawn, IssuedKey, digest};
use crate::fields::Fault;

/// The most secrets before the present one that are still accepted.
const OLD_SECRETS_MAX: usize = 8;

/// When it is decided, and on which terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Unix milliseconds.
    pub now_ms: u64,
    /// How long what is replaced is still accepted.
    pub overlap_ms: u64,
    /// How long a removed product may be registered anew.
    pub purge_after_ms: u64,
    /// The most valid keys of one product.
    pub keys_max: usize,
    /// Who asks.
    pub authority: Authority,
}

/// What whoever asks may do without being the owner of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Everything.
    Admin,
    /// Register what is not registered yet.
    Guest,
    /// Nothing.
    Nobody,
}

/// What was issued. Shown once.
#[derive(Clone, Debug, Default)]
pub(super) struct Issued {
    /// Opens ingest, and the stream.
    pub secret: Option<SecretString>,
    /// Opens what agents read, and the stream.
    pub mcp_key: Option<IssuedKey>,
    /// Opens the stream.
    pub stream_key: Option<IssuedKey>,
    /// Permits the product to be registered anew.
    pub owner_token: Option<SecretString>,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The name is taken.
    #[error(
        "the product is registered already; to replace it, send force_reregister with its owner_token, or with the admin key"
    )]
    Exists,
    /// The name stands in the operator's list.
    #[error(
        "the product stands in the operator's list of products, which is not changed from here"
    )]
    InList,
    /// Nobody may register here just so.
    #[error(
        "registration takes the admin key (X-Admin-Key), an invitation, or the owner_token of what is registered already"
    )]
    Closed,
    /// It belongs to somebody.
    #[error(
        "it is registered already; only its owner_token or the admin key permits to register it anew"
    )]
    NotOwner,
    /// There is no such product.
    #[error("product not found")]
    Unknown,
    /// There is no such key.
    #[error("key not found")]
    UnknownKey,
    /// There is no room for another key.
    #[error("the product has {0} keys already (registration.keys_max); revoke one first")]
    TooManyKeys(usize),
    /// What is asked for is not accepted.
    #[error("not accepted: {}", super::record::one_line(.0))]
    Faults(Vec<Fault>),
}

/// What to issue anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rotation {
    /// The ingest secret.
    pub secret: bool,
    /// Every key for the stream; one is issued for them.
    pub stream_key: bool,
    /// Every key for agents; one is issued for them.
    pub mcp_key: bool,
    /// The owner's token.
    pub owner_token: bool,
}

impl Rotation {
    /// What a registration anew replaces.
    pub(super) const REGISTRATION: Self = Self {
        secret: true,
        stream_key: true,
        mcp_key: true,
        owner_token: false,
    };
}

/// Registers a product, or registers it anew. A first registration issues everything; a later one rotates what
/// opens the product, and leaves the owner's token as it is.
///
/// # Errors
///
/// [`Refused`], whoever asks being neither operator nor owner, or the row not being accepted.
pub(super) fn register(
    existing: Option<&Registration>,
    application: &Application,
    drawn: &Drawn,
    terms: &Terms,
) -> Result<(Registration, Issued), Refused> {
    let Some(old) = existing else {
        if terms.authority == Authority::Nobody {
            return Err(Refused::Closed);
        }
        let mut new = blank(application, drawn, terms);
        let mut issued = rotate(
            &mut new,
            Rotation::REGISTRATION,
            application.secret.as_ref(),
            drawn,
            terms,
        );
        issued.owner_token = Some(drawn.owner_token.clone());
        apply(&mut new, application)?;
        return Ok((new, issued));
    };
    if old.is_over(terms) {
        return Err(Refused::Exists);
    }
    let has_token = application
        .owner_token
        .as_ref()
        .is_some_and(|token| old.record.owner.is_of(token));
    let knows_secret = match (&application.secret, old.secret()) {
        (Some(given), Some(own)) => digest(own.expose_secret()).is_of(given),
        _ => false,
    };
    let is_owner = has_token || knows_secret;
    match &application.form {
        _ if terms.authority == Authority::Nobody && !is_owner => return Err(Refused::Closed),
        Form::Named { is_forced, .. } if !is_forced && !has_token => return Err(Refused::Exists),
        _ if terms.authority != Authority::Admin && !is_owner => return Err(Refused::NotOwner),
        _ => {}
    }
    let mut new = old.clone();
    let issued = rotate(
        &mut new,
        Rotation::REGISTRATION,
        application.secret.as_ref(),
        drawn,
        terms,
    );
    new.record.updated_ms = terms.now_ms;
    new.record.deleted_ms = None;
    apply(&mut new, application)?;
    Ok((new, issued))
}

impl Registration {
    /// Whether it was removed so long ago that it is about to go.
    fn is_over(&self, terms: &Terms) -> bool {
        let deleted_ms = self.record.deleted_ms;
        deleted_ms.is_some_and(|ms| ms.saturating_add(terms.purge_after_ms) <= terms.now_ms)
    }
}

/// A registration without secrets.
fn blank(application: &Application, drawn: &Drawn, terms: &Terms) -> Registration {
    let product_id = match &application.form {
        Form::Named { product, .. } => product.clone(),
        Form::Project { .. } => drawn.product.clone(),
    };
    Registration {
        sealed: Sealed {
            row: Map::from_iter([("product_id".to_owned(), product_id.as_str().into())]),
            old_secrets: Vec::new(),
        },
        record: Record {
            product_id,
            name: None,
            provider: None,
            provider_project_id: None,
            created_ms: terms.now_ms,
            updated_ms: terms.now_ms,
            deleted_ms: None,
            owner: digest(drawn.owner_token.expose_secret()),
            keys: Vec::new(),
        },
    }
}

/// Lays what the applicant says over the registration.
fn apply(registration: &mut Registration, application: &Application) -> Result<(), Refused> {
    let (record, row) = (&mut registration.record, &mut registration.sealed.row);
    record.name = application.name.clone().or(record.name.take());
    match &application.form {
        Form::Named { provider, .. } => {
            record.provider = provider.clone().or(record.provider.take());
            // The whole row is said anew.
            for key in patch::CHANGEABLE {
                row.remove(key);
            }
        }
        Form::Project { provider, project } => {
            record.provider = Some(provider.clone());
            record.provider_project_id = Some(project.clone());
        }
    }
    row.extend(application.row.clone());
    row.entry("integration_type")
        .or_insert_with(|| "event_stream".into());
    checked(registration)
}

pub(super) fn checked(registration: &Registration) -> Result<(), Refused> {
    let product = registration.product().map_err(Refused::Faults)?;
    debug_assert_eq!(product.id, registration.record.product_id);
    if product.program_faults.is_empty() {
        Ok(())
    } else {
        Err(Refused::Faults(product.program_faults))
    }
}

/// Issues anew what `what` says; what it replaces is accepted until the overlap is over.
pub(super) fn rotate(
    registration: &mut Registration,
    what: Rotation,
    given: Option<&SecretString>,
    drawn: &Drawn,
    terms: &Terms,
) -> Issued {
    let until_ms = terms.now_ms.saturating_add(terms.overlap_ms);
    let mut issued = Issued::default();
    registration
        .sealed
        .old_secrets
        .retain(|old| terms.now_ms < old.until_ms);
    if what.secret {
        let new = given.unwrap_or(&drawn.ingest_secret);
        let before = registration.secret();
        let before = before.filter(|before| before.expose_secret() != new.expose_secret());
        registration
            .sealed
            .old_secrets
            .extend(before.map(|before| Old {
                secret: before.expose_secret().to_owned(),
                until_ms,
            }));
        let text = new.expose_secret().into();
        registration
            .sealed
            .row
            .insert("webhook_secret".to_owned(), text);
        issued.secret = Some(new.clone());
    }
    renew_keys(registration, what, drawn, terms, &mut issued);
    let surplus = registration
        .sealed
        .old_secrets
        .len()
        .saturating_sub(OLD_SECRETS_MAX);
    registration.sealed.old_secrets.drain(..surplus);
    if what.owner_token {
        registration.record.owner = digest(drawn.owner_token.expose_secret());
        issued.owner_token = Some(drawn.owner_token.clone());
    }
    registration.record.updated_ms = terms.now_ms;
    issued
}

/// Adds a key for each scope that is meant; those before it end with the overlap.
fn renew_keys(
    registration: &mut Registration,
    what: Rotation,
    drawn: &Drawn,
    terms: &Terms,
    issued: &mut Issued,
) {
    let until_ms = terms.now_ms.saturating_add(terms.overlap_ms);
    let keys = &mut registration.record.keys;
    for (is_meant, key) in [
        (what.stream_key, &drawn.stream_key),
        (what.mcp_key, &drawn.mcp_key),
    ] {
        if !is_meant {
            continue;
        }
        let same = keys.iter_mut().filter(|old| old.scope == key.scope);
        for old in same {
            old.until_ms = Some(old.until_ms.map_or(until_ms, |ms| ms.min(until_ms)));
        }
        keys.push(KeyRecord::of(key, None, terms.now_ms));
        let place = match key.scope {
            Scope::Stream => &mut issued.stream_key,
            Scope::Mcp => &mut issued.mcp_key,
        };
        *place = Some(key.clone());
    }
    keys.retain(|key| key.is_valid(terms.now_ms));
    // Whoever rotates again and again has few of those before; the ones that end first go.
    while keys.len() > terms.keys_max
        && let Some(first) = (0..keys.len())
            .filter(|at| keys[*at].until_ms.is_some())
            .min_by_key(|at| keys[*at].until_ms)
    {
        keys.remove(first);
    }
}

/// Takes a product out of force.
pub(super) fn remove(registration: &mut Registration, now_ms: u64) {
    registration.record.deleted_ms = Some(now_ms);
    registration.record.updated_ms = now_ms;
}

/// Issues one more key.
///
/// # Errors
///
/// [`Refused::TooManyKeys`].
pub(super) fn add_key(
    registration: &mut Registration,
    key: &IssuedKey,
    name: Option<String>,
    until_ms: Option<u64>,
    terms: &Terms,
) -> Result<(), Refused> {
    let keys = &mut registration.record.keys;
    keys.retain(|key| key.is_valid(terms.now_ms));
    if keys.len() >= terms.keys_max {
        return Err(Refused::TooManyKeys(terms.keys_max));
    }
    keys.push(KeyRecord {
        until_ms,
        ..KeyRecord::of(key, name, terms.now_ms)
    });
    registration.record.updated_ms = terms.now_ms;
    Ok(())
}

/// Revokes a key. It is not accepted any longer, not even for the overlap.
///
/// # Errors
///
/// [`Refused::UnknownKey`].
pub(super) fn revoke_key(
    registration: &mut Registration,
    id: &str,
    now_ms: u64,
) -> Result<(), Refused> {
    let keys = &mut registration.record.keys;
    let before = keys.len();
    keys.retain(|key| key.id != id);
    if keys.len() == before {
        return Err(Refused::UnknownKey);
    }
    registration.record.updated_ms = now_ms;
    Ok(())
}
