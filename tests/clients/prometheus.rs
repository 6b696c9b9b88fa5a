//! What Prometheus' own tool says of our metrics, of the example configuration and of the alerts.

use std::io::Write;
use std::process::{Command, Stdio};

use event_connector::clock::Clock;
use event_connector::demo::intercom::Intercom;
use event_connector::tasks::Tasks;
use reqwest::StatusCode;
use serde_json::json;

use super::intercom;
use super::service::{self, Home, PRODUCT, Service, http};
use super::{repository, tools, work};

const SETTINGS: &str = "[session]\nnote_bytes_max = 1000\n\
    [delivery]\nrequest_timeout_ms = 1000\nlease_ms = 7000\nretry_base_ms = 50\npoll_ms = 50\n";

/// What a server shows that has worked is not against the conventions, and neither is a metric that
/// it has had no reason to move.
pub(crate) async fn metrics() -> Result<String, String> {
    let tasks = Tasks::new();
    let intercom = Intercom::start(Clock::system(), &tasks, intercom::settings()).await;
    let intercom = intercom.map_err(|error| error.to_string())?;
    let base_url = intercom.base_url();
    let home = Home::new(&format!("{SETTINGS}[intercom]\nbase_url = {base_url:?}\n"))?;
    let service = home.start()?;
    intercom::work_through(&service, &intercom).await?;
    refusals(&service).await?;
    let mut text = service::metrics(&service).await?;
    let shown = text.matches("# TYPE connector_").count();
    let unmoved = unmoved(&text);
    text.extend(unmoved.iter().map(String::as_str));
    promtool(&["check", "metrics"], &text)?;
    let wrong =
        "# HELP connector_wrong Wrong.\n# TYPE connector_wrong counter\nconnector_wrong 1\n";
    if promtool(&["check", "metrics"], wrong).is_ok() {
        return Err("promtool finds nothing wrong with what is wrong".to_owned());
    }
    home.complaints()?;
    let unmoved = unmoved.len();
    Ok(format!(
        "{shown} metrics, and {unmoved} as they are declared"
    ))
}

/// Declared metrics that have no value yet, as they will be shown.
fn unmoved(shown: &str) -> Vec<String> {
    let source: Vec<&str> = include_str!("../../src/metrics/mod.rs").lines().collect();
    let declared = source.windows(2).filter_map(|pair| {
        let help = pair[0].trim().strip_prefix("/// ")?;
        let (left, right) = pair[1].split_once("= \"connector_")?;
        let name = format!("connector_{}", right.split('"').next()?);
        if shown.contains(&format!("# TYPE {name} ")) {
            return None;
        }
        let (kind, values) = match left.rsplit_once(": ")?.1.trim() {
            "IntCounter" | "IntCounterVec" => ("counter", format!("{name} 0")),
            "IntGauge" | "IntGaugeVec" => ("gauge", format!("{name} 0")),
            _ => (
                "histogram",
                format!("{name}_bucket{{le=\"+Inf\"}} 0\n{name}_sum 0\n{name}_count 0"),
            ),
        };
        Some(format!(
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{values}\n"
        ))
    });
    declared.collect()
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
