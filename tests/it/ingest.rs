//! The extraction pipeline: raw bodies in, actions out.

mod fixtures;
