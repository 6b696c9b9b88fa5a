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

/// Commands for a second terminal. Each is complete as it stands; lines end where a shell lets them.
pub(super) fn suggest(screen: &mut Screen, url: &str) {
    screen.heading(
        Style::Strong,
        "",
        "Still running. In a second terminal:",
        "",
    );
    let commands = [
        (
            "listen to the feed, from the beginning",
            format!(
                "curl -N '{url}/stream/{PRODUCT}?since=0-0' \\\n  -H 'Authorization: Bearer {SECRET}'"
            ),
        ),
        (
            "be Ada: one more click, and a note in her conversation",
            format!(
                "curl {url}/webhook/{PRODUCT} \\\n  -H 'X-PostHog-Secret: {SECRET}' -d '\n  \
                 {{\"event\":\"$autocapture\",\"event_type\":\"click\",\n   \
                 \"session_id\":\"demo-posthog-1\",\"distinct_id\":\"u_4471\",\n   \
                 \"current_url\":\"https://app.northwind.example/billing\",\n   \
                 \"button_or_link_text\":\"Upgrade plan\"}}'"
            ),
        ),
        (
            "what an operator is shown of her session",
            format!(
                "curl {url}/sessions/{PRODUCT}/demo-posthog-1 \\\n  -H 'X-Admin-Key: {ADMIN_KEY}'"
            ),
        ),
        (
            "what is counted",
            format!("curl -s {url}/metrics | grep connector_notes"),
        ),
    ];
    for (what, command) in commands {
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
