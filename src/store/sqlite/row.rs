//! Columns in and out: unsigned numbers, and telling a damaged row from a failing database.

use std::borrow::Cow;

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Error, Row};

use crate::domain::log::Offset;
use crate::store;

/// An unsigned number as the database holds it; what does not fit is as good as infinite.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count as the database holds it.
pub(super) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A column that must hold a number from 0 up.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, Error> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| Error::IntegralValueOutOfRange(column, number))
}

/// A column that may hold a number from 0 up.
pub(super) fn unsigned_if_any(row: &Row<'_>, column: usize) -> Result<Option<u64>, Error> {
    let number: Option<i64> = row.get(column)?;
    number
        .map(|n| u64::try_from(n).map_err(|_| Error::IntegralValueOutOfRange(column, n)))
        .transpose()
}

/// A column as text, however damaged it is.
pub(super) fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<Cow<'a, str>, Error> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes),
        ValueRef::Integer(number) => number.to_string().into(),
        ValueRef::Real(number) => number.to_string().into(),
        ValueRef::Null => "".into(),
    })
}

/// An offset from two columns: its time, its number.
pub(super) fn offset(row: &Row<'_>, first: usize) -> Result<Offset, Error> {
    Ok(Offset {
        ms: unsigned(row, first)?,
        n: unsigned(row, first + 1)?,
    })
}

/// The failure of a column whose value makes no sense.
pub(super) fn senseless(column: usize, r#type: Type, why: &'static str) -> Error {
    Error::FromSqlConversionFailure(column, r#type, why.into())
}

/// What is wrong with the row that `error` came from; `None` when the database itself failed.
pub(super) fn flaw(error: &Error) -> Option<String> {
    match error {
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..) => Some(error.to_string()),
        _ => None,
    }
}

/// The store's word for a failure of the database.
pub(super) fn failure(error: &Error) -> store::Error {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => store::Error::Full,
        _ => store::Error::Backend(error.to_string().into()),
    }
}
