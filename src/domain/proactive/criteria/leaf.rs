//! The conditions at the ends of a tree.

use regex::Regex;

use super::needle::Needle;
use super::page;
use super::property::PropertyTest;
use crate::domain::action::ActionType;
use crate::domain::proactive::trigger::{PageDwell, PingPong};
use crate::domain::proactive::{Context, Seen};
use crate::domain::time;

/// One condition. Times without a bound are infinite.
#[derive(Clone, Debug)]
pub(super) enum Leaf {
    UrlContains(Box<str>),
    UrlMatches(Regex),
    UrlChange {
        from: Option<Box<str>>,
        to: Option<Box<str>>,
    },
    UserProperty(PropertyTest),
    RecentAction {
        title: Option<Needle>,
        r#type: Option<ActionType>,
        within_s: f64,
    },
    ActionCount {
        min: usize,
        within_s: f64,
    },
    RageClick {
        min: usize,
        within_s: f64,
    },
    Dwell {
        min_s: f64,
    },
    Idle {
        min_s: f64,
    },
    PingPong(PingPong),
    PageDwell(PageDwell),
    /// It cannot be used.
    Never,
}

impl Leaf {
    /// Whether it holds.
    pub(super) fn matches(&self, context: &Context<'_>) -> bool {
        match self {
            Self::UrlContains(part) => {
                page::current(context).is_some_and(|url| url.contains(&**part))
            }
            Self::UrlMatches(regex) => {
                page::current(context).is_some_and(|url| regex.is_match(url))
            }
            Self::UrlChange { from, to } => {
                page::newest_change(context).is_some_and(|(before, current)| {
                    from.as_deref().is_none_or(|part| before.contains(part))
                        && to.as_deref().is_none_or(|part| current.contains(part))
                })
            }
            Self::UserProperty(test) => test.matches(context.properties),
            Self::RecentAction {
                title,
                r#type,
                within_s,
            } => since(context, *within_s).any(|seen| {
                r#type.is_none_or(|wanted| seen.r#type == wanted)
                    && title.as_ref().is_none_or(|title| title.is_in(&seen.title))
            }),
            Self::ActionCount { min, within_s } => since(context, *within_s).count() >= *min,
            Self::RageClick { min, within_s } => is_rage(context, *min, *within_s),
            Self::PingPong(trigger) => trigger.fires(context),
            Self::PageDwell(trigger) => trigger.fires(context),
            Self::Dwell { .. } | Self::Idle { .. } => {
                self.holds_from(context).is_some_and(|at| context.now >= at)
            }
            Self::Never => false,
        }
    }

    /// From when on a leaf that waits for time matches if the user does nothing more, Unix seconds. Others have none:
    /// time alone does not make them match.
    pub(super) fn holds_from(&self, context: &Context<'_>) -> Option<f64> {
        match self {
            Self::Dwell { min_s } => Some(time::later(page::entered_at(context)?, *min_s)),
            Self::Idle { min_s } => Some(time::later(page::active_at(context)?, *min_s)),
            Self::PageDwell(trigger) => trigger.holds_from(context),
            _ => None,
        }
    }
}

/// The actions that are at most so old, the newest first.
fn since<'a>(context: &Context<'a>, within_s: f64) -> impl Iterator<Item = &'a Seen> {
    let now = context.now;
    let newest = context.actions.iter().rev();
    newest.filter(move |seen| now - seen.start <= within_s)
}

/// Whether `min` clicks on one thing of the current page lie within the time. Their own times count, not the present:
/// a provider may tell of them much later.
fn is_rage(context: &Context<'_>, min: usize, within_s: f64) -> bool {
    let page = page::current(context);
    // Where nobody knows of any page all of it is in one place.
    let is_here = |seen: &Seen| page.is_none_or(|page| seen.canonical_url == *page);
    let newest = context.actions.iter().rev();
    let clicks = newest.filter(|seen| seen.r#type == ActionType::Click && is_here(seen));
    let is_in_order = context
        .actions
        .is_sorted_by(|one, next| one.start <= next.start);
    let mut older = clicks.clone();
    while let Some(last) = older.next() {
        let is_near = |seen: &&Seen| (0.0..=within_s).contains(&(last.start - seen.start));
        let is_same = |seen: &&Seen| seen.title == last.title;
        let burst = if is_in_order {
            // Once one is too old all before it are.
            let near = older.clone().take_while(is_near);
            1 + near.filter(is_same).take(min - 1).count()
        } else {
            let near = clicks.clone().filter(is_near);
            near.filter(is_same).take(min).count()
        };
        if burst >= min {
            return true;
        }
    }
    false
}
