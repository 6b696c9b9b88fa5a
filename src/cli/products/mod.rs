//! `products` and `keys`: what is registered, and what is issued for it.
//!
//! The cast: `arguments` is what can be typed, and `help` what is taught about it; an `Errand` is what was typed, read
//! with its files and confirmed; the `Registrar` is whoever does it, a running service or, where none runs, the store
//! itself; `shown` is how a person sees the answer. Both registrars answer with the same JSON.
//!
//! Secrets are never arguments, because every user of a machine sees what was typed: they come from files or standard
//! input. What was issued goes to standard output and nowhere else.

mod arguments;
mod errand;
mod help;
mod registrar;
mod run;
mod shown;

pub(super) use arguments::{KeysArgs, ProductsArgs};
pub(super) use errand::{of_keys, of_products};
pub(super) use help::{KEYS as KEYS_HELP, PRODUCTS as PRODUCTS_HELP};
pub(super) use run::run;
