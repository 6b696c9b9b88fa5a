//! Other schemas for a database that nobody serves.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::backup::copy;
use super::{UpkeepError, beside, directory, sync_directory, take_lock};
use crate::store::sqlite::open::connect_writer;
use crate::store::sqlite::options::Options;
use crate::store::sqlite::schema::{self, Plan};

/// Where a database of version `from` is kept before its schema is changed.
pub fn copy_path(path: &Path, from: u32) -> PathBuf {
    beside(path, &format!(".v{from}.bak"))
}

/// What `migrate` would do to the database. Reads only, so it may be asked while the database is in
/// use.
///
/// # Errors
///
/// There is no database, it is newer than this program, or no way leads to `to`.
pub fn plan(options: &Options, to: Option<u32>) -> Result<Plan, UpkeepError> {
    let path = options.path.as_path();
    let db = existing(options)?;
    schema::plan(&db, options.steps, to).map_err(UpkeepError::schema(path))
}

/// Brings the database to version `to`, or to the newest that this program knows; says what was
/// done. It is copied aside first, as before an automatic upgrade.
///
/// # Errors
///
/// As [`plan`]; and the database is in use, or a step failed: then the steps before it stand.
pub fn migrate(options: &Options, to: Option<u32>) -> Result<Plan, UpkeepError> {
    let path = options.path.as_path();
    if !path.exists() {
        return Err(UpkeepError::Missing(path.to_owned()));
    }
    let _lock = take_lock(path)?;
    let mut db = existing(options)?;
    let plan = schema::plan(&db, options.steps, to).map_err(UpkeepError::schema(path))?;
    change(&mut db, options, &plan)?;
    Ok(plan)
}

/// Brings a database that is about to be served to the newest version.
pub(in crate::store::sqlite) fn upgrade(
    db: &mut Connection,
    options: &Options,
) -> Result<Plan, UpkeepError> {
    let path = options.path.as_path();
    let plan = schema::plan(db, options.steps, None).map_err(UpkeepError::schema(path))?;
    change(db, options, &plan)?;
    Ok(plan)
}

fn change(db: &mut Connection, options: &Options, plan: &Plan) -> Result<(), UpkeepError> {
    let path = options.path.as_path();
    // A new file holds nothing to be kept.
    if plan.from > 0 && plan.from != plan.to && options.backup_before_upgrade {
        let kept = copy_path(path, plan.from);
        copy(db, &kept, true)?;
        forget_older(path, &kept)?;
    }
    schema::carry_out(db, options.steps, plan).map_err(UpkeepError::schema(path))
}

/// Removes the copies of earlier upgrades: the newest one is enough, and each is as large as all.
fn forget_older(path: &Path, newest: &Path) -> Result<(), UpkeepError> {
    let folder = directory(path);
    let entries = fs::read_dir(folder).map_err(UpkeepError::file(folder))?;
    for entry in entries.flatten() {
        let other = folder.join(entry.file_name());
        if is_copy(&other, path) && other.file_name() != newest.file_name() {
            fs::remove_file(&other).map_err(UpkeepError::file(&other))?;
        }
    }
    sync_directory(path)
}

/// Whether `other` is called `<path>.v<number>.bak`.
fn is_copy(other: &Path, path: &Path) -> bool {
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let (Some(other), Some(own)) = (name(other), name(path)) else {
        return false;
    };
    other
        .strip_prefix(&own)
        .and_then(|rest| rest.strip_prefix(".v"))
        .and_then(|rest| rest.strip_suffix(".bak"))
        .is_some_and(|number| number.parse::<u32>().is_ok())
}

fn existing(options: &Options) -> Result<Connection, UpkeepError> {
    let path: &PathBuf = &options.path;
    if !path.exists() {
        return Err(UpkeepError::Missing(path.clone()));
    }
    let db = connect_writer(options).map_err(UpkeepError::database(path))?;
    if schema::version(&db).map_err(UpkeepError::database(path))? == 0 {
        return Err(UpkeepError::NoStore(path.clone()));
    }
    Ok(db)
}
