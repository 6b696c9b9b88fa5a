//! What can be typed.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use super::help;

/// Turns product analytics into readable UI actions and brings them to where help is given.
#[derive(Debug, Parser)]
#[command(
    name = "event-connector",
    version,
    about,
    after_help = help::TOP,
    styles = STYLES,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Take activity, link conversations, post notes, stream the feed
    #[command(after_help = help::SERVE)]
    Serve(ConfigArgs),
    /// Show the main job on recorded sessions, with a modelled chatbot and a temporary store
    #[command(after_help = help::DEMO)]
    Demo(DemoArgs),
    /// Report every mistake in configuration and products, or print what is in force
    #[command(after_help = help::CHECK)]
    Check(CheckArgs),
    /// Ask a running service whether it is ready; the container's health check
    #[command(after_help = help::HEALTH)]
    Health(HealthArgs),
    /// Copy the store to a file, while the service runs or not
    #[command(after_help = help::BACKUP)]
    Backup(BackupArgs),
    /// Put a backup in the place of the store; what was there is kept beside it
    #[command(after_help = help::RESTORE)]
    Restore(RestoreArgs),
    /// Change the store's schema: up to this program's version, or back for an older program
    #[command(after_help = help::MIGRATE)]
    Migrate(MigrateArgs),
}

/// Where the configuration comes from.
#[derive(Args, Debug, Default)]
pub(super) struct ConfigArgs {
    /// A TOML file laid over the defaults; CONNECTOR_CONFIG names one as well
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// How the demonstration runs.
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// The port to listen on; a free one if not given
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(super) port: u16,
    /// End after the walk instead of serving on
    #[arg(long)]
    pub(super) once: bool,
    /// Leave out the pauses to read in; without a terminal there are none anyway
    #[arg(long)]
    pub(super) fast: bool,
}

/// What to check.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// Print the reference configuration: every key, its default, its reason
    #[arg(long)]
    pub(super) defaults: bool,
}

/// Whom to ask.
#[derive(Args, Debug)]
pub(super) struct HealthArgs {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// The address to ask; the configured http.bind if not given
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) address: Option<String>,
}

/// Colours that every theme has made readable on its own background.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Where the backup goes.
#[derive(Args, Debug)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub(super) to: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub(super) force: bool,
}

/// Where the backup is.
#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// A file written by `backup`
    #[arg(long, value_name = "FILE")]
    pub(super) from: PathBuf,
}

/// Which schema.
#[derive(Args, Debug)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// The version to go to; the newest that this program knows if not given
    #[arg(long, value_name = "N")]
    pub(super) to: Option<u32>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}
