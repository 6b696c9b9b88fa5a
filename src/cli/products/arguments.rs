//! What can be typed.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::help;
use crate::cli::arguments::ServiceArgs;
use crate::cli::moment::length_s;
use crate::registration::desk::ROTATABLE;

/// What is wanted of products.
#[derive(Args, Debug)]
pub(in crate::cli) struct ProductsArgs {
    #[command(subcommand)]
    pub(super) command: ProductsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ProductsCommand {
    /// Register a product and show what is issued for it
    #[command(after_help = help::ADD, override_usage = help::ADD_USAGE)]
    Add(Box<AddArgs>),
    /// List all products: those of the operator's list, and those that are registered
    #[command(after_help = help::LIST)]
    List(PlainArgs),
    /// Show one product, its configuration and its keys, without secrets
    #[command(after_help = help::SHOW)]
    Show(ProductArgs),
    /// Change what a registered product is configured with
    #[command(after_help = help::CHANGE, override_usage = help::CHANGE_USAGE)]
    Change(ChangeArgs),
    /// Issue secrets and keys anew; those before are accepted for a while
    #[command(after_help = help::ROTATE)]
    Rotate(RotateArgs),
    /// Invite somebody to register one product
    #[command(after_help = help::INVITE)]
    Invite(InviteArgs),
    /// Take a registered product out of force; later it goes with all it has
    #[command(after_help = help::REMOVE)]
    Remove(RemoveArgs),
}

impl ProductsArgs {
    /// Which service is asked.
    pub(in crate::cli) fn service(&self) -> &ServiceArgs {
        use ProductsCommand as Command;

        match &self.command {
            Command::Add(add) => &add.plain.service,
            Command::List(plain) => &plain.service,
            Command::Show(one) => &one.plain.service,
            Command::Change(change) => &change.plain.service,
            Command::Rotate(rotate) => &rotate.plain.service,
            Command::Invite(invite) => &invite.plain.service,
            Command::Remove(remove) => &remove.plain.service,
        }
    }
}

/// What every command takes.
#[derive(Args, Debug)]
pub(super) struct PlainArgs {
    /// For programs: one JSON object per line
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) service: ServiceArgs,
}

/// What is registered.
#[derive(Args, Debug)]
pub(super) struct AddArgs {
    /// What it is called; without it --provider and --project say what it is, and a name is issued
    #[arg(
        value_name = "PRODUCT_ID",
        required_unless_present = "project",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub(super) product: Option<String>,
    /// Whom to write to about it; must be given
    #[arg(long, value_name = "ADDRESS")]
    pub(super) email: String,
    /// The analytics vendor: posthog, amplitude, fullstory or custom
    #[arg(long, value_name = "NAME")]
    pub(super) provider: Option<String>,
    /// The vendor's project; each is one product
    #[arg(
        long,
        value_name = "ID",
        requires = "provider",
        conflicts_with = "product"
    )]
    pub(super) project: Option<String>,
    /// What people call it
    #[arg(long, value_name = "TEXT")]
    pub(super) name: Option<String>,
    /// Where it goes: event_stream (if not given) or intercom
    #[arg(long = "type", value_name = "NAME", requires = "product")]
    pub(super) kind: Option<String>,
    /// Its integration_config, a JSON object; - is standard input
    #[arg(long, value_name = "FILE", requires = "product")]
    pub(super) integration_config: Option<PathBuf>,
    /// Its ingest secret, if it is not to be issued; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) secret_file: Option<PathBuf>,
    /// The owner token of what is registered already; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) owner_token_file: Option<PathBuf>,
    /// Replace what is registered under this name
    #[arg(long, requires = "product")]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) plain: PlainArgs,
}

/// Which product.
#[derive(Args, Debug)]
pub(super) struct ProductArgs {
    /// The product, as `products list` shows it
    #[arg(value_name = "PRODUCT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) id: String,
    #[command(flatten)]
    pub(super) plain: PlainArgs,
}

/// What is changed.
#[derive(Args, Debug)]
pub(super) struct ChangeArgs {
    /// The product, as `products list` shows it
    #[arg(value_name = "PRODUCT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) id: String,
    /// What is laid over its row, a JSON object; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) patch: PathBuf,
    #[command(flatten)]
    pub(super) plain: PlainArgs,
}

/// What is issued anew.
#[derive(Args, Debug)]
pub(super) struct RotateArgs {
    /// The product, as `products list` shows it
    #[arg(value_name = "PRODUCT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) id: String,
    /// Only these, separated by commas; everything but owner_token if not given
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = ROTATABLE)]
    pub(super) only: Vec<String>,
    /// How long those before are accepted, e.g. 1h or 0s; registration.overlap_s if not given
    #[arg(long, value_name = "TIME", value_parser = length_s)]
    pub(super) overlap: Option<f64>,
    #[command(flatten)]
    pub(super) plain: PlainArgs,
}

/// How long somebody is invited.
#[derive(Args, Debug)]
pub(super) struct InviteArgs {
    /// How long it may be used, e.g. 3d; registration.invite_s if not given
    #[arg(long, value_name = "TIME", value_parser = length_s)]
    pub(super) expires: Option<f64>,
    #[command(flatten)]
    pub(super) plain: PlainArgs,
}

/// What is removed.
#[derive(Args, Debug)]
pub(super) struct RemoveArgs {
    /// The product, as `products list` shows it
    #[arg(value_name = "PRODUCT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) id: String,
    /// Ask nobody
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) plain: PlainArgs,
}

/// What is wanted of keys.
#[derive(Args, Debug)]
pub(in crate::cli) struct KeysArgs {
    #[command(subcommand)]
    pub(super) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Issue a key that reads what a product tells
    #[command(after_help = help::KEYS_CREATE)]
    Create(CreateArgs),
    /// List a product's keys: how they begin, and when they were last used
    #[command(after_help = help::KEYS_LIST)]
    List(ProductArgs),
    /// Revoke a key at once, and end what is open with it
    #[command(after_help = help::KEYS_REVOKE)]
    Revoke(RevokeArgs),
}

impl KeysArgs {
    /// Which service is asked.
    pub(in crate::cli) fn service(&self) -> &ServiceArgs {
        match &self.command {
            KeysCommand::Create(create) => &create.product.plain.service,
            KeysCommand::List(product) => &product.plain.service,
            KeysCommand::Revoke(revoke) => &revoke.plain.service,
        }
    }
}

/// Which key is issued.
#[derive(Args, Debug)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    pub(super) product: ProductArgs,
    /// What it is for; `keys list` shows it
    #[arg(long, value_name = "TEXT")]
    pub(super) name: Option<String>,
    /// What it opens: the stream, or what agents read as well
    #[arg(long, value_name = "SCOPE", value_parser = ["stream", "mcp"], default_value = "stream")]
    pub(super) scope: String,
    /// How long it is accepted, e.g. 30d; for good if not given
    #[arg(long, value_name = "TIME", value_parser = length_s)]
    pub(super) expires: Option<f64>,
}

/// Which key is revoked.
#[derive(Args, Debug)]
pub(super) struct RevokeArgs {
    /// The product, as `products list` shows it
    #[arg(value_name = "PRODUCT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) id: String,
    /// The key, as `keys list` shows it
    #[arg(value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    pub(super) key_id: String,
    #[command(flatten)]
    pub(super) plain: PlainArgs,
}
