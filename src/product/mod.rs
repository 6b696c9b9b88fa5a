//! Products: the tenants, as an operator wrote them down, and the set that is in force.
//!
//! The cast: a **row** is one JSON object of the documented form (contract 1.4.1, 6.1, 6.3); a
//! [`Product`] is a row that was understood, a [`Push`] its target for pushes; a [`Catalogue`] is a whole list, read;
//! [`Products`] is the set in force: those of the list, which replaces them when it changes, and those that were
//! registered; a [`Source`] is where the list is; a
//! [`Risk`] is what a row asks for although it is not safe; a [`LabelSource`] suggests labels for a product's buttons.
//!
//! Guaranteed:
//!
//! * A bad row is reported with its place and what is wrong, all mistakes of a row at once, and
//!   harms no other row.
//! * A product whose new row is bad stays in force as it was, and so does everything when the list
//!   is not JSON or cannot be read.
//! * Secrets are never printed, neither by `Debug` nor in a report.
//!
//! Deliberately absent: the loop that looks at the file, how products are registered, and any use of the settings.

mod catalogue;
mod labels;
mod proactive;
mod push;
mod registry;
mod risk;
mod row;
mod settings;
mod shown;
mod source;

pub use catalogue::{Catalogue, NotAList, Problem};
pub use labels::{Configured, LABELS_MAX, LabelRequest, LabelSource, Labels, Skip};
pub use push::Push;
pub use registry::{Products, Report};
pub use risk::{Risk, SECRET_CHARS_MIN};
pub(crate) use row::{PRODUCT_ID_WORDS, is_product_id, looks_like_an_address};
pub use settings::{Integration, OldSecret, Origin, Product, ReadKey, SessionOverrides};
pub use source::{Error, Fingerprint, Loaded, Source};
