//! The layers of a configuration: texts and variables, as values that know where they come from.

use std::collections::BTreeMap;

use config::{ConfigError, FileFormat, Format, Map, Source, Value, ValueKind};

use super::mistake::Mistakes;

/// Begins the name of every variable that sets one key.
pub(super) const VARIABLE_PREFIX: &str = "CONNECTOR__";

/// Begins the origin of every value that was set by a variable.
pub(super) const VARIABLE_ORIGIN: &str = "variable ";

/// Names the file, if `--config` does not.
pub(super) const FILE_VARIABLE: &str = "CONNECTOR_CONFIG";

/// Variables that operators of the original service know, and the keys they set.
const ALIASES: [(&str, &str, &str); 7] = [
    ("REDIS_URL", "redis", "url"),
    ("CONNECTOR_ADMIN_KEY", "admin", "key"),
    ("CONNECTOR_SECRETS_KEY", "secrets", "key"),
    ("PRODUCTS_CONFIG", "products", "inline"),
    ("MAX_RETRIES", "delivery", "retries_max"),
    ("CONTEXT_STORE_LOOKBACK_SECONDS", "proactive", "lookback_s"),
    (
        "PROACTIVE_MIN_INTERVAL_SECONDS",
        "proactive",
        "min_interval_s",
    ),
];

/// Sections of one place, ready to be laid over others. Holds nothing but tables, so that a layer
/// can replace keys but never a section.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer(Map<String, Value>);

impl Layer {
    /// Reads TOML. What cannot be a section becomes a mistake; a text that is not TOML at all gives
    /// an empty layer.
    pub(super) fn text(origin: &str, text: &str, mistakes: &mut Mistakes) -> Self {
        let origin = origin.to_owned();
        let top = match FileFormat::Toml.parse(Some(&origin), text) {
            Ok(top) => top,
            Err(error) => {
                mistakes.add("", origin, place_of(&error.to_string()));
                return Self::default();
            }
        };
        let mut sections = Map::new();
        // Sorted, so that the same file is always reported in the same words.
        for (name, value) in top.into_iter().collect::<BTreeMap<_, _>>() {
            if !matches!(value.kind, ValueKind::Table(_)) {
                mistakes.add(
                    name,
                    &origin,
                    "unknown key; every key belongs to a [section]",
                );
            } else if !is_plain(&name) {
                mistakes.add(name, &origin, "unknown section");
            } else {
                sections.insert(name, value);
            }
        }
        Self(sections)
    }

    /// Reads the variables that concern us. Long names win over aliases.
    pub(super) fn environment(env: &[(String, String)], mistakes: &mut Mistakes) -> Self {
        let mut layer = Self::default();
        for (variable, section, key) in ALIASES {
            for (name, value) in env.iter().filter(|(name, _)| name == variable) {
                layer.set(section, key, name, value);
            }
        }
        for (name, value) in env {
            let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else {
                continue;
            };
            match rest.to_lowercase().split_once("__") {
                Some((section, key)) if is_plain(section) && is_plain(key) => {
                    layer.set(section, key, name, value);
                }
                _ => mistakes.add(
                    rest.to_lowercase(),
                    format!("{VARIABLE_ORIGIN}{name}"),
                    "unknown key; variables are named CONNECTOR__SECTION__KEY",
                ),
            }
        }
        layer
    }

    fn set(&mut self, section: &str, key: &str, variable: &str, value: &str) {
        let origin = format!("{VARIABLE_ORIGIN}{variable}");
        let value = Value::new(Some(&origin), value);
        let section = self
            .0
            .entry(section.to_owned())
            .or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
        if let ValueKind::Table(keys) = &mut section.kind {
            keys.insert(key.to_owned(), value);
        }
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Variables that look like one of ours with a slip in it, as notices.
pub(super) fn near_misses(env: &[(String, String)]) -> Vec<String> {
    let ours = ALIASES.map(|(variable, _, _)| variable);
    let ours = || ours.into_iter().chain([FILE_VARIABLE]);
    env.iter()
        .filter(|(name, _)| !ours().any(|known| known == name))
        .filter_map(|(name, _)| {
            let near = ours().find(|known| super::reader::distance(known, name) <= 2)?;
            Some(format!(
                "variable {name} is not read by this service; did you mean {near}?"
            ))
        })
        .collect()
}

/// Whether a name is one that merging takes literally; dots and brackets would be read as a path.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The parser's first line, which names the line and column; the lines after it quote the text,
/// which may hold a secret. The last line says what was expected.
fn place_of(error: &str) -> String {
    let mut lines = error.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or("not TOML").to_owned();
    match lines.next_back() {
        Some(last) if !last.contains('|') => format!("{first}: {last}"),
        _ => first,
    }
}
