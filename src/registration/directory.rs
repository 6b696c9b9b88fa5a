//! Registrations in the store, and their products in force.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, Notify};

use super::application::Application;
use super::decision::{self, Authority, Issued, Refused, Terms};
use super::missing::Missing;
use super::record::{Registration, Scope};
use super::rows::{Draft, Rows};
use super::secret::{Drawn, IssuedKey, Kind, digest};
use super::setup::{Error, Limits, Surroundings, Unreadable};
use super::uses::Uses;
use super::vault::Vault;
use crate::domain::id::ProductId;
use crate::domain::log::{IndexKey, Space};
use crate::metrics::Metrics;
use crate::product::{Origin, Products};
use crate::store;
use crate::tasks::Tasks;

/// How often a change is decided anew because somebody else was faster.
const CONFLICTS_MAX: usize = 8;

/// Keeps registrations. Cheap to clone.
#[derive(Clone)]
pub struct Directory(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) rows: Rows,
    pub(super) vault: Option<Vault>,
    pub(super) products: Products,
    pub(super) metrics: Metrics,
    pub(super) limits: Limits,
    pub(super) is_shared: bool,
    /// Whether all of them were seen once.
    pub(super) is_complete: AtomicBool,
    /// Names that were looked for in vain, and when: whoever asks for them again and again costs nothing.
    pub(super) missing: Missing,
    /// Registrations as they were last seen. Held while one is changed or all are read, so that what is put in force
    /// is never older than what was.
    pub(super) known: Mutex<HashMap<Arc<str>, Known>>,
    uses: Uses,
    nudge: Notify,
}

/// A registration as it was last seen.
pub(super) struct Known {
    pub(super) text: Arc<str>,
    /// When it was removed.
    pub(super) deleted_ms: Option<u64>,
}

impl Directory {
    /// Nothing is in force before [`Directory::refresh`].
    pub fn new(around: Surroundings) -> Self {
        Self(Arc::new(Inner {
            rows: Rows {
                store: around.store,
                clock: around.clock,
                chance: around.chance,
            },
            vault: around.vault,
            products: around.products,
            metrics: around.metrics,
            limits: around.limits,
            is_shared: around.is_shared,
            is_complete: AtomicBool::new(false),
            missing: Missing::default(),
            known: Mutex::default(),
            uses: Uses::default(),
            nudge: Notify::new(),
        }))
    }

    /// Registers a product, or registers it anew; see [`decision::register`]. An invitation is used up by it.
    ///
    /// # Errors
    ///
    /// [`Error`]; then nothing has changed, unless the store cannot say.
    pub(super) async fn register(
        &self,
        application: &Application,
        authority: Authority,
        invite: Option<&SecretString>,
    ) -> Result<(Registration, Issued), Error> {
        let inner = &*self.0;
        let wanted = application.form.wanted();
        if let Some(id) = wanted {
            self.refuse_listed(id)?;
        }
        let invite = invite.map(invite_row);
        let project = application.form.project();
        let project = project.map(|id| IndexKey::new(Space::Project, id));
        let mut known = inner.known.lock().await;
        let mut was_new = false;
        for _ in 0..CONFLICTS_MAX {
            let drawn = Drawn::draw(&inner.rows.chance);
            let owned = inner.rows.read(project.as_ref()).await?;
            let owner: Option<ProductId> = owned.as_deref().map(ProductId::from);
            let id = owner.as_ref().or(wanted).unwrap_or(&drawn.product);
            let key = row(id);
            let stored = inner.rows.read(Some(&key)).await?;
            let invited = inner.rows.read(invite.as_ref()).await?;
            if invite.is_some() && invited.is_none() {
                return Err(Error::NotInvited);
            }
            let existing = stored.as_deref().map(|text| self.open(text)).transpose()?;
            match &existing {
                None if known.len() >= inner.limits.products_max => {
                    return Err(Error::TooMany(inner.limits.products_max));
                }
                Some(_) if was_new && authority != Authority::Admin => return Err(Error::Collided),
                _ => was_new = existing.is_none(),
            }
            let terms = self.terms(authority);
            let (new, issued) = decision::register(existing.as_ref(), application, &drawn, &terms)?;
            let text = self.seal(&new)?;
            let mut draft = Draft::default().replace(key, stored, Some(&text));
            if let Some(project) = project.clone() {
                let name = new.record.product_id.as_str();
                draft = draft.replace(project, owned, Some(name));
            }
            if let Some(invite) = invite.clone() {
                draft = draft.replace(invite, invited, None);
            }
            if inner.rows.write(draft).await? {
                self.adopt(&mut known, new.record.product_id.as_str(), &text);
                return Ok((new, issued));
            }
        }
        Err(store::Error::Overloaded.into())
    }

    /// Changes a registration that was not removed; answers it as it is now, and whatever the change tells.
    ///
    /// # Errors
    ///
    /// [`Error`]; then nothing has changed, unless the store cannot say.
    pub(super) async fn change<T>(
        &self,
        id: &ProductId,
        change: impl Fn(&mut Registration, &Terms) -> Result<T, Refused>,
    ) -> Result<(Registration, T), Error> {
        self.refuse_listed(id)?;
        let rows = &self.0.rows;
        let key = row(id);
        let mut known = self.0.known.lock().await;
        for _ in 0..CONFLICTS_MAX {
            let stored = rows.read(Some(&key)).await?;
            let text = stored.as_deref().ok_or(Refused::Unknown)?;
            let mut registration = self.open(text)?;
            if !registration.is_live() {
                return Err(Refused::Unknown.into());
            }
            let told = change(&mut registration, &self.terms(Authority::Admin))?;
            let text = self.seal(&registration)?;
            let draft = Draft::default().replace(key.clone(), stored, Some(&text));
            if rows.write(draft).await? {
                self.adopt(&mut known, id.as_str(), &text);
                return Ok((registration, told));
            }
        }
        Err(store::Error::Overloaded.into())
    }

    /// One registration, as the store has it.
    ///
    /// # Errors
    ///
    /// [`Refused::Unknown`] where there is none, and everything else that keeps it from being read.
    pub(super) async fn get(&self, id: &ProductId) -> Result<Registration, Error> {
        let stored = self.0.rows.read(Some(&row(id))).await?;
        self.open(&stored.ok_or(Refused::Unknown)?)
    }

    /// All registrations, as the store has them, and those that cannot be opened.
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub(super) async fn all(&self) -> Result<(Vec<Registration>, Vec<Unreadable>), Error> {
        let (mut all, mut unreadable) = (Vec::new(), Vec::new());
        for row in self.0.rows.registrations().await? {
            match self.open(&row.value) {
                Ok(registration) => all.push(registration),
                Err(error) => unreadable.push(Unreadable {
                    product: row.id,
                    reason: error.to_string(),
                }),
            }
        }
        all.sort_by(|a, b| a.record.product_id.cmp(&b.record.product_id));
        Ok((all, unreadable))
    }

    /// The present, Unix milliseconds.
    pub(super) fn now_ms(&self) -> u64 {
        self.0.rows.clock.now_ms()
    }

    /// Draws a key to be added by [`Directory::change`].
    pub(super) fn draw_key(&self, scope: Scope) -> IssuedKey {
        IssuedKey::draw(scope, &self.0.rows.chance)
    }

    /// Draws everything that a rotation may need.
    pub(super) fn draw(&self) -> Drawn {
        Drawn::draw(&self.0.rows.chance)
    }

    /// Makes an invitation that permits one registration within `lives_ms`, or as long as it is configured; answers
    /// it and when it ends, Unix milliseconds.
    pub(super) async fn invite(&self, lives_ms: Option<u64>) -> Result<(SecretString, u64), Error> {
        let limits = &self.0.limits;
        if !limits.takes_invites {
            return Err(Error::InvitationsOff);
        }
        self.vault()?;
        let lives_ms = lives_ms.unwrap_or(limits.invite_ms);
        let rows = &self.0.rows;
        let invite = Kind::Invite.draw(&rows.chance);
        let expires_ms = rows.clock.now_ms().saturating_add(lives_ms);
        let draft = Draft::default().put(invite_row(&invite), Some("{}"), expires_ms);
        rows.write(draft).await?;
        Ok((invite, expires_ms))
    }

    /// What seals and signs.
    ///
    /// # Errors
    ///
    /// [`Error::NoVault`].
    pub fn vault(&self) -> Result<&Vault, Error> {
        self.0.vault.as_ref().ok_or(Error::NoVault)
    }

    /// Looks for other instances' changes until the service stops, writes down last uses, and removes for good what
    /// was removed long enough ago.
    pub async fn run(self, tasks: Tasks) {
        let Inner { rows, uses, .. } = &*self.0;
        loop {
            tokio::select! {
                biased;
                () = tasks.stopping() => break,
                () = self.0.nudge.notified() => {}
                () = rows.clock.sleep(self.0.limits.poll) => {}
            }
            let now_ms = rows.clock.now_ms();
            if let Err(error) = self.refresh().await {
                tracing::debug!(%error, "registrations are looked at again later");
            }
            if let Err(error) = uses.write(rows, now_ms).await {
                tracing::debug!(%error, "last uses of keys are written down later");
            }
            if let Err(error) = self.purge().await {
                tracing::debug!(%error, "removed products are purged later");
            }
        }
        // Best effort: a last use that is not written down is a minute old at most.
        let _ = uses.write(rows, rows.clock.now_ms()).await;
    }

    /// Another instance has changed something.
    pub fn nudge(&self) {
        self.0.nudge.notify_one();
    }

    /// Notes that an issued key was used; written down now and then.
    pub fn note_use(&self, key: &Arc<str>) {
        self.0.uses.note(key, self.0.rows.clock.now_ms());
    }

    /// When keys were last used, Unix milliseconds, in the order asked.
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub(super) async fn last_uses(&self, keys: &[&str]) -> Result<Vec<Option<u64>>, Error> {
        Ok(self.0.uses.last(&self.0.rows, keys).await?)
    }

    /// Whether the product stands in the operator's list.
    pub(super) fn is_listed(&self, id: &ProductId) -> bool {
        let product = self.0.products.get(id);
        product.is_some_and(|product| product.origin == Origin::File)
    }

    /// Products of the operator's list are not changed from here.
    fn refuse_listed(&self, id: &ProductId) -> Result<(), Refused> {
        if self.is_listed(id) {
            return Err(Refused::InList);
        }
        Ok(())
    }

    fn terms(&self, authority: Authority) -> Terms {
        let limits = &self.0.limits;
        Terms {
            now_ms: self.0.rows.clock.now_ms(),
            overlap_ms: limits.overlap_ms,
            purge_after_ms: limits.purge_after_ms,
            keys_max: limits.keys_max,
            authority,
        }
    }

    fn seal(&self, registration: &Registration) -> Result<Arc<str>, Error> {
        Ok(registration.seal(self.vault()?, self.0.rows.chance.secret()))
    }

    pub(super) fn open(&self, stored: &str) -> Result<Registration, Error> {
        Ok(Registration::open(stored, self.vault()?)?)
    }
}

pub(super) fn row(id: &ProductId) -> IndexKey {
    IndexKey::new(Space::Registration, id.as_str())
}

fn invite_row(invite: &SecretString) -> IndexKey {
    IndexKey::new(Space::Invite, digest(invite.expose_secret()).as_text())
}
