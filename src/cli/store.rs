//! `backup`, `restore` and `migrate`: the store as a file.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::oneshot;

use super::run::print;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{Backend, Config};
use crate::store::redis;
use crate::store::sqlite::upkeep::{self, Inventory, UpkeepError};
use crate::store::sqlite::{Options, Plan};
use crate::tasks::Tasks;

/// How often a terminal is told how far a backup has come.
const GLANCE: Duration = Duration::from_millis(500);

/// How the configured store is opened.
pub(super) fn options(config: &Config) -> Options {
    let own = &config.store;
    Options {
        path: own.path.clone(),
        queue_max: own.queue_max,
        group_max: own.group_max,
        bytes_max: (own.bytes_max > 0).then_some(own.bytes_max),
        readers: own.readers,
        checkpoint_pages: own.checkpoint_pages,
        backup_before_upgrade: own.backup_before_upgrade,
        ..Options::default()
    }
}

/// How the configured Redis is reached, by an instance that is told apart from all others.
///
/// # Errors
///
/// The certificates cannot be read.
pub(super) fn redis_options(config: &Config, chance: &Chance) -> anyhow::Result<redis::Options> {
    let own = &config.redis;
    let path = &own.ca_path;
    let root_certificates = if path.as_os_str().is_empty() {
        None
    } else {
        let read = std::fs::read(path);
        Some(read.with_context(|| format!("cannot read redis.ca_path {}", path.display()))?)
    };
    let instance = u64::from_be_bytes(chance.bytes());
    Ok(redis::Options {
        root_certificates,
        cluster: own.cluster,
        key_prefix: own.key_prefix.clone(),
        buckets: own.buckets,
        connections: own.connections,
        group_max: config.store.group_max,
        wait_replicas: own.wait_replicas,
        timeout: Duration::from_millis(own.timeout_ms),
        instance: format!("{instance:016x}"),
        ..redis::Options::new(own.url.clone())
    })
}

/// Refuses what concerns a file while the store is none.
fn require_file(config: &Config) -> anyhow::Result<()> {
    if config.store.backend == Backend::Redis {
        anyhow::bail!(
            "store.backend is redis, and this is about the SQLite file: use what Redis offers for its own data"
        );
    }
    Ok(())
}

/// Copies the store and says what is in the copy.
pub(super) async fn backup(config: Config, to: PathBuf, force: bool) -> anyhow::Result<ExitCode> {
    require_file(&config)?;
    let clock = Clock::system();
    let began = clock.monotonic();
    let from = config.store.path;
    let partial = upkeep::partial_path(&to);
    let target = to.clone();
    let source = from.clone();
    let work = blocking("backup", move || upkeep::backup(&source, &target, force));
    let inventory = watched(&clock, &from, &partial, work).await?;
    let took = clock.since(began).as_secs_f64();
    print(&format!("backed up {} to {}", from.display(), to.display()));
    print(&format!(
        "{} bytes in {took:.1} s, every page checked",
        inventory.bytes
    ));
    describe(&inventory);
    Ok(ExitCode::SUCCESS)
}

/// Puts a backup in the place of the store and says what became of everything.
pub(super) async fn restore(config: Config, from: PathBuf) -> anyhow::Result<ExitCode> {
    require_file(&config)?;
    let options = options(&config);
    let now_ms = Clock::system().now_ms();
    let (path, source) = (options.path.clone(), from.clone());
    let work = blocking("restore", move || {
        upkeep::restore(&options, &source, now_ms)
    });
    let restored = work.await?;
    print(&format!(
        "restored {} from {}",
        path.display(),
        from.display()
    ));
    describe(&restored.inventory);
    if let Some(replaced) = restored.replaced {
        let replaced = replaced.display();
        print(&format!(
            "what was there before is kept as {replaced}; remove it once all is well"
        ));
    }
    if restored.unsettled > 0 {
        let count = restored.unsettled;
        print(&format!(
            "{count} deliveries were unfinished; each is looked for in its conversation before it is \
             sent again"
        ));
    }
    if restored.upgrades {
        print("its schema is older than this program's; the next start upgrades it");
    }
    Ok(ExitCode::SUCCESS)
}

/// Changes the schema, or says how it would.
pub(super) async fn migrate(
    config: Config,
    to: Option<u32>,
    dry_run: bool,
) -> anyhow::Result<ExitCode> {
    require_file(&config)?;
    let options = options(&config);
    let path = options.path.clone();
    let keeps_copy = options.backup_before_upgrade && !dry_run;
    let plan = blocking("migrate", move || match dry_run {
        true => upkeep::plan(&options, to),
        false => upkeep::migrate(&options, to),
    });
    let Plan { from, to, steps } = plan.await?;
    let copy = upkeep::copy_path(&path, from);
    let path = path.display();
    if steps.is_empty() {
        print(&format!("{path} has schema {to} already"));
        return Ok(ExitCode::SUCCESS);
    }
    let (would, way) = match (dry_run, to > from) {
        (true, true) => ("would be brought", "up"),
        (true, false) => ("would be brought", "down"),
        (false, true) => ("was brought", "up"),
        (false, false) => ("was brought", "down"),
    };
    print(&format!("{path} {would} from schema {from} to {to}:"));
    for step in steps {
        print(&format!("  {way} {step}"));
    }
    if keeps_copy {
        print(&format!("the file as it was is kept as {}", copy.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(inventory: &Inventory) {
    let Inventory {
        schema,
        states,
        entries,
        deliveries,
        heads,
        ..
    } = inventory;
    print(&format!(
        "schema {schema}, {states} sessions, {entries} log entries, {deliveries} deliveries"
    ));
    for (product, head) in heads {
        print(&format!("  {product}: up to offset {head}"));
    }
}

/// Waits for a backup and tells a terminal how far it has come.
async fn watched(
    clock: &Clock,
    from: &Path,
    partial: &Path,
    work: impl Future<Output = anyhow::Result<Inventory>>,
) -> anyhow::Result<Inventory> {
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let is_seen = std::io::stderr().is_terminal();
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                if is_seen {
                    tell("\r\x1b[K");
                }
                return done;
            }
            () = clock.sleep(GLANCE) => if is_seen {
                // The copy holds no free pages, so it may end before it has reached the whole.
                let (done, whole) = (bytes(partial) >> 20, bytes(from) >> 20);
                tell(&format!("\r\x1b[K{done} of at most {whole} MiB"));
            },
        }
    }
}

/// Progress, for eyes only.
fn tell(text: &str) {
    let mut stderr = std::io::stderr();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

/// Runs what waits for the disk on a thread of its own.
async fn blocking<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, UpkeepError> + Send + 'static,
) -> anyhow::Result<T> {
    let (reply, answer) = oneshot::channel();
    Tasks::thread(
        name,
        Box::new(move || {
            // Whoever asked waits.
            let _ = reply.send(work());
        }),
    );
    Ok(answer.await.context("it ended without a result")??)
}
