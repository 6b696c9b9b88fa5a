//! Which registered products are in force here, and keeping that in step with the store.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::directory::{Directory, Known, row};
use super::record::{Flaw, one_line};
use super::rows::Draft;
use super::setup::Error;
use crate::domain::id::ProductId;
use crate::domain::log::{IndexKey, Space};
use crate::product::Product;

impl Directory {
    /// Puts in force what the store has; what cannot be opened is reported, and is not in force.
    ///
    /// # Errors
    ///
    /// The store did not answer; everything stays as it was.
    pub async fn refresh(&self) -> Result<(), Error> {
        let mut known = self.0.known.lock().await;
        let rows = self.0.rows.registrations().await?;
        let there: HashSet<&Arc<str>> = rows.iter().map(|row| &row.id).collect();
        let gone = known.keys().filter(|id| !there.contains(id));
        for id in gone.cloned().collect::<Vec<_>>() {
            self.miss(&mut known, &id).await?;
        }
        for row in &rows {
            if known
                .get(&row.id)
                .is_none_or(|known| known.text != row.value)
            {
                self.put_in_force(&mut known, &row.id, &row.value);
            }
        }
        self.count();
        self.0.is_complete.store(true, Ordering::Release);
        Ok(())
    }

    /// The product, if it is in force. What another instance may have registered a moment ago is looked for in the
    /// store.
    ///
    /// # Errors
    ///
    /// Nobody knows yet: the store has not answered since the start.
    pub async fn product(&self, id: &ProductId) -> Result<Option<Arc<Product>>, Error> {
        let inner = &*self.0;
        let found = inner.products.get(id);
        let is_complete = inner.is_complete.load(Ordering::Acquire);
        if found.is_some() || (is_complete && !inner.is_shared) || inner.vault.is_none() {
            return Ok(found);
        }
        if !is_complete {
            self.refresh().await?;
        } else if inner.missing.is_worth_a_look(id, inner.rows.clock.now_ms()) {
            let mut known = inner.known.lock().await;
            if let Some(text) = inner.rows.read(Some(&row(id))).await? {
                self.adopt(&mut known, id.as_str(), &text);
            }
        }
        Ok(inner.products.get(id))
    }

    /// A registration is no longer in the store. One that was removed is gone for good; any other was lost by a Redis
    /// that came back empty, and is written again by whoever still knows it.
    async fn miss(&self, known: &mut HashMap<Arc<str>, Known>, id: &Arc<str>) -> Result<(), Error> {
        let product = ProductId::from(&**id);
        let Some(lost) = known.get(id).filter(|known| known.deleted_ms.is_none()) else {
            known.remove(id);
            self.0.products.deregister(&product);
            return Ok(());
        };
        let mut draft = Draft::default().replace(row(&product), None, Some(&lost.text));
        if let Some(project) = self.open(&lost.text)?.record.project() {
            let key = IndexKey::new(Space::Project, project);
            draft = draft.put(key, Some(id), u64::MAX);
        }
        // Where it is not written another instance was faster, and the next look finds that.
        if self.0.rows.write(draft).await? {
            tracing::warn!(
                product_id = &**id,
                "a registration that the store had lost is written again"
            );
        }
        Ok(())
    }

    /// Puts one registration in force as it is stored, or takes it out of force.
    pub(super) fn adopt(&self, known: &mut HashMap<Arc<str>, Known>, id: &str, text: &Arc<str>) {
        self.put_in_force(known, id, text);
        self.count();
    }

    fn put_in_force(&self, known: &mut HashMap<Arc<str>, Known>, id: &str, text: &Arc<str>) {
        let products = &self.0.products;
        let mut seen = Known {
            text: Arc::clone(text),
            deleted_ms: None,
        };
        let product = self.open(text).and_then(|registration| {
            seen.deleted_ms = registration.record.deleted_ms;
            let product = registration.product();
            let product = product.map_err(|faults| Flaw::Row(one_line(&faults)))?;
            Ok(registration.is_live().then_some(product))
        });
        known.insert(id.into(), seen);
        match product {
            Ok(Some(product)) => products.register(product),
            Ok(None) => products.deregister(&ProductId::from(id)),
            Err(error) => {
                products.deregister(&ProductId::from(id));
                tracing::error!(product_id = id, %error, "a registered product is not in force");
            }
        }
    }

    fn count(&self) {
        let number = self.0.products.count();
        let gauge = &self.0.metrics.products;
        gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
    }
}
