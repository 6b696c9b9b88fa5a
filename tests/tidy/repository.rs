//! What may be in the repository: dependencies, entries at the top, words, migrations.

use crate::expect_none;
use crate::source::{begins_word, collect, is_word, read, root, sources};

/// The crates that the user's card names.
const CARD: [&str; 10] = [
    "axum",
    "config",
    "prometheus",
    "redis",
    "reqwest",
    "serde",
    "serde_json",
    "tokio",
    "tower-http",
    "tracing-subscriber",
];

/// What may lie visibly at the top; dotfiles and what git ignores may as well.
const TOP: [&str; 11] = [
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "benches",
    "config",
    "docker-compose.yml",
    "migrations",
    "src",
    "tests",
];

/// The dependencies of one table of the manifest: line, name, and whether a sentence explains it.
fn dependencies(table: &str) -> Vec<(usize, String, bool)> {
    let mut is_inside = false;
    let mut is_explained = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(read("Cargo.toml").lines()) {
        if let Some(heading) = line.strip_prefix('[') {
            is_inside = heading.trim_end_matches(']') == table;
        } else if let Some(comment) = line.strip_prefix('#') {
            is_explained = !comment.trim().starts_with("---");
        } else if let (true, Some((name, value))) = (is_inside, line.split_once('=')) {
            let name = name.trim().to_owned();
            found.push((number, name, is_explained || value.contains(" # ")));
            is_explained = false;
        }
    }
    found
}

#[test]
fn every_dependency_is_explained_and_used_and_the_card_is_complete() {
    let own = dependencies("dependencies");
    let mut findings = Vec::new();
    for (line, name, is_explained) in own.iter().chain(&dependencies("dev-dependencies")) {
        if !is_explained {
            findings.push(format!(
                "Cargo.toml:{line}: {name} owes a sentence: what it is for"
            ));
        }
    }
    let files = sources(&["src"]);
    for (line, name, _) in &own {
        let path = format!("{}::", name.replace('-', "_"));
        if !files.iter().any(|source| uses(&source.code, &path)) {
            findings.push(format!(
                "Cargo.toml:{line}: {name} is used nowhere in src; remove it"
            ));
        }
    }
    for name in CARD {
        if !own.iter().any(|(_, own, _)| own == name) {
            findings.push(format!("Cargo.toml: {name} is on the card and missing"));
        }
    }
    expect_none("dependencies", &findings);
}

/// Whether code begins a path with a crate's name. Our own module of the same name is reached
/// through `crate::` or `super::`, which does not count.
fn uses(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let before = &code[..at];
        let is_inner = before.ends_with("::") && !before.ends_with(" ::");
        begins_word(code, at) && !is_inner
    })
}

#[test]
fn only_known_entries_lie_at_the_top() {
    let ignored = read(".gitignore");
    let is_ignored = |name: &str| {
        ignored.lines().any(|line| match line.strip_prefix('*') {
            Some(ending) => name.ends_with(ending),
            None => line.trim_matches('/') == name,
        })
    };
    let entries = std::fs::read_dir(root()).expect("the repository can be listed");
    let findings: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()) && !is_ignored(name))
        .map(|name| format!("{name}: does not belong at the top; find it a room below"))
        .collect();
    expect_none("top of the repository", &findings);
}

/// Words that must not stay, and what to do instead. Put together here, so as not to find themselves.
const BANNED: [(&str, &str); 8] = [
    (concat!("TO", "DO"), "do it, or open an issue"),
    (concat!("FIX", "ME"), "fix it, or open an issue"),
    (concat!("XX", "X"), "say what is meant"),
    (concat!("#[ig", "nore"), "make the test run, or remove it"),
    (
        concat!("#[al", "low("),
        "use #[expect(.., reason = \"..\")], which expires",
    ),
    (concat!("/ro", "ot/"), "no paths of one machine"),
    (concat!("/ho", "me/"), "no paths of one machine"),
    (concat!("/wo", "rk/"), "no paths of one machine"),
];

#[test]
fn nothing_unfinished_or_private_is_left() {
    let mut paths = Vec::new();
    for folder in ["src", "config", "migrations", "benches", ".ci"] {
        collect(&root().join(folder), &mut paths);
    }
    let files = [
        "README.md",
        "Cargo.toml",
        "Dockerfile",
        "docker-compose.yml",
        "tests/run",
    ];
    paths.extend(files.map(|file| root().join(file)));
    paths.extend(
        sources(&["tests"])
            .into_iter()
            .map(|source| root().join(source.path)),
    );
    let mut findings = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let shown = path.strip_prefix(root()).unwrap_or(&path).display();
        for (number, line) in (1..).zip(text.lines()) {
            for (word, instead) in BANNED.iter().filter(|(word, _)| stands_in(line, word)) {
                findings.push(format!("{shown}:{number}: \"{word}\": {instead}"));
            }
        }
    }
    expect_none("leftovers", &findings);
}

/// Whether a word, or a path, begins and ends in the line as one of its own.
fn stands_in(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let ends_word = word.ends_with(is_word) && line[at + word.len()..].starts_with(is_word);
        begins_word(line, at) && !ends_word
    })
}

/// The migrations in one folder: number and name, in order.
fn migrations(folder: &str) -> Vec<(usize, String)> {
    let entries = std::fs::read_dir(root().join(folder)).into_iter().flatten();
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let mut found: Vec<(usize, String)> = files
        .map(|entry| {
            let file = entry.file_name().to_string_lossy().into_owned();
            let parts = file
                .strip_prefix('V')
                .and_then(|rest| rest.split_once("__"));
            let number = parts.and_then(|(number, _)| number.parse().ok());
            (number.unwrap_or(0), file)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn migrations_are_numbered_without_gaps_and_every_one_but_the_first_leads_back() {
    let ups = migrations("migrations/sqlite");
    assert!(!ups.is_empty(), "migrations/sqlite holds no V1__name.sql");
    let mut findings: Vec<String> = (1..)
        .zip(&ups)
        .filter(|(expected, (number, _))| expected != number)
        .map(|(expected, (_, file))| {
            format!("migrations/sqlite/{file}: expected V{expected}__name.sql here")
        })
        .collect();
    let downs = migrations("migrations/sqlite/down");
    let (first, later) = ups.split_at(1);
    for (_, file) in later.iter().filter(|up| !downs.contains(up)) {
        findings.push(format!(
            "migrations/sqlite/down/{file} is missing: the way back"
        ));
    }
    for (_, file) in downs.iter().filter(|down| !later.contains(down)) {
        findings.push(format!("migrations/sqlite/down/{file} takes nothing back"));
    }
    let list = read("src/store/sqlite/schema.rs");
    for (_, file) in first.iter().chain(later) {
        if !list.contains(&format!("migrations/sqlite/{file}\"")) {
            findings.push(format!("migrations/sqlite/{file} is not in STEPS"));
        }
    }
    expect_none("migrations", &findings);
}
