//! The products in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use super::catalogue::{Catalogue, NotAList, Problem};
use super::risk::Risk;
use super::settings::Product;
use crate::domain::id::ProductId;

type Set = BTreeMap<ProductId, Arc<Product>>;

/// The set in force. Cheap to clone; all clones see a replacement at once.
#[derive(Clone, Debug, Default)]
pub struct Products(Arc<RwLock<Arc<Set>>>);

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
    /// What is wrong with rows.
    pub problems: Vec<Problem>,
    /// What an operator should know of products that are new or changed, and what they risk, each
    /// with its product.
    pub notices: Vec<(ProductId, String)>,
}

impl Products {
    /// Puts a list in force.
    pub fn new(initial: Catalogue) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(initial.products))))
    }

    /// The product, if it is in force.
    pub fn get(&self, id: &ProductId) -> Option<Arc<Product>> {
        self.set().get(id).cloned()
    }

    /// All products, by identifier.
    pub fn all(&self) -> Vec<Arc<Product>> {
        self.set().values().cloned().collect()
    }

    /// Puts a new list in force. A product whose new row is bad stays as it was.
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
        let mut set = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut report = Report::default();
        for (id, old) in set.iter() {
            match products.get(id) {
                Some(new) if new.fingerprint != old.fingerprint => report.changed.push(id.clone()),
                Some(_) => {}
                None if bad.contains(id) => {
                    products.insert(id.clone(), Arc::clone(old));
                    report.kept.push(id.clone());
                }
                None => report.removed.push(id.clone()),
            }
        }
        report.added = products
            .keys()
            .filter(|id| !set.contains_key(*id))
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
        *set = Arc::new(products);
        Ok(report)
    }

    fn set(&self) -> Arc<Set> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
