//! The conditions at the ends of a tree.

use regex::Regex;

use super::part::{TitlePart, UrlPart};
use super::property::PropertyTest;
use crate::domain::action::ActionType;
use crate::domain::proactive::trigger::{PageDwell, PingPong};
use crate::domain::proactive::{Act, Context};
use crate::domain::time;

/// One condition, small because many are asked in turn. Times without a bound are infinite.
#[derive(Clone, Debug)]
pub(super) enum Leaf {
    UrlContains(UrlPart),
    UrlMatches(Regex),
    UrlChange {
        from: Option<UrlPart>,
        to: Option<UrlPart>,
    },
    UserProperty(Box<PropertyTest>),
    RecentAction {
        title: Option<TitlePart>,
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
    PingPong(Box<PingPong>),
    PageDwell(Box<PageDwell>),
    /// It cannot be used.
    Never,
}

impl Leaf {
    /// How much it takes to find out, as far as an order needs it.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::UrlMatches(_) => 8,
            Self::RecentAction { .. } | Self::RageClick { .. } | Self::PingPong(_) => 4,
            Self::UrlContains(_) | Self::UrlChange { .. } => 2,
            _ => 1,
        }
    }

    /// Whether time alone may make it hold.
    pub(super) fn waits_for_time(&self) -> bool {
        matches!(
            self,
            Self::Dwell { .. } | Self::Idle { .. } | Self::PageDwell(_)
        )
    }

    /// Whether it holds.
    pub(super) fn matches(&self, context: &Context<'_>) -> bool {
        let window = context.window();
        match self {
            Self::UrlContains(part) => part.is_in_page(window),
            Self::UrlMatches(regex) => window.page().is_some_and(|url| regex.is_match(url)),
            Self::UrlChange { from, to } => window.page_before().is_some_and(|before| {
                from.as_ref().is_none_or(|part| part.is_in(before))
                    && to.as_ref().is_none_or(|part| part.is_in_page(window))
            }),
            Self::UserProperty(test) => test.matches(context.properties),
            Self::RecentAction {
                title,
                r#type,
                within_s,
            } => {
                let is_it = |act: Act| {
                    r#type.is_none_or(|wanted| act.r#type == wanted)
                        && context.now - act.start <= *within_s
                };
                match title {
                    Some(title) => title.titled(window).any(is_it),
                    None => window.acts().rev().any(is_it),
                }
            }
            Self::ActionCount { min, within_s } => window.has_since(*min, context.now, *within_s),
            Self::RageClick { min, within_s } => window.has_burst(*min, *within_s),
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
            Self::Dwell { min_s } => Some(time::later(context.window().entered_at()?, *min_s)),
            Self::Idle { min_s } => Some(time::later(context.window().active_at()?, *min_s)),
            Self::PageDwell(trigger) => trigger.holds_from(context),
            _ => None,
        }
    }
}
