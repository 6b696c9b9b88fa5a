//! Everything that is stored of one product, removed.

use std::sync::Arc;

use super::directory::{Directory, Inner, row};
use super::rows::Draft;
use super::setup::Error;
use crate::domain::id::ProductId;
use crate::domain::log::{IndexKey, Space};
use crate::store::erasure::{Place, Row, Subject};
use crate::store::{self, Store};

impl Directory {
    /// Removes for good what was removed long enough ago: first everything that is stored of the product, then its
    /// registration. Nobody can register it anew meanwhile.
    pub(super) async fn purge(&self) -> Result<(), Error> {
        let Inner { rows, limits, .. } = &*self.0;
        let now_ms = rows.clock.now_ms();
        let due: Vec<Arc<str>> = {
            let known = self.0.known.lock().await;
            let due = known.iter().filter(|(_, known)| {
                let deleted_ms = known.deleted_ms;
                deleted_ms.is_some_and(|ms| ms.saturating_add(limits.purge_after_ms) <= now_ms)
            });
            due.map(|(id, _)| Arc::clone(id)).collect()
        };
        for id in due {
            let product = ProductId::from(&*id);
            erase(&rows.store, &product, now_ms).await?;
            let key = row(&product);
            let stored = rows.read(Some(&key)).await?;
            let Some(text) = stored.as_deref() else {
                continue;
            };
            let registration = self.open(text)?;
            let mut draft = Draft::default().replace(key, stored.clone(), None);
            if let Some(project) = registration.record.project() {
                draft = draft.put(IndexKey::new(Space::Project, project), None, 0);
            }
            if rows.write(draft).await? {
                self.0.known.lock().await.remove(&id);
                tracing::info!(
                    product_id = &*id,
                    "a removed product is gone with all it had"
                );
            }
        }
        Ok(())
    }
}

/// Says that every row of a product is about it.
struct Whole(ProductId);

impl Subject for Whole {
    fn product(&self) -> &ProductId {
        &self.0
    }

    fn is_about(&self, row: &Row<'_>) -> bool {
        match row {
            // These are shown of all products.
            Row::Aside { address, .. } => {
                let rest = address.strip_prefix(self.0.as_str());
                rest.is_some_and(|rest| rest.starts_with('/'))
            }
            _ => true,
        }
    }
}

/// Removes all rows of a product. May be repeated.
async fn erase(
    store: &Arc<dyn Store>,
    product: &ProductId,
    now_ms: u64,
) -> Result<(), store::Error> {
    let whole: Arc<dyn Subject> = Arc::new(Whole(product.clone()));
    let mut place = Some(Place::default());
    while let Some(from) = place {
        let trace = store.trace(Arc::clone(&whole), from).await?;
        place = trace.next;
        if !trace.is_empty() {
            store.erase(Arc::clone(&whole), trace, now_ms).await?;
        }
    }
    Ok(())
}
