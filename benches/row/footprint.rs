//! Memory of Redis for each session that is known and rests: all that is kept of it but its entries in the log,
//! which have limits of their own.

use anyhow::ensure;

use super::fleet::{Server, info};
use super::service::{Product, Service, free_address};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::drive;
use crate::load::request::Requests;
use crate::process::say;
use crate::sample::float;

/// Sessions that are counted, each of a user of its own.
const SESSIONS: u64 = 10_000;

/// Sessions before them, so that what is made once is there.
const FIRST: u64 = 1_000;

/// Clicks in each session.
const REQUESTS: u64 = 3;

pub(crate) async fn run(_: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let redis = Server::start("everysec").await?;
    // The second keeps its actions for a note that never comes.
    let list = [
        Product::feed("read"),
        Product::notes("noted", free_address()?),
    ];
    let service = redis.instance(&list).await?;
    let mut sizes = Vec::new();
    for product in ["read", "noted"] {
        load(&service, product, "first", FIRST).await?;
        let before = Memory::now(&redis)?;
        load(&service, product, "more", SESSIONS).await?;
        let after = Memory::now(&redis)?;
        let session_bytes = (after.state_bytes() - before.state_bytes()) / float(SESSIONS);
        let entry_bytes = (after.log_bytes - before.log_bytes) / float(SESSIONS * REQUESTS);
        say(&format!(
            "  {product:<6} {session_bytes:>6.0} bytes for each session, {entry_bytes:>6.0} for each entry of the log"
        ));
        sizes.push((session_bytes, entry_bytes));
    }
    let figure = |name: &str, (session_bytes, entry_bytes): (f64, f64)| Figure {
        name: format!("memory of Redis per idle session{name}"),
        detail: format!(
            "{SESSIONS} more after {REQUESTS} clicks each; {:.2} KB for each entry of the log",
            entry_bytes / 1024.0
        ),
        value: session_bytes / 1024.0,
        unit: " KB",
        floor: 2.0,
        aim: 1.5,
    };
    let names = ["", ", actions waiting for a note"];
    Ok(names
        .into_iter()
        .zip(sizes)
        .map(|(name, size)| figure(name, size))
        .collect())
}

async fn load(service: &Service, product: &str, prefix: &str, sessions: u64) -> anyhow::Result<()> {
    let mut requests = Requests::new(product, &format!("{product}-{prefix}"), sessions);
    let count = sessions * REQUESTS;
    let sent = drive::exactly(&service.process, &mut requests, 64, count).await?;
    ensure!(sent.accepted == count, "only {} were taken", sent.accepted);
    Ok(())
}

/// What Redis holds.
struct Memory {
    used_bytes: f64,
    log_bytes: f64,
}

impl Memory {
    fn now(redis: &Server) -> anyhow::Result<Self> {
        let mut connection = redis.connect()?;
        let mut used_bytes = info(&mut connection, "memory", "used_memory:")?;
        // What is on its way is no session's: connections keep room for the largest group of commits of late.
        for passing in ["mem_clients_normal:", "mem_aof_buffer:"] {
            used_bytes -= info(&mut connection, "memory", passing)?;
        }
        let mut scan = redis::cmd("SCAN");
        scan.cursor_arg(0)
            .arg("COUNT")
            .arg(1_000)
            .arg("TYPE")
            .arg("stream");
        let logs: Vec<String> = scan.iter(&mut connection)?.collect::<Result<_, _>>()?;
        let mut log_bytes = 0.0;
        for log in logs {
            let mut usage = redis::cmd("MEMORY");
            usage.arg("USAGE").arg(log).arg("SAMPLES").arg(0);
            log_bytes += usage.query::<f64>(&mut connection)?;
        }
        Ok(Self {
            used_bytes,
            log_bytes,
        })
    }

    /// All but the log.
    fn state_bytes(&self) -> f64 {
        self.used_bytes - self.log_bytes
    }
}
