//! `check`: every mistake at once, or what is in force.

use std::io::Write;
use std::process::ExitCode;

use secrecy::ExposeSecret;

use super::announce::{destination, notices, unsafe_yet};
use super::run::{complain, print};
use super::safety::Finding;
use crate::config::{Config, DEFAULT_TOML};
use crate::product::{Catalogue, Error, Source};
use crate::terminal::{Style, Terminal, wrap};

/// Prints the reference configuration.
pub(super) fn defaults() -> ExitCode {
    print(DEFAULT_TOML.trim_end());
    ExitCode::SUCCESS
}

/// Prints what is in force, and what an operator should know of it; exit code 2 if anything is wrong
/// with the products. Remarks go to `remarks`.
pub(super) fn check(config: &Config, remarks: Terminal) -> ExitCode {
    print(&config.effective());
    for notice in &config.notices {
        remark(remarks, Style::Warning, "notice", notice);
    }
    let (catalogue, path) = match products(config) {
        Ok(found) => found,
        Err(error) => {
            complain(&format!("products: {error:#}"));
            return ExitCode::from(2);
        }
    };
    if let Some(path) = path {
        print(&format!(
            "# no products: there is no file {path} (config/products.example.json shows its form)"
        ));
    } else {
        print(&in_force(&catalogue));
    }
    for notice in notices(&catalogue) {
        remark(remarks, Style::Warning, "notice", &notice);
    }
    let products: Vec<_> = catalogue.products().cloned().collect();
    for Finding { what, mend } in unsafe_yet(config, &products) {
        remark(remarks, Style::Warning, "not safe yet", &what);
        remark(remarks, Style::Faint, "", &mend);
    }
    for problem in &catalogue.problems {
        complain(&problem.to_string());
    }
    if catalogue.problems.is_empty() {
        remark(
            remarks,
            Style::Good,
            "ok",
            "event-connector serve would start with this",
        );
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    }
}

/// The list of products; or none, and the file that is missing.
fn products(config: &Config) -> anyhow::Result<(Catalogue, Option<String>)> {
    let source = Source::new(&config.products.path, &config.products.inline);
    match source.load() {
        Ok(loaded) => Ok((Catalogue::parse(loaded.text.expose_secret())?, None)),
        Err(Error::Missing(path)) => Ok((Catalogue::default(), Some(path.display().to_string()))),
        Err(error) => Err(error.into()),
    }
}

/// The products as comments behind the TOML.
fn in_force(catalogue: &Catalogue) -> String {
    let widths = catalogue
        .products()
        .map(|product| product.id.as_str().len());
    let width = widths.max().unwrap_or_default();
    let mut text = format!("# products in force: {}", catalogue.products().count());
    for product in catalogue.products() {
        let (id, destination) = (product.id.as_str(), destination(product));
        text.push_str(&format!("\n#   {id:width$}  → {destination}"));
    }
    text
}

/// A sentence with a label, laid out in the columns there are.
fn remark(terminal: Terminal, style: Style, label: &str, text: &str) {
    let label = terminal.paint(style, &format!("{label:>12}"));
    let mut block = String::new();
    for (at, line) in wrap(text, terminal.columns().saturating_sub(14))
        .iter()
        .enumerate()
    {
        let label = if at == 0 {
            label.as_str()
        } else {
            "            "
        };
        block.push_str(&format!("{label}  {line}\n"));
    }
    let _ = std::io::stderr().write_all(block.as_bytes());
}
