//! Inflation of gzip request bodies under a bound, so that a small body cannot become a large one.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// Why a body was not inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// It would be larger than allowed; at most one byte more than that was ever produced.
    #[error("the inflated body is too large")]
    TooLarge,
    /// It is not gzip, or ends early.
    #[error("the body is not valid gzip")]
    Corrupt,
}

/// Inflates all members of a gzip stream to at most `max_bytes` bytes.
///
/// # Errors
/// [`InflateError::TooLarge`] as soon as the bound is crossed, else [`InflateError::Corrupt`].
pub fn gunzip(body: &[u8], max_bytes: usize) -> Result<Vec<u8>, InflateError> {
    if body.is_empty() {
        return Err(InflateError::Corrupt);
    }
    let bound = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    let mut inflated = Vec::new();
    MultiGzDecoder::new(body)
        .take(bound.saturating_add(1))
        .read_to_end(&mut inflated)
        .map_err(|_| InflateError::Corrupt)?;
    if inflated.len() > max_bytes {
        return Err(InflateError::TooLarge);
    }
    Ok(inflated)
}
