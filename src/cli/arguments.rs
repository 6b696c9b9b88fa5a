//! What can be typed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use super::moment::Moment;
use super::products::{self, KeysArgs, ProductsArgs};
use super::tail::Format;
use super::{deliveries, explain, help};

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
    /// Register, list, show, change and remove products; rotate their secrets; invite others
    #[command(after_help = products::PRODUCTS_HELP)]
    Products(ProductsArgs),
    /// Issue, list and revoke keys that read what a product tells
    #[command(after_help = products::KEYS_HELP)]
    Keys(KeysArgs),
    /// List notes on their way out, show what became of one, or send it again
    #[command(after_help = help::DELIVERIES)]
    Deliveries(DeliveriesArgs),
    /// Tell the story of a session: what happened, what was offered, and why not
    #[command(after_help = help::EXPLAIN)]
    Explain(ExplainArgs),
    /// Follow the feed of a product; goes on by itself after restarts and sleep
    #[command(after_help = help::TAIL)]
    Tail(TailArgs),
}

/// Where the configuration comes from.
#[derive(Args, Clone, Debug, Default)]
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

/// Which service is asked.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ServiceArgs {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// Where the service is; else CONNECTOR_URL says it, else the configured http.bind
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
}

/// What is wanted of the outbox.
#[derive(Args, Debug)]
pub(super) struct DeliveriesArgs {
    #[command(subcommand)]
    pub(super) command: DeliveriesCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeliveriesCommand {
    /// List deliveries, newest first
    #[command(after_help = help::DELIVERIES_LIST)]
    List(ListArgs),
    /// Show one delivery, its text, and the calls made for it
    #[command(after_help = help::DELIVERIES_SHOW)]
    Show(DeliveryArgs),
    /// Send a delivery again, whatever became of it
    #[command(after_help = help::DELIVERIES_REPLAY)]
    Replay(DeliveryArgs),
    /// Take a note back that was delivered
    #[command(after_help = help::DELIVERIES_REDACT)]
    Redact(DeliveryArgs),
}

impl DeliveriesCommand {
    /// Which service is asked.
    pub(super) fn service(&self) -> &ServiceArgs {
        match self {
            Self::List(list) => &list.service,
            Self::Show(one) | Self::Replay(one) | Self::Redact(one) => &one.service,
        }
    }
}

/// Which deliveries.
#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// Only those of this product
    #[arg(long, value_name = "ID")]
    pub(super) product: Option<String>,
    /// Only those that are this far: waiting, leased, delivered, dead or withdrawn
    #[arg(long, value_name = "STATUS", value_parser = deliveries::filter("status"))]
    pub(super) status: Option<String>,
    /// Only those to this platform
    #[arg(long, value_name = "NAME")]
    pub(super) platform: Option<String>,
    /// Only those to this conversation
    #[arg(long, value_name = "ID")]
    pub(super) conversation: Option<String>,
    /// Only those of this session
    #[arg(long, value_name = "ID")]
    pub(super) session: Option<String>,
    /// Only those queued then or later: 2h (ago), Unix seconds, or an ISO 8601 time
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<Moment>,
    /// Only those queued before
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<Moment>,
    /// Only those whose newest answer had this status
    #[arg(long, value_name = "STATUS", value_parser = deliveries::filter("http_status"))]
    pub(super) http_status: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value = "50")]
    pub(super) limit: NonZeroUsize,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    pub(super) all: bool,
    /// For programs: one JSON object per line
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) service: ServiceArgs,
}

/// Which delivery.
#[derive(Args, Debug)]
pub(super) struct DeliveryArgs {
    /// Its identifier, as `list` shows it
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) id: String,
    /// For programs: one JSON object on one line
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) service: ServiceArgs,
}

/// Which session.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// The product
    #[arg(value_name = "PRODUCT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) product: String,
    /// The session, as the analytics provider names it
    #[arg(value_name = "SESSION", value_parser = NonEmptyStringValueParser::new())]
    pub(super) session: String,
    /// So many of the newest entries of its log, at most 500
    #[arg(long, value_name = "N", default_value = "200", value_parser = explain::entries)]
    pub(super) entries: usize,
    /// For programs: one JSON object on one line, as GET /sessions answers it
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) service: ServiceArgs,
}

/// Which feed, and how it is shown.
#[derive(Args, Debug)]
pub(super) struct TailArgs {
    /// The product
    #[arg(value_name = "PRODUCT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) product: String,
    /// Begin there instead of now: 10m (ago), an event's id, Unix seconds, or an ISO 8601 time
    #[arg(long, value_name = "WHERE")]
    pub(super) since: Option<Moment>,
    /// Only this session
    #[arg(long, value_name = "ID")]
    pub(super) session: Option<String>,
    /// Only this user
    #[arg(long, value_name = "ID")]
    pub(super) user: Option<String>,
    /// Only these types, separated by commas, e.g. actions
    #[arg(long, value_name = "TYPES")]
    pub(super) types: Option<String>,
    /// How it is shown; compact on a terminal and json elsewhere if not given
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
    #[command(flatten)]
    pub(super) service: ServiceArgs,
}
