//! A whole list of rows, read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::row::{self, Read};
use super::settings::Product;
use crate::domain::id::ProductId;
use crate::fields::Fault;

/// What a list says: the rows that were understood, and what is wrong with the others.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    pub(super) products: BTreeMap<ProductId, Arc<Product>>,
    /// What is wrong, in order of the list.
    pub problems: Vec<Problem>,
}

/// Something wrong with a row. Repeats no value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Position of the row in the list, from 0.
    pub index: usize,
    /// The row's product, when it can be told.
    pub product: Option<ProductId>,
    /// Where in the list, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong and what would be right.
    pub text: String,
    /// Whether the product is in force all the same: it is about what to offer, and only that suffers.
    pub is_partial: bool,
}

/// The text is not a JSON list.
#[derive(Debug, thiserror::Error)]
pub enum NotAList {
    /// It is not JSON.
    #[error("the list of products is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON of another shape.
    #[error("the list of products must be a JSON list of objects")]
    OtherShape,
}

impl Catalogue {
    /// Reads a JSON list of rows.
    ///
    /// # Errors
    ///
    /// [`NotAList`] when nothing can be said about any row. A list with bad rows is not an error:
    /// the good rows are there, and the bad ones are [`Catalogue::problems`].
    pub fn parse(text: &str) -> Result<Self, NotAList> {
        let list: Value = serde_json::from_str(text).map_err(NotAList::NotJson)?;
        let rows = list.as_array().ok_or(NotAList::OtherShape)?;
        let mut catalogue = Self::default();
        for (index, row) in rows.iter().enumerate() {
            catalogue.add(index, row::read(&format!("/{index}"), row));
        }
        Ok(catalogue)
    }

    /// The products, by identifier.
    pub fn products(&self) -> impl Iterator<Item = &Arc<Product>> {
        self.products.values()
    }

    /// What an operator should know although nothing is wrong, each with its product.
    pub fn notices(&self) -> impl Iterator<Item = (&ProductId, &str)> {
        self.products.values().flat_map(|product| {
            let notices = product.notices.iter();
            notices.map(|notice| (&product.id, notice.as_str()))
        })
    }

    fn add(&mut self, index: usize, read: Read) {
        let problem = |fault: Fault, is_partial: bool| Problem {
            index,
            product: read.id.clone(),
            pointer: fault.pointer,
            text: fault.text,
            is_partial,
        };
        match read.product {
            Ok(product) if self.products.contains_key(&product.id) => {
                let fault = Fault {
                    pointer: format!("/{index}/product_id"),
                    text: "names a product of an earlier row, which stays".to_owned(),
                };
                self.problems.push(problem(fault, false));
            }
            Ok(product) => {
                let faults = product.program_faults.iter().cloned();
                self.problems
                    .extend(faults.map(|fault| problem(fault, true)));
                self.products.insert(product.id.clone(), Arc::new(product));
            }
            Err(faults) => {
                let faults = faults.into_iter();
                self.problems
                    .extend(faults.map(|fault| problem(fault, false)));
            }
        }
    }
}

impl Problem {
    /// The published name of what is wrong, for logs, where it has one (contract 6.1).
    pub fn event(&self) -> Option<&'static str> {
        let builtins = "/integration_config/proactive_triggers/builtins";
        let is_below = self.pointer.contains(builtins);
        is_below.then_some("proactive_builtin_spec_invalid")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.product {
            Some(product) => write!(f, "product {product}: {} {}", self.pointer, self.text),
            None => write!(f, "row {}: {} {}", self.index, self.pointer, self.text),
        }
    }
}
