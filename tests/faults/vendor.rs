//! The vendor, and the way to it, misbehave: notes arrive exactly once after the fault ends, and
//! ingest does not notice.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use event_connector::demo::intercom::{Call, Fault, Intercom, Twist};
use event_connector::tasks::Tasks;

use super::chaos::{Chaos, End, Way, Weather};
use super::disk::{accepted, survives};
use super::look::{send_webhook, told, until};
use super::server::Build;
use super::stage::{Stage, vendor};

/// The session whose actions become notes, and its conversation.
const SESSION: &str = "s0";
const CONVERSATION: &str = "c-s0";

/// How many actions happen while the vendor misbehaves.
const ACTIONS: usize = 5;

/// The most of an answer that the service may read.
const ANSWER_BYTES_MAX: u64 = 65_536;

/// A linked session whose first note has arrived through the proxy.
struct Scene {
    stage: Stage,
    intercom: Intercom,
    chaos: Chaos,
    tasks: Tasks,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

async fn scene() -> Result<Scene, String> {
    let tasks = Tasks::new();
    let intercom = vendor(&tasks).await?;
    let address = intercom.base_url();
    let address = address.trim_start_matches("http://").parse::<SocketAddr>();
    let address = address.map_err(|error| error.to_string())?;
    let chaos = Chaos::start(address, 1, &tasks).await;
    let chaos = chaos.map_err(|error| error.to_string())?;
    let bytes_max = ANSWER_BYTES_MAX.to_string();
    let settings = [
        ("delivery.retries_max", "500"),
        ("delivery.retry_cap_ms", "200"),
        ("delivery.response_bytes_max", bytes_max.as_str()),
    ];
    let mut stage = Stage::start(Build::Release, &chaos.url(), &settings)?;
    accepted(&mut stage, SESSION).await?;
    send_webhook(&stage.client, stage.url(), "acme", &intercom, SESSION).await?;
    let scene = Scene {
        stage,
        intercom,
        chaos,
        tasks,
    };
    until("the first note", async || {
        Ok(told(&scene.intercom, CONVERSATION)
            .contains("s0x00000")
            .then_some(()))
    })
    .await?;
    Ok(scene)
}

impl Scene {
    /// Lets a user act while the vendor misbehaves, until that many attempts have failed of it; then
    /// the weather clears.
    async fn endure(&mut self, failures: f64) -> Result<String, String> {
        for _ in 0..ACTIONS {
            accepted(&mut self.stage, SESSION).await?;
        }
        let stage = &self.stage;
        until("attempts fail, and a metric tells", async || {
            Ok((retried(stage).await? >= failures).then_some(()))
        })
        .await?;
        accepted(&mut self.stage, SESSION).await?;
        self.stage.is_alive().await?;
        if let Some(reason) = self.stage.trouble().await? {
            return Err(format!("the vendor's trouble made us red: {reason}"));
        }
        self.chaos.set(Weather::default());
        let retried = retried(&self.stage).await?;
        let seen = self.all_told_once().await?;
        Ok(format!("{seen}, {retried} attempts failed"))
    }

    /// Every action is in the notes exactly once, also after a restart, which would bring up what was
    /// still waiting.
    async fn all_told_once(&mut self) -> Result<String, String> {
        self.until_told().await?;
        let count = survives(&mut self.stage).await?;
        self.until_told().await?;
        let connections = self.chaos.connections();
        Ok(format!(
            "{count} actions told once over {connections} connections"
        ))
    }

    async fn until_told(&self) -> Result<(), String> {
        let labels = &self.stage.sent[0].acknowledged;
        until("all actions are in notes", async || {
            let told = told(&self.intercom, CONVERSATION);
            let is_complete = labels.iter().all(|label| told.contains(label));
            let waiting = self.stage.metric("connector_outbox_depth").await?;
            Ok((is_complete && waiting < 1.0).then_some(()))
        })
        .await?;
        told_once(labels, &told(&self.intercom, CONVERSATION))
    }
}

async fn retried(stage: &Stage) -> Result<f64, String> {
    let line = "connector_notes_total{outcome=\"retried\",platform=\"intercom\"}";
    stage.metric(line).await
}

fn told_once(labels: &[String], told: &str) -> Result<(), String> {
    for label in labels {
        let times = told.matches(label.as_str()).count();
        if times != 1 {
            return Err(format!("{label} is told {times} times:\n{told}"));
        }
    }
    Ok(())
}

async fn weather(weather: Weather) -> Result<String, String> {
    let mut scene = scene().await?;
    scene.chaos.set(weather);
    scene.endure(3.0).await
}

fn answers(answer: Way) -> Weather {
    Weather {
        answer,
        ..Weather::default()
    }
}

fn cut(after: u64, end: End) -> Weather {
    answers(Way {
        end: Some((after, end)),
        ..Way::default()
    })
}

pub(crate) async fn down() -> Result<String, String> {
    weather(Weather {
        down: true,
        ..Weather::default()
    })
    .await
}

/// Accepts the connection and takes nothing.
pub(crate) async fn black_hole() -> Result<String, String> {
    let hole = Way {
        is_black_hole: true,
        ..Way::default()
    };
    weather(Weather {
        request: hole,
        answer: hole,
        ..Weather::default()
    })
    .await
}

/// Takes the request, does what it says, and never answers.
pub(crate) async fn no_answer() -> Result<String, String> {
    weather(answers(Way {
        is_black_hole: true,
        ..Way::default()
    }))
    .await
}

/// Does what the request says, and resets the connection.
pub(crate) async fn reset_after_processing() -> Result<String, String> {
    weather(cut(0, End::Reset)).await
}

pub(crate) async fn answer_cut() -> Result<String, String> {
    weather(cut(60, End::Reset)).await
}

pub(crate) async fn answer_half_closed() -> Result<String, String> {
    weather(cut(150, End::HalfClose)).await
}

pub(crate) async fn trickle() -> Result<String, String> {
    weather(answers(Way {
        bytes_per_s: Some(100),
        ..Way::default()
    }))
    .await
}

/// Slower than the service waits, with jitter.
pub(crate) async fn too_slow() -> Result<String, String> {
    weather(answers(Way {
        latency: Duration::from_millis(500),
        jitter: Duration::from_millis(200),
        ..Way::default()
    }))
    .await
}

/// Slow, but not too slow: no attempt fails.
pub(crate) async fn slow() -> Result<String, String> {
    let mut scene = scene().await?;
    let way = Way {
        latency: Duration::from_millis(20),
        jitter: Duration::from_millis(40),
        ..Way::default()
    };
    scene.chaos.set(Weather {
        request: way,
        answer: way,
        ..Weather::default()
    });
    for _ in 0..ACTIONS {
        accepted(&mut scene.stage, SESSION).await?;
    }
    let seen = scene.all_told_once().await?;
    match retried(&scene.stage).await? {
        0.0 => Ok(seen),
        failed => Err(format!("{failed} attempts failed")),
    }
}

/// What the vendor itself says makes no sense: the next few posts and the readings after them, some of
/// which took effect.
async fn nonsense(twist: Twist) -> Result<Scene, String> {
    let scene = scene().await?;
    for fault in [Fault::before(twist.clone()), Fault::after(twist.clone())] {
        scene.intercom.script(Call::Reply, None, fault);
        scene
            .intercom
            .script(Call::Read, None, Fault::after(twist.clone()));
    }
    Ok(scene)
}

fn answer(headers: Vec<(&'static str, String)>, body: &str) -> Twist {
    Twist::Answer {
        status: 200,
        headers,
        body: body.to_owned(),
    }
}

pub(crate) async fn garbage() -> Result<String, String> {
    let twist = answer(Vec::new(), "<html>\u{0}\u{1}{{{[[[not json");
    nonsense(twist).await?.endure(1.0).await
}

pub(crate) async fn huge_headers() -> Result<String, String> {
    let twist = answer(vec![("x-large", "h".repeat(2 << 20))], "{}");
    nonsense(twist).await?.endure(1.0).await
}

/// No more of an endless answer is read than the bound and what sockets hold.
pub(crate) async fn endless() -> Result<String, String> {
    let mut scene = nonsense(Twist::Endless).await?;
    let before = peak_kib(scene.stage.server().id())?;
    let seen = {
        for _ in 0..ACTIONS {
            accepted(&mut scene.stage, SESSION).await?;
        }
        scene.until_told().await?;
        let grown = peak_kib(scene.stage.server().id())?.saturating_sub(before);
        let passed = scene.chaos.answer_bytes();
        // Four endless answers, each read to its bound, and what lay in the sockets between us.
        if grown > 32 << 10 || passed > 4 * ANSWER_BYTES_MAX + (32 << 20) {
            return Err(format!(
                "{passed} bytes were read, and memory grew by {grown} KiB"
            ));
        }
        format!("{passed} bytes passed, memory grew by {grown} KiB")
    };
    let told = scene.all_told_once().await?;
    Ok(format!("{told}; {seen}"))
}

/// The most memory a process ever had.
fn peak_kib(id: u32) -> Result<u64, String> {
    let status = fs::read_to_string(format!("/proc/{id}/status"));
    let status = status.map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| "the system does not tell a process's memory".to_owned())
}

/// The check beneath these cases knows an action that is told twice.
pub(crate) async fn a_second_telling_is_caught() -> Result<String, String> {
    let scene = scene().await?;
    scene
        .intercom
        .write_note(CONVERSATION, "<p>Click s0x00000</p>");
    match scene.until_told().await {
        Ok(()) => Err("it passed: the check has no power".to_owned()),
        Err(reason) => Ok(reason.lines().next().unwrap_or_default().to_owned()),
    }
}
