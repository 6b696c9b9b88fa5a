//! The key beside an embedded store, for operators who set none.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::vault::Vault;
use crate::chance::Chance;
use crate::store::file::private;

/// The longest file that is read.
const FILE_BYTES_MAX: u64 = 4096;

/// Where the key of the store at `path` is.
pub fn key_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

/// Reads the key, and creates one that nobody but the owner may read where there is none; whether it was created.
/// Whoever calls has the store to itself.
///
/// # Errors
///
/// The file can be neither read nor created.
pub fn read_or_create(path: &Path, chance: &Chance) -> io::Result<(SecretString, bool)> {
    match File::open(path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
            Ok((text.trim().into(), false))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((create(path, chance)?, true)),
        Err(error) => Err(error),
    }
}

/// Half a key is never found under the name, whenever the machine stops.
fn create(path: &Path, chance: &Chance) -> io::Result<SecretString> {
    let key = Vault::draw_key(chance);
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let mut file = private().truncate(true).open(&unfinished)?;
    writeln!(file, "{}", key.expose_secret())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    Ok(key)
}
