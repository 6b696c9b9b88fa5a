//! Rust sources as the rules see them: code without comments and literals, its functions, and the
//! rooms of the house that it enters.

use std::path::{Path, PathBuf};

/// A text file of the repository.
pub(crate) struct Source {
    /// Relative to the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// The text with comments and the inside of literals blanked, line by line the same.
    pub(crate) code: String,
}

/// A function with a body.
pub(crate) struct Function {
    pub(crate) line: usize,
    pub(crate) lines: usize,
    pub(crate) name: String,
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository; empty when it is absent, so that the rule that needs it says so.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// All Rust sources below the given folders, in order of their paths.
pub(crate) fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut paths);
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    paths.sort();
    let source = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let relative = path.strip_prefix(root()).unwrap_or(&path);
        Source {
            path: relative.to_owned(),
            code: mask(&text),
            text,
        }
    };
    paths.into_iter().map(source).collect()
}

/// All files below a folder, except what a build left there.
pub(crate) fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, paths);
        } else if path.is_file() {
            paths.push(path);
        }
    }
}

impl Source {
    /// `path:line`, for people and editors.
    pub(crate) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    /// The names of the modules from the crate's root to this file; empty for the root itself.
    pub(crate) fn module(&self) -> Vec<String> {
        let inside = self.path.strip_prefix("src").unwrap_or(&self.path);
        let mut names: Vec<String> = inside
            .with_extension("")
            .iter()
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.pop_if(|last| last == "mod" || last == "lib");
        names
    }

    /// The rooms of the crate that this file names, each with its line: through `crate::`, through
    /// the crate's own name, or by climbing to the root with `super::`.
    pub(crate) fn rooms(&self) -> Vec<(usize, String)> {
        let climb = "super::".repeat(self.module().len());
        let mut rooms = Vec::new();
        for prefix in ["crate::", "event_connector::", climb.as_str()] {
            if prefix.is_empty() {
                continue;
            }
            for (start, _) in self.code.match_indices(prefix) {
                if !begins_word(&self.code, start) || self.code[..start].ends_with("::") {
                    continue;
                }
                let line = line_of(&self.code, start);
                let rest = &self.code[start + prefix.len()..];
                rooms.extend(first_names(rest).into_iter().map(|name| (line, name)));
            }
        }
        rooms.retain(|(_, room)| room != "super");
        rooms
    }

    /// The functions with a body, nested ones included.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let starts = self.code.match_indices("fn ");
        starts
            .filter(|(start, _)| begins_word(&self.code, *start))
            .filter_map(|(start, _)| {
                let rest = &self.code[start..];
                let name: String = rest[3..].chars().take_while(|c| is_word(*c)).collect();
                let length = end_of_body(rest)?;
                Some(Function {
                    line: line_of(&self.code, start),
                    lines: rest[..length].lines().count(),
                    name,
                })
            })
            .collect()
    }
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(crate) fn begins_word(code: &str, at: usize) -> bool {
    !code[..at].ends_with(is_word)
}

pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The first names after a path's beginning: one, or those of a `{…}` group.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| is_word(*c)).collect::<String>();
    let Some(group) = rest.strip_prefix('{') else {
        return vec![name(rest)];
    };
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut expects_name = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expects_name = true,
            c if expects_name && is_word(c) => {
                names.push(name(&group[at..]));
                expects_name = false;
            }
            _ => {}
        }
    }
    names
}

/// Where a function that starts at 0 ends; `None` when it has no body.
fn end_of_body(code: &str) -> Option<usize> {
    let mut brackets = 0_i32;
    let mut braces = 0_i32;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => braces -= 1,
            _ => {}
        }
        if c == '}' && braces <= 0 {
            return (braces == 0).then_some(at + 1);
        }
    }
    None
}

/// Blanks comments and the inside of literals, so that only code is searched.
pub(crate) fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| literal(rest, &masked));
        let taken = skipped.unwrap_or(first.len_utf8());
        let (piece, later) = rest.split_at(taken);
        if skipped.is_some() {
            let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
            masked.extend(piece.chars().map(blank));
        } else {
            masked.push(first);
        }
        rest = later;
    }
    masked
}

/// The length of the comment that `rest` begins with.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(at)
}

/// The length of the string or character literal that `rest` begins with.
fn literal(rest: &str, before: &str) -> Option<usize> {
    if rest.starts_with('"') {
        return Some(quoted(rest, '"'));
    }
    if let Some(after) = rest.strip_prefix('\'') {
        let mut inside = after.chars();
        let is_character = match inside.next()? {
            '\\' => true,
            _ => inside.next() == Some('\''),
        };
        return is_character.then(|| quoted(rest, '\''));
    }
    let raw = rest.strip_prefix('r')?;
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    let is_prefixed = before.ends_with(['b', 'c']) || !before.ends_with(is_word);
    if !is_prefixed || !raw[hashes..].starts_with('"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let opening = 1 + hashes + 1;
    let length = rest[opening..].find(&close);
    Some(length.map_or(rest.len(), |length| opening + length + close.len()))
}

/// The length of a literal between two `quote`s, escapes skipped.
fn quoted(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}
