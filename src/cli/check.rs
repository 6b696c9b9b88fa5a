//! `check`: every mistake at once, or what is in force.

use std::process::ExitCode;

use secrecy::ExposeSecret;

use super::run::{complain, print};
use crate::config::{Config, DEFAULT_TOML, Mistakes};
use crate::product::{Catalogue, Error, Source};

/// Prints the reference configuration.
pub(super) fn defaults() -> ExitCode {
    print(DEFAULT_TOML.trim_end());
    ExitCode::SUCCESS
}

/// Reports what is wrong with configuration and products; exit code 2 if anything is.
pub(super) fn check(config: Result<Config, Mistakes>) -> ExitCode {
    let config = match config {
        Ok(config) => config,
        Err(mistakes) => {
            complain(&mistakes.to_string());
            return ExitCode::from(2);
        }
    };
    print(&config.effective());
    for notice in &config.notices {
        complain(&format!("notice: {notice}"));
    }
    match check_products(&config) {
        Ok(summary) => {
            print(&summary);
            ExitCode::SUCCESS
        }
        Err(problems) => {
            for problem in problems {
                complain(&problem);
            }
            ExitCode::from(2)
        }
    }
}

fn check_products(config: &Config) -> Result<String, Vec<String>> {
    let source = Source::new(&config.products.path, &config.products.inline);
    let loaded = match source.load() {
        Ok(loaded) => loaded,
        Err(Error::Missing(path)) => {
            return Ok(format!(
                "# no products: there is no file {} (config/products.example.json shows its form)",
                path.display()
            ));
        }
        Err(error) => return Err(vec![format!("products: {error}")]),
    };
    let catalogue = Catalogue::parse(loaded.text.expose_secret())
        .map_err(|error| vec![format!("products: {:#}", anyhow::Error::new(error))])?;
    for (product, notice) in catalogue.notices() {
        complain(&format!("notice: product {product}: {notice}"));
    }
    if !catalogue.problems.is_empty() {
        let lines = catalogue.problems.iter().map(ToString::to_string);
        return Err(lines.collect());
    }
    let mut lines = vec![format!(
        "# products in force: {}",
        catalogue.products().count()
    )];
    for product in catalogue.products() {
        lines.push(format!("#   {}", product.id));
    }
    Ok(lines.join("\n"))
}
