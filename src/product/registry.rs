//! The products in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::catalogue::{Catalogue, NotAList, Problem};
use super::risk::Risk;
use super::settings::Product;
use crate::domain::id::ProductId;

type Set = BTreeMap<ProductId, Arc<Product>>;

/// The set in force. Cheap to clone; all clones see a replacement at once. A product of the list comes before a
/// registered one of the same name.
#[derive(Clone, Debug, Default)]
pub struct Products(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    layers: RwLock<Layers>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Layers {
    listed: Set,
    registered: Set,
}

impl Layers {
    fn get(&self, id: &ProductId) -> Option<&Arc<Product>> {
        self.listed.get(id).or_else(|| self.registered.get(id))
    }
}

/// What a replacement changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Products that are new.
    pub added: Vec<ProductId>,
    /// Products whose row says something different.
    pub changed: Vec<ProductId>,
    /// Products that no row names any more.
    pub removed: Vec<ProductId>,
    /// Products whose new row is bad and that stay as they were.
    pub kept: Vec<ProductId>,
    /// Products that are changed but for what they offer, which is wrong and stays as it was.
    pub kept_offers: Vec<ProductId>,
    /// What is wrong with rows.
    pub problems: Vec<Problem>,
    /// What an operator should know of products that are new or changed, and what they risk, each
    /// with its product.
    pub notices: Vec<(ProductId, String)>,
}

impl Products {
    /// Puts a list in force.
    pub fn new(initial: Catalogue) -> Self {
        let products = Self::default();
        products.write(|layers| layers.listed = initial.products);
        products
    }

    /// The product, if it is in force.
    pub fn get(&self, id: &ProductId) -> Option<Arc<Product>> {
        self.read(|layers| layers.get(id).cloned())
    }

    /// How many products are in force.
    pub fn count(&self) -> usize {
        self.read(|layers| {
            let Layers { listed, registered } = layers;
            let own = registered.keys().filter(|id| !listed.contains_key(*id));
            listed.len() + own.count()
        })
    }

    /// All products, by identifier.
    pub fn all(&self) -> Vec<Arc<Product>> {
        let set = self.read(|layers| {
            let mut all = layers.registered.clone();
            let listed = layers.listed.iter();
            all.extend(listed.map(|(id, product)| (id.clone(), Arc::clone(product))));
            all
        });
        set.into_values().collect()
    }

    /// Puts a registered product in force, in the place of what was registered under its name before.
    pub fn register(&self, product: Product) {
        let id = product.id.clone();
        self.write(|layers| layers.registered.insert(id, Arc::new(product)));
    }

    /// Takes a registered product out of force.
    pub fn deregister(&self, id: &ProductId) {
        self.write(|layers| layers.registered.remove(id));
    }

    /// Tells whoever waits that some product was changed or removed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// Puts a new list in force. A product whose new row is bad stays as it was, and so do the triggers of one whose
    /// triggers are.
    ///
    /// # Errors
    ///
    /// [`NotAList`]; then everything stays as it was.
    pub fn replace(&self, text: &str) -> Result<Report, NotAList> {
        let Catalogue {
            mut products,
            problems,
        } = Catalogue::parse(text)?;
        let named = problems
            .iter()
            .filter_map(|problem| problem.product.as_ref());
        let bad: BTreeSet<&ProductId> = named.collect();
        let mut report = Report::default();
        let before = self.read(|layers| layers.listed.clone());
        for (id, old) in &before {
            match products.get_mut(id) {
                Some(new) if new.fingerprint != old.fingerprint => {
                    if !new.program_faults.is_empty() {
                        let new = Arc::make_mut(new);
                        new.program.clone_from(&old.program);
                        new.labels.clone_from(&old.labels);
                        report.kept_offers.push(id.clone());
                    }
                    report.changed.push(id.clone());
                }
                Some(same) => *same = Arc::clone(old),
                None if bad.contains(id) => {
                    products.insert(id.clone(), Arc::clone(old));
                    report.kept.push(id.clone());
                }
                None => report.removed.push(id.clone()),
            }
        }
        report.added = products
            .keys()
            .filter(|id| !before.contains_key(*id))
            .cloned()
            .collect();
        for id in report.added.iter().chain(&report.changed) {
            let Some(product) = products.get(id) else {
                continue;
            };
            let risks = Risk::of(product).into_iter().map(|risk| risk.to_string());
            let notices = product.notices.iter().cloned().chain(risks);
            report
                .notices
                .extend(notices.map(|notice| (id.clone(), notice)));
        }
        report.problems = problems;
        self.write(|layers| layers.listed = products);
        Ok(report)
    }

    fn read<T>(&self, look: impl FnOnce(&Layers) -> T) -> T {
        let layers = &self.0.layers;
        look(&layers.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Layers) -> T) {
        let layers = &self.0.layers;
        change(&mut layers.write().unwrap_or_else(PoisonError::into_inner));
        self.0.changes.send_replace(());
    }
}
