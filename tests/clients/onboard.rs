//! The published client's registration, in both generations, with nothing but what it returns.

use std::process::Command;

use super::process::Program;
use super::service::Home;
use super::{own, tools};

/// A client that is told to stop does so at the next event, whichever it is.
const SETTINGS: &str = "[feed]\nheartbeat_ms = 50\n";

/// Which generation of the client sends which form, and how it is told that what it registers is taken.
const GENERATIONS: [(&str, &str, &str, u16); 2] = [
    ("0.7.3", "named", "ConnectorRegistrationHttpError", 409),
    ("0.13.0", "project", "ConnectorRegistrationHttpError", 403),
];

pub(crate) async fn works() -> Result<String, String> {
    let home = Home::new(SETTINGS)?;
    let service = home.start()?;
    for (version, generation, refusal, status) in GENERATIONS {
        let mut command = Command::new(tools().join(format!("sdk-{version}/bin/python")));
        command
            .args(["-I", "-u", "-W", "default"])
            .arg(own("python/onboard.py"))
            .args([generation, &service.url()]);
        let mut client = Program::start(&format!("onboard_product {version}"), &mut command)?;
        let first = client.answer("registered").await?;
        let refused = client.answer("refused").await?;
        if refused["error"] != refusal || refused["status"] != status {
            return Err(format!(
                "{version} was to be refused with {status}: {refused}"
            ));
        }
        let second = client.answer("renewed").await?;
        if first["product_id"] != second["product_id"] || first["listen"] == second["listen"] {
            return Err(format!("{version}: {first} and then {second}"));
        }
        for label in ["First", "Second", "Third"] {
            let heard = client.answer("actions").await?;
            let text = heard["text"].as_str().unwrap_or_default();
            if heard["status"] != 200 || !text.contains(&format!("User clicked {label}")) {
                return Err(format!("{version} was to hear {label}: {heard}"));
            }
        }
        client.finish().await?;
        if let Some(said) = client.passed_over("log").first() {
            return Err(format!("{version} warned: {said}"));
        }
    }
    home.complaints()?;
    Ok("2 generations, 3 events each".to_owned())
}
