//! Speaking first: what looking at triggers takes by itself, and what it takes off ingest.

use std::collections::BTreeMap;
use std::hint::black_box;

use anyhow::{Context as _, anyhow, ensure};
use event_connector::clock::Clock;
use event_connector::domain::action::ActionType;
use event_connector::domain::proactive::{Actions, Context, Properties, Seen};
use event_connector::product;
use serde_json::{Value, json};

use super::ingest::others;
use super::service::{Product, Service};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::drive;
use crate::load::request::{Requests, SECRET};
use crate::process::say;
use crate::sample::{Turn, float, median};

/// How many triggers the product has.
const TRIGGERS: usize = 20;

/// The most actions that are looked at, as configured by default.
const ACTIONS: u32 = 50;

/// Looks in one turn of the evaluation.
const LOOKS: u64 = 20_000;

/// Sessions that the load goes round: so few that their windows are full soon.
const SESSIONS: u64 = 400;

/// Into how many shares a turn is divided: the store grows while they run, and the machine has its moods, so what is compared
/// must lie close together.
const SHARES: usize = 8;

/// Measures both.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let mut figures = vec![evaluation(arguments)?];
    figures.push(ingest(arguments).await?);
    Ok(figures)
}

/// `integration_config` with triggers of three levels of groups. None fires, so that all are asked, and each is asked
/// for everything: its first half holds, and no part of its second one.
fn wishes() -> Value {
    let leaf = |r#type: &str, params: Value| json!({"id": "l", "name": "l", "type": r#type, "params": params});
    let group = |operator: &str, conditions: Vec<Value>| json!({"id": "g", "name": "g", "operator": operator, "conditions": conditions});
    let entry = |at: usize| {
        let never = |kind: usize| match kind % 5 {
            // The load clicks on one thing all the time, though not as often as that.
            0 => leaf("rage_click", json!({"min": 4, "within_s": 0.001})),
            1 => leaf(
                "recent_action",
                json!({"title_contains": format!("cancel plan {at}"), "within_s": 60}),
            ),
            2 => leaf("dwell", json!({"min_s": 600 + at})),
            3 => leaf(
                "url_change",
                json!({"from": format!("/pricing/{at}"), "to": "/checkout"}),
            ),
            _ => leaf(
                "user_property",
                json!({"key": "seats", "op": "gt", "value": 100 + at}),
            ),
        };
        let holds = group(
            "OR",
            vec![
                leaf(
                    "url_matches",
                    json!({"regex": format!("/invoices/{at}/[a-z]+$")}),
                ),
                group(
                    "AND",
                    vec![
                        leaf("url_contains", json!({"value": "/projects"})),
                        leaf("action_count", json!({"min": 10})),
                    ],
                ),
            ],
        );
        let fails = group(
            "OR",
            vec![
                never(at),
                group(
                    "AND",
                    vec![
                        leaf("url_contains", json!({"value": "/projects"})),
                        never(at + 1),
                    ],
                ),
            ],
        );
        json!({
            "id": format!("entry-{at}"), "name": "entry",
            "proactive_criteria": group("AND", vec![holds, fails]),
            "messages": [{"id": "m", "label": "Show me"}],
        })
    };
    json!({ "proactive_intercom": (0..TRIGGERS).map(entry).collect::<Vec<_>>() })
}

/// What a session does with every batch: it asks the triggers, and then when they could fire later.
fn evaluation(arguments: &Arguments) -> anyhow::Result<Figure> {
    let row =
        json!({"product_id": "acme", "webhook_secret": SECRET, "integration_config": wishes()});
    let read = product::Product::read(&row).map_err(|faults| anyhow!("{faults:?}"))?;
    ensure!(read.program_faults.is_empty(), "{:?}", read.program_faults);
    let program = read.program.context("a product with triggers")?;
    ensure!(program.names.len() == TRIGGERS, "{:?}", program.names);
    let actions: Actions = (0..ACTIONS).map(action).collect();
    let properties: Properties = BTreeMap::new();
    let now = f64::from(ACTIONS) * 2.0 + 1.0;
    // What is found out in one look is nothing to the next one.
    let look = || Context::new(now, &actions, None, &properties);
    let asks = |context: &Context<'_>| {
        let offer = program.triggers.evaluate(context, |_| false, |_, _| ());
        offer.is_none()
    };
    let plans = |context: &Context<'_>| program.triggers.deadline(context, |_| None).is_some();
    let mut asked = Vec::new();
    let mut whole = Vec::new();
    for _ in 0..arguments.rounds {
        asked.push(each_us(|| asks(&look()))?);
        whole.push(each_us(|| {
            let context = look();
            asks(&context) && plans(&context)
        })?);
    }
    let (asked, whole) = (median(asked), median(whole));
    let detail = format!(
        "asking {asked:.1} us, when to ask again {:.1} us",
        whole - asked
    );
    say(&format!("  {detail}"));
    Ok(Figure {
        name: format!("a look at {TRIGGERS} triggers of three levels over {ACTIONS} actions"),
        detail,
        value: whole,
        unit: " us",
        floor: 20.0,
        aim: 10.0,
    })
}

/// An action as the load makes them: a click on something new.
fn action(number: u32) -> Seen<'static> {
    let start = f64::from(number) * 2.0;
    Seen {
        canonical_url: "https://app.northwind.example/projects/alpha/settings/members?tab=roles"
            .into(),
        r#type: ActionType::Click,
        title: format!("Click Invite teammate {number}").into(),
        start,
        end: start,
    }
}

/// Microseconds that `look` takes, which must be true each time.
fn each_us(look: impl Fn() -> bool) -> anyhow::Result<f64> {
    let clock = Clock::system();
    let began = clock.monotonic();
    let mut all = true;
    for _ in 0..LOOKS {
        all &= black_box(look());
    }
    ensure!(
        all,
        "the triggers did something else than they were made for"
    );
    Ok(clock.since(began).as_secs_f64() * 1e6 / float(LOOKS))
}

/// A product with triggers and one without, by turns in one service.
async fn ingest(arguments: &Arguments) -> anyhow::Result<Figure> {
    let names = ["plain", "speaking"];
    let list = [
        Product::feed(names[0]),
        Product::feed(names[1]).with(wishes()),
    ];
    let service = Service::start(&list, &[]).await?;
    let mut loads = names.map(|name| Requests::new(name, "s", SESSIONS));
    let mut turns: [Vec<Turn>; 2] = Default::default();
    for round in 0..(1 + arguments.rounds) * SHARES {
        // Whoever comes second finds the larger store, so they take turns at that as well.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for at in order {
            let sent = drive::closed(
                &service.process,
                &mut loads[at],
                arguments.connections,
                arguments.turn().div_f64(float(SHARES as u64)),
            );
            let turn = sent.await?;
            say(&format!(
                "  {:<10} {:>8.0} /s  {:>6.1} us of core each{}",
                names[at],
                turn.rate(),
                turn.cost_us(),
                others(&turn),
            ));
            // The first ones fill the windows.
            if round >= SHARES {
                turns[at].push(turn);
            }
        }
    }
    let rate = |turns: &[Turn]| median(turns.iter().map(Turn::rate));
    let cost = |turns: &[Turn]| median(turns.iter().map(Turn::cost_us));
    let [plain, speaking] = &turns;
    let rounds = speaking.iter().zip(plain);
    let ratios = rounds.map(|(speaking, plain)| speaking.rate() / plain.rate());
    Ok(Figure {
        name: format!("durable ingest with {TRIGGERS} triggers / without"),
        detail: format!(
            "{:.0}/s, {:.1} us; {:.0}/s, {:.1} us",
            rate(speaking),
            cost(speaking),
            rate(plain),
            cost(plain)
        ),
        value: median(ratios),
        unit: "",
        floor: 0.90,
        aim: 0.97,
    })
}
