//! What is said at the end: the accounts, and what to try next.

use anyhow::ensure;

use super::ledger::median_and_longest;
use super::screen::Screen;
use super::stage::{ADMIN_KEY, PRODUCT, SECRET};
use super::watch::Watch;
use crate::terminal::{Style, spoken};

/// Says what arrived and how long it took. An error says what of the promises was not kept.
pub(super) fn sum_up(watch: &mut Watch<'_>) -> anyhow::Result<()> {
    let balance = watch
        .ledger
        .balance(|conversation| watch.notes(conversation));
    let acknowledged = watch.ledger.acknowledged();
    let troubles = watch.troubles;
    ensure!(balance.lost == 0, "{} lost: {balance:?}", balance.lost);
    ensure!(
        balance.doubled == 0,
        "{} doubled: {balance:?}",
        balance.doubled
    );
    ensure!(troubles.early_calls == 0, "the rate limit was not obeyed");
    let times = |durations: &[_]| {
        median_and_longest(durations).map_or_else(String::new, |(median, longest)| {
            format!("p50 {}, longest {}", spoken(median), spoken(longest))
        })
    };
    let rows = [
        (
            "feed",
            format!("{} of {acknowledged} actions, each once", balance.actions),
            times(watch.ledger.to_feed()),
        ),
        (
            "notes",
            format!(
                "{} of {acknowledged} actions in {} notes, each once",
                balance.noted,
                watch.notes_shown()
            ),
            times(watch.ledger.to_note()),
        ),
        (
            "trouble",
            format!(
                "rate limits {}, lost answers {}, refused connections {}",
                troubles.limits, troubles.lost_answers, troubles.refused
            ),
            "all outlasted".to_owned(),
        ),
        ("lost", "nothing".to_owned(), String::new()),
        ("doubled", "nothing".to_owned(), String::new()),
    ];
    let elapsed = spoken(watch.elapsed());
    let screen = &mut watch.screen;
    screen.heading(
        Style::Result,
        "",
        &format!("Everything arrived, and once. It took {elapsed}."),
        "",
    );
    screen.blank();
    for (tag, text, aside) in rows {
        screen.happened(Style::Faint, tag, &text, &aside);
    }
    Ok(())
}

/// Commands for a second terminal. Each is complete as it stands, may be repeated, and breaks its lines
/// where a shell lets it.
pub(super) fn suggest(screen: &mut Screen, url: &str) {
    screen.heading(
        Style::Strong,
        "",
        "Still running. In a second terminal:",
        "",
    );
    for (what, command) in commands(url) {
        screen.blank();
        screen.verbatim(Some(Style::Faint), &format!("# {what}"));
        screen.verbatim(None, &command);
    }
    screen.blank();
    let text =
        "What you send appears here too. Ctrl-C ends it, and the temporary store goes with it.";
    screen.sentence(Style::Faint, text);
    screen.blank();
}

fn commands(url: &str) -> [(&'static str, String); 5] {
    let listen = format!(
        r"curl -N '{url}/stream/{PRODUCT}?since=0-0' \
  -H 'Authorization: Bearer {SECRET}'"
    );
    // The time makes each a click of its own: the same event twice is taken once.
    let click = format!(
        r#"curl {url}/webhook/{PRODUCT} \
  -H 'X-PostHog-Secret: {SECRET}' -d '
  {{"event":"$autocapture","event_type":"click",
   "timestamp":"'"$(date -u +%FT%TZ)"'",
   "session_id":"demo-posthog-1","distinct_id":"u_4471",
   "current_url":"https://app.northwind.example/billing",
   "button_or_link_text":"Upgrade plan"}}'"#
    );
    let show = format!(
        r"curl {url}/sessions/{PRODUCT}/demo-posthog-1 \
  -H 'X-Admin-Key: {ADMIN_KEY}'"
    );
    let deliveries = format!(
        r"curl '{url}/deliveries?limit=3' \
  -H 'X-Admin-Key: {ADMIN_KEY}'"
    );
    let count = format!("curl -s {url}/metrics | grep connector_notes");
    [
        ("the feed, from the beginning", listen),
        ("one more click by Ada, and a note", click),
        ("her session, as operators see it", show),
        ("the newest notes on their way out", deliveries),
        ("what is counted about notes", count),
    ]
}
