//! What Prometheus' own tool says of our metrics, of the example configuration and of the alerts.

use std::io::Write;
use std::process::{Command, Stdio};

use event_connector::clock::Clock;
use event_connector::demo::intercom::Intercom;
use event_connector::tasks::Tasks;
use reqwest::StatusCode;
use serde_json::json;

use super::intercom;
use super::reader::Reader;
use super::service::{self, Home, PRODUCT, Service, http};
use super::{repository, tools, until, work};

/// Everything passes quickly, so that every kind of passing is counted.
const SETTINGS: &str = "[session]\nidle_s = 1\nsweep_ms = 50\nnote_bytes_max = 1000\n\
    interaction_timeout_s = 1\ncooldown_period_s = 1\n\
    [retention]\nlog_s = 1\ninterval_ms = 50\n[feed]\nsubscribers_max = 1\n\
    [delivery]\nrequest_timeout_ms = 1000\nlease_ms = 7000\nretry_base_ms = 50\npoll_ms = 50\n";

/// A server that has done some of everything shows every metric there is, and none of them is
/// against the conventions.
pub(crate) async fn metrics() -> Result<String, String> {
    let tasks = Tasks::new();
    let intercom = Intercom::start(Clock::system(), &tasks, intercom::settings()).await;
    let intercom = intercom.map_err(|error| error.to_string())?;
    let base_url = intercom.base_url();
    let home = Home::new(&format!("{SETTINGS}[intercom]\nbase_url = {base_url:?}\n"))?;
    let service = home.start()?;
    intercom::work_through(&service, &intercom).await?;
    let _reader = Reader::open(service.address, "", None).await?;
    if Reader::open(service.address, "", None).await.is_ok() {
        return Err("there was one subscriber too many".to_owned());
    }
    refusals(&service).await?;
    let source = include_str!("../../src/metrics.rs");
    let names: Vec<&str> = source
        .lines()
        .filter_map(|line| line.split_once("= \"connector_")?.1.split('"').next())
        .collect();
    let absent = |text: &str| {
        let mut absent = names.clone();
        absent.retain(|name| !text.contains(&format!("\n# TYPE connector_{name} ")));
        absent
    };
    let shown = until("every metric has a value", async || {
        let text = format!("\n{}", service::metrics(&service).await?);
        Ok(absent(&text).is_empty().then_some(text))
    });
    let shown = match shown.await {
        Ok(shown) => shown,
        Err(reason) => {
            let text = format!("\n{}", service::metrics(&service).await?);
            return Err(format!("{reason}: {:?} have none", absent(&text)));
        }
    };
    promtool(&["check", "metrics"], &shown)?;
    let wrong =
        "# HELP connector_wrong Wrong.\n# TYPE connector_wrong counter\nconnector_wrong 1\n";
    if promtool(&["check", "metrics"], wrong).is_ok() {
        return Err("promtool finds nothing wrong with what is wrong".to_owned());
    }
    home.complaints()?;
    Ok(format!("{} metrics", names.len()))
}

/// A wrong secret and a body of no known shape.
async fn refusals(service: &Service) -> Result<(), String> {
    work::send(&http()?, service, &json!({"hello": "world"})).await?;
    let url = format!("{}/webhook/{PRODUCT}", service.url());
    let refused = http()?.post(url).header("x-posthog-secret", "wrong").send();
    let status = refused.await.map_err(|error| error.to_string())?.status();
    (status == StatusCode::UNAUTHORIZED)
        .then_some(())
        .ok_or_else(|| format!("a wrong secret was answered {status}"))
}

/// The example configuration and the alerts are what Prometheus reads, and the alerts fire when they
/// should and not otherwise.
pub(crate) async fn files() -> Result<String, String> {
    let cases: [&[&str]; 3] = [
        &["check", "config", "config/prometheus.yml"],
        &["check", "rules", "--lint-fatal", "config/alerts.yml"],
        &["test", "rules", "tests/clients/alerts_test.yml"],
    ];
    for arguments in cases {
        promtool(arguments, "")?;
    }
    Ok(format!("{} checks", cases.len()))
}

/// Runs the tool in the repository; an error is what it complains of.
fn promtool(arguments: &[&str], input: &str) -> Result<(), String> {
    let told = |error: std::io::Error| format!("promtool: {error}");
    let mut child = Command::new(tools().join("promtool"))
        .args(arguments)
        .current_dir(repository(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(told)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(told)?;
    }
    let output = child.wait_with_output().map_err(told)?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Err(format!("promtool {}:\n{said}", arguments.join(" ")))
}
