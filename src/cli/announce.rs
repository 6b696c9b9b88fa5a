//! What is said at the start: where it listens, what it stores to, which products it has, and what is
//! not safe yet. A few lines, however many products there are.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use secrecy::ExposeSecret;

use super::safety::{Finding, findings, names};
use crate::config::{Backend, Config};
use crate::product::{Catalogue, Product, Source};
use crate::store::redis::Address;
use crate::terminal::spoken_bytes;

/// Of more products than this each kind is counted instead.
const LINES_MAX: usize = 8;

/// Everything for the log, once the doors are open.
///
/// Whether there is a spool is known only once it has been opened.
pub(super) fn announce(
    config: &Config,
    products: &[Arc<Product>],
    address: SocketAddr,
    has_spool: bool,
) {
    let base = match config.http.public_url.as_str() {
        "" => format!("http://{address}"),
        url => url.to_owned(),
    };
    tracing::info!(
        %address,
        store = %store_name(config),
        products = products.len(),
        version = env!("CARGO_PKG_VERSION"),
        "listening on http://{address}"
    );
    if !config.http.public_url.is_empty() {
        tracing::info!("the outside reaches it at {base}");
    }
    tracing::info!("{}", storing(config, has_spool));
    tell_products(products);
    tracing::info!("activity goes to {base}/ingest/{{product_id}}");
    tracing::info!("feeds are at {base}/stream/{{product_id}}");
    for Finding { what, mend } in unsafe_yet(config, products) {
        tracing::warn!("not safe yet: {what}; {mend}");
    }
}

/// Where the store is, in a word.
pub(super) fn store_name(config: &Config) -> String {
    match config.store.backend {
        Backend::Sqlite => config.store.path.display().to_string(),
        Backend::Redis => "redis".to_owned(),
    }
}

/// What is wrong with rows, and what an operator should know of the others.
pub(super) fn remark(catalogue: &Catalogue) {
    for problem in catalogue.problems.iter().take(LINES_MAX) {
        let event = problem.event();
        if problem.is_partial {
            tracing::error!(event, "a product row is wrong in what to offer: {problem}");
        } else {
            tracing::error!(event, "a product row is wrong and left out: {problem}");
        }
    }
    if let Some(more) = catalogue
        .problems
        .len()
        .checked_sub(LINES_MAX)
        .filter(|more| *more > 0)
    {
        tracing::error!("and {more} more mistakes in rows; event-connector check names them all");
    }
    for notice in notices(catalogue) {
        tracing::warn!("{notice}");
    }
}

/// What an operator should know of rows, each sentence once.
pub(super) fn notices(catalogue: &Catalogue) -> Vec<String> {
    let mut notices: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (product, notice) in catalogue.notices() {
        notices.entry(notice).or_default().push(product.as_str());
    }
    let notices = notices.into_iter();
    notices
        .map(|(notice, ids)| format!("{notice} ({})", names(&ids)))
        .collect()
}

/// What is not safe yet, the file with the products included.
pub(super) fn unsafe_yet(config: &Config, products: &[Arc<Product>]) -> Vec<Finding> {
    let source = Source::new(&config.products.path, &config.products.inline);
    let list_is_open = source.may_change() && can_be_read_by_all(&config.products.path);
    findings(config, products, list_is_open)
}

/// One line for each product and where its activity goes; if they are many, for each destination,
/// and the products at debug level.
fn tell_products(products: &[Arc<Product>]) {
    let is_few = products.len() <= LINES_MAX;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for product in products {
        let (id, destination) = (product.id.as_str(), destination(product));
        if is_few {
            tracing::info!(product_id = id, "product {id} → {destination}");
        } else {
            tracing::debug!(product_id = id, "product {id} → {destination}");
        }
        *counts.entry(destination).or_default() += 1;
    }
    for (destination, count) in counts.into_iter().filter(|_| !is_few) {
        tracing::info!("{count} products → {destination}");
    }
}

/// Where a product's activity goes.
pub(super) fn destination(product: &Product) -> String {
    let notes = product.chatbot();
    let notes = notes.map(|chatbot| format!("notes {}", chatbot.place()));
    let push = product.push.as_ref();
    let push = push.map(|push| format!("pushes to {}", push.url));
    let own: Vec<String> = [notes, push].into_iter().flatten().collect();
    if own.is_empty() {
        return "the feed".to_owned();
    }
    format!("{}, and the feed", own.join(", "))
}

fn storing(config: &Config, has_spool: bool) -> String {
    if config.store.backend == Backend::Redis {
        let own = &config.redis;
        let address = Address::parse(own.url.expose_secret());
        let hosts = address.map_or_else(|_| "?".to_owned(), |address| address.hosts());
        return format!(
            "storing in Redis at {hosts} under {} ({} buckets); each 2xx is what Redis has taken, as durable as it \
             is told to be{}",
            own.key_prefix,
            own.buckets,
            spooling(config, has_spool)
        );
    }
    let path = &config.store.path;
    let wal = format!("{}-wal", path.display());
    let sizes =
        [path.as_path(), Path::new(&wal)].map(|path| fs::metadata(path).map_or(0, |own| own.len()));
    let size = spoken_bytes(sizes.iter().sum());
    let bound = match config.store.bytes_max {
        0 => "no limit".to_owned(),
        max => format!("at most {}", spoken_bytes(max)),
    };
    format!(
        "storing in {} ({size}, {bound}); each 2xx is on disk before it is sent",
        path.display()
    )
}

fn spooling(config: &Config, has_spool: bool) -> String {
    let own = &config.spool;
    if !has_spool {
        return "; there is no spool for activity while it is away".to_owned();
    }
    let (path, most) = (own.path.display(), spoken_bytes(own.bytes_max));
    format!("; while it is away, activity is kept in {path} (at most {most})")
}

fn can_be_read_by_all(path: &Path) -> bool {
    let mode = fs::metadata(path).map(|own| own.permissions().mode());
    mode.is_ok_and(|mode| mode & READ_BY_OTHERS != 0)
}

/// The permission bit "others may read".
const READ_BY_OTHERS: u32 = 0o004;
