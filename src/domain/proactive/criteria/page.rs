//! What a session's actions say about its pages.

use std::sync::Arc;

use crate::domain::proactive::{Context, Seen};

/// The pages of the actions that have one, the newest first. Those that are alike mostly are one text, so that comparing
/// them as they are is cheap.
fn urls<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a Arc<str>> {
    let newest = context.actions.iter().rev();
    newest
        .map(|seen: &Seen| &seen.canonical_url)
        .filter(|url| !url.is_empty())
}

/// The canonical URL of the current page.
pub(super) fn current<'a>(context: &Context<'a>) -> Option<&'a Arc<str>> {
    urls(context).next()
}

/// The current page and the one before it; `None` while there is only one.
pub(super) fn newest_change<'a>(context: &Context<'a>) -> Option<(&'a Arc<str>, &'a Arc<str>)> {
    let current = current(context)?;
    let before = urls(context).find(|url| *url != current)?;
    Some((before, current))
}

/// When the user came to the current page, as far back as can be seen, Unix seconds.
pub(super) fn entered_at(context: &Context<'_>) -> Option<f64> {
    let current = current(context)?;
    let newest = context.actions.iter().rev();
    newest
        .filter(|seen| !seen.canonical_url.is_empty())
        .take_while(|seen| seen.canonical_url == *current)
        .last()
        .map(|seen| seen.start)
}

/// When the user last did something, Unix seconds. Batches may arrive late, so the newest need not be the last one.
pub(super) fn active_at(context: &Context<'_>) -> Option<f64> {
    let starts = context.actions.iter().map(|seen| seen.start);
    starts.reduce(f64::max)
}
