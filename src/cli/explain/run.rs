//! What was asked, done.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use serde_json::Value;

use super::standing::{standing, who};
use super::story::story;
use crate::app;
use crate::chance::Chance;
use crate::cli::arguments::ExplainArgs;
use crate::cli::connect::{Service, failed};
use crate::cli::found::{Found, parts};
use crate::cli::run::print_block;
use crate::cli::serve::provide_key;
use crate::client::advice_on;
use crate::config::Config;
use crate::http::explanation;
use crate::registration::key_path;
use crate::store::Store;
use crate::terminal::{Advised, Style, Terminal};

/// Reads how many entries are wanted, by the words of the service.
pub(in crate::cli) fn entries(text: &str) -> Result<usize, String> {
    explanation::read_entries(text)
}

/// Asks the service, or the store where none runs.
pub(in crate::cli) async fn run(
    arguments: ExplainArgs,
    service: Service,
    config: Config,
    out: Terminal,
) -> anyhow::Result<ExitCode> {
    let chance = Chance::system();
    let explained = match Found::by(&service, &config, &chance).await? {
        Found::Service(connector) => {
            let path = ["sessions", &arguments.product, &arguments.session];
            let query = [("entries".to_owned(), arguments.entries.to_string())];
            connector.get(&path, &query).await.map_err(failed)?
        }
        Found::Store(store) => {
            let explained = by_store(&arguments, config, chance, Arc::clone(&store)).await;
            store.close().await;
            explained?
        }
    };
    print_block(&match arguments.json {
        true => format!("{explained}\n"),
        false => told(out, &explained, arguments.entries),
    });
    Ok(ExitCode::SUCCESS)
}

/// What the service would answer.
async fn by_store(
    arguments: &ExplainArgs,
    mut config: Config,
    chance: Chance,
    store: Arc<dyn Store>,
) -> anyhow::Result<Value> {
    // Looking makes no key: without one nothing can be registered.
    if key_path(&config.store.path).exists() {
        provide_key(&mut config, &chance)?;
    }
    let parts = parts(config, chance, store)?;
    let directory = app::directory(&parts)?;
    let product = directory.product(&arguments.product.trim().into()).await?;
    let product = product.ok_or_else(|| unknown("product_not_found", "product not found"))?;
    let policy = app::policy(&parts.config, Some(&product));
    let explained = explanation::explain(
        &*parts.store,
        parts.clock.now_ms(),
        &policy,
        &product.id,
        &arguments.session,
        arguments.entries,
    );
    let explained = explained.await?;
    explained.ok_or_else(|| unknown("session_not_found", explanation::UNKNOWN))
}

fn unknown(code: &str, text: &'static str) -> anyhow::Error {
    match advice_on(code) {
        Some(next) => Advised::new(anyhow!(text), next).into(),
        None => anyhow!(text),
    }
}

/// As a person sees it.
fn told(out: Terminal, explained: &Value, entries: usize) -> String {
    let heading = |text: &str| format!("\n{}\n", out.paint(Style::Strong, text));
    let mut lines = who(out, explained);
    lines += &heading("What happened");
    lines += &story(out, explained, entries);
    lines += &heading("Where it stands");
    lines += &standing(out, explained);
    lines
}
