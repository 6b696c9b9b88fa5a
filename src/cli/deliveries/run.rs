//! What was asked, done.

use std::process::ExitCode;

use super::shown::{LISTED, listed, redacted, replayed, whole};
use super::source::Source;
use crate::cli::arguments::{DeliveriesCommand, ListArgs};
use crate::cli::connect::Service;
use crate::cli::moment::Moment;
use crate::cli::run::{complain, print, print_block};
use crate::cli::table::Table;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::outbox::{self, FilterError, LIMIT_MAX};
use crate::terminal::Terminal;

/// Reads a filter as it is typed, by the words of the service.
pub(in crate::cli) fn filter(
    name: &'static str,
) -> impl Fn(&str) -> Result<String, FilterError> + Clone {
    move |text| {
        outbox::read_query([(name.to_owned(), text.to_owned())])?;
        Ok(text.to_owned())
    }
}

/// Asks the service, or the store where none runs.
pub(in crate::cli) async fn run(
    command: DeliveriesCommand,
    service: Service,
    config: Config,
    out: Terminal,
) -> anyhow::Result<ExitCode> {
    let source = Source::find(&service, &config).await?;
    let done = carry_out(&source, command, out).await;
    source.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn carry_out(
    source: &Source,
    command: DeliveriesCommand,
    out: Terminal,
) -> anyhow::Result<()> {
    match command {
        DeliveriesCommand::List(arguments) => list(source, arguments, out).await?,
        DeliveriesCommand::Show(one) => {
            let delivery = source.show(&one.id).await?;
            print_block(&match one.json {
                true => format!("{delivery}\n"),
                false => whole(out, &delivery),
            });
        }
        DeliveriesCommand::Redact(one) => {
            let delivery = source.redact(&one.id).await?;
            match one.json {
                true => print(&delivery.to_string()),
                false => print(&redacted(&one.id, &delivery)),
            }
        }
        DeliveriesCommand::Replay(one) => {
            let delivery = source.replay(&one.id).await?;
            match one.json {
                true => print(&delivery.to_string()),
                false => print(&replayed(&one.id, &delivery, source.is_asleep())),
            }
        }
    }
    Ok(())
}

/// Prints pages as they come, until there is enough or nothing more. A page may be short, or empty, while there is
/// more.
async fn list(source: &Source, arguments: ListArgs, out: Terminal) -> anyhow::Result<()> {
    let filters = filters(&arguments, Clock::system().now_ms());
    let mut left = if arguments.all {
        usize::MAX
    } else {
        arguments.limit.get()
    };
    let mut table = Table::new(out, &LISTED);
    let mut cursor = None;
    let mut count = 0;
    while left > 0 {
        let mut asked = filters.clone();
        asked.push(("limit".to_owned(), left.min(LIMIT_MAX).to_string()));
        asked.extend(cursor.take().map(|cursor| ("cursor".to_owned(), cursor)));
        let page = source.list(&asked).await?;
        let found = page["deliveries"].as_array();
        let found = found.map(Vec::as_slice).unwrap_or_default();
        let is_read = match arguments.json {
            true => {
                let lines = found.iter().map(|delivery| format!("{delivery}\n"));
                print_block(&lines.collect::<String>())
            }
            false => print_block(&table.page(&found.iter().map(listed).collect::<Vec<_>>())),
        };
        count += found.len();
        left = left.saturating_sub(found.len());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || !is_read {
            break;
        }
    }
    if count == 0 {
        complain("no delivery is like that; finished ones are kept for retention.outbox_s");
    } else if cursor.is_some() && left == 0 {
        complain(&format!(
            "these are the newest {count}; --all shows all there are"
        ));
    }
    Ok(())
}

/// The filters by their names on the wire.
fn filters(arguments: &ListArgs, now_ms: u64) -> Vec<(String, String)> {
    let at = |moment: &Option<Moment>| moment.as_ref().map(|moment| moment.at(now_ms));
    let given = [
        ("product_id", arguments.product.clone()),
        ("status", arguments.status.clone()),
        ("platform", arguments.platform.clone()),
        ("conversation_id", arguments.conversation.clone()),
        ("session_id", arguments.session.clone()),
        ("since", at(&arguments.since)),
        ("until", at(&arguments.until)),
        ("http_status", arguments.http_status.clone()),
    ];
    let given = given.into_iter();
    given
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}
