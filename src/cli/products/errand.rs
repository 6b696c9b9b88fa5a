//! What was typed as something to be done: files read, and a person asked where nothing can be undone.

use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use serde_json::{Map, Value, json};

use super::arguments::{AddArgs, KeysArgs, KeysCommand, ProductsArgs, ProductsCommand};
use crate::cli::run::Mistyped;

/// The most of a file that is read: more than a service takes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What is to be done. It may hold secrets, so it is never printed.
pub(super) enum Errand {
    Register(Value),
    List,
    Show(String),
    Change(String, Value),
    Rotate(String, Value),
    Invite(Value),
    Remove(String),
    CreateKey(String, Value),
    ListKeys(String),
    RevokeKey(String, String),
}

/// Something to be done, and how it is told.
pub(in crate::cli) struct Task {
    pub(super) errand: Errand,
    /// Whether the answer is for a program.
    pub(super) is_json: bool,
}

/// What is asked of products. Waits for a person where one is asked, and for standard input where it is read.
pub(in crate::cli) fn of_products(arguments: ProductsArgs) -> anyhow::Result<Task> {
    let (errand, plain) = match arguments.command {
        ProductsCommand::Add(add) => (Errand::Register(application(&add)?), add.plain),
        ProductsCommand::List(plain) => (Errand::List, plain),
        ProductsCommand::Show(one) => (Errand::Show(one.id), one.plain),
        ProductsCommand::Change(change) => {
            let patch = read_json(&change.patch)?;
            (Errand::Change(change.id, patch), change.plain)
        }
        ProductsCommand::Rotate(rotate) => {
            let only = Some(rotate.only).filter(|only| !only.is_empty());
            let body = body([
                ("what", only.map(Value::from)),
                ("overlap_s", rotate.overlap.map(Value::from)),
            ]);
            (Errand::Rotate(rotate.id, body), rotate.plain)
        }
        ProductsCommand::Invite(invite) => {
            let body = body([("expires_in_s", invite.expires.map(Value::from))]);
            (Errand::Invite(body), invite.plain)
        }
        ProductsCommand::Remove(remove) => {
            if !remove.yes {
                confirm(&remove.id)?;
            }
            (Errand::Remove(remove.id), remove.plain)
        }
    };
    let is_json = plain.json;
    Ok(Task { errand, is_json })
}

/// What is asked of keys.
pub(in crate::cli) fn of_keys(arguments: KeysArgs) -> anyhow::Result<Task> {
    let (errand, plain) = match arguments.command {
        KeysCommand::Create(create) => {
            let body = body([
                ("scope", Some(create.scope.into())),
                ("name", create.name.map(Value::from)),
                ("expires_in_s", create.expires.map(Value::from)),
            ]);
            (
                Errand::CreateKey(create.product.id, body),
                create.product.plain,
            )
        }
        KeysCommand::List(product) => (Errand::ListKeys(product.id), product.plain),
        KeysCommand::Revoke(revoke) => (Errand::RevokeKey(revoke.id, revoke.key_id), revoke.plain),
    };
    let is_json = plain.json;
    Ok(Task { errand, is_json })
}

/// A registration, in the form in which whoever registers names the product, or in the form of a vendor's project.
fn application(add: &AddArgs) -> anyhow::Result<Value> {
    let files = [
        &add.integration_config,
        &add.secret_file,
        &add.owner_token_file,
    ];
    let from_stdin = files.into_iter().flatten().filter(|path| is_stdin(path));
    if from_stdin.count() > 1 {
        bail!(Mistyped::new(
            anyhow!("standard input can be read once, and `-` is given more often"),
            Some("name a file instead".to_owned())
        ));
    }
    let secret = |path: &Option<PathBuf>| path.as_deref().map(read_secret).transpose();
    let config = add.integration_config.as_deref();
    let text = |text: &Option<String>| text.clone().map(Value::from);
    Ok(body([
        ("product_id", text(&add.product)),
        ("provider", text(&add.provider)),
        ("provider_project_id", text(&add.project)),
        ("contact_email", Some(add.email.clone().into())),
        ("name", text(&add.name)),
        ("integration_type", text(&add.kind)),
        ("integration_config", config.map(read_json).transpose()?),
        ("ingest_secret", secret(&add.secret_file)?),
        ("owner_token", secret(&add.owner_token_file)?),
        ("force_reregister", add.force.then(|| json!(true))),
    ]))
}

/// The members that are there.
fn body<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter();
    let there = members.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn read(path: &Path) -> anyhow::Result<String> {
    let unreadable = |error: io::Error| {
        let error = anyhow!("cannot read {}: {error}", path.display());
        Mistyped::new(error, None)
    };
    let mut text = String::new();
    let source: Box<dyn Read> = if is_stdin(path) {
        Box::new(io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(unreadable)?)
    };
    let read = source.take(FILE_BYTES_MAX).read_to_string(&mut text);
    read.map_err(unreadable)?;
    Ok(text)
}

/// A secret is a line by itself; editors end lines.
fn read_secret(path: &Path) -> anyhow::Result<Value> {
    let text = read(path)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        let error = anyhow!("{} is empty, and should hold a secret", path.display());
        bail!(Mistyped::new(error, None));
    }
    Ok(secret.into())
}

fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text = read(path)?;
    Ok(serde_json::from_str(&text).map_err(|error| {
        // Where it goes wrong, and nothing of what stands there.
        let (line, column) = (error.line(), error.column());
        let path = path.display();
        let error = anyhow!("{path} is no JSON: see line {line}, column {column}");
        Mistyped::new(error, None)
    })?)
}

/// Asks a person whether a product is to go. Where nobody can answer nothing is removed.
fn confirm(id: &str) -> anyhow::Result<()> {
    let mut asked = io::stderr();
    if !io::stdin().is_terminal() || !asked.is_terminal() {
        bail!(Mistyped::new(
            anyhow!("nobody is here to confirm that {id} is to be removed"),
            Some("the same with --yes".to_owned())
        ));
    }
    let question = format!(
        "Remove {id}? What it sends is refused and its streams end at once; after registration.purge_after_s \
         everything stored of it goes. [y/N] "
    );
    // In one piece: what somebody types meanwhile is shown before or behind it.
    let _ = asked.write_all(question.as_bytes());
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("nothing was removed");
    }
    Ok(())
}
