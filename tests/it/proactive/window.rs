//! What conditions ask of a session's actions, held to its definition.

use std::cell::Cell;

use event_connector::domain::action::ActionType;
use event_connector::domain::proactive::{Actions, Context, Properties, Seen};
use memchr::memmem::Finder;
use proptest::prelude::*;

use super::kept;

/// The present.
const NOW: f64 = 100.0;

fn actions() -> impl Strategy<Value = Vec<Seen<'static>>> {
    let url = prop::sample::select(vec!["", "https://a.example", "https://b.example"]);
    // Titles that hold one another, reach into one another, and become longer in lower case.
    let title = "[aAbBİß ]{0,4}";
    let r#type = prop::sample::select(vec![ActionType::Click, ActionType::Pageview]);
    let one = (url, title, r#type, 0..100_u8).prop_map(|(url, title, r#type, at)| Seen {
        canonical_url: url.into(),
        r#type,
        title: title.into(),
        start: f64::from(at),
        end: f64::from(at),
    });
    let some = prop::collection::vec(one, 0..12);
    (some, any::<bool>()).prop_map(|(mut actions, is_in_order)| {
        if is_in_order {
            actions.sort_by(|one, next| one.start.total_cmp(&next.start));
        }
        actions
    })
}

fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// As it is kept.
fn remembered<'a>(seen: &Seen<'a>) -> Seen<'a> {
    Seen {
        title: lower(&seen.title).into(),
        ..seen.clone()
    }
}

proptest! {
    #[test]
    fn actions_are_kept_as_they_were_seen_until_they_are_too_old_or_too_many(
        actions in actions(),
        oldest in 0..100_u8,
        most in 1..14_usize,
    ) {
        let oldest = f64::from(oldest);
        let mut left = kept(&actions);
        prop_assert!(left.iter().eq(actions.iter().map(remembered)));
        left.trim(oldest, most);
        let newest = actions.len().saturating_sub(1);
        let places = actions.iter().enumerate();
        let stay = places.filter(|(place, seen)| *place == newest || seen.start >= oldest);
        let stay: Vec<_> = stay.map(|(_, seen)| seen.clone()).collect();
        let is_old = actions.last().is_some_and(|seen| seen.start < oldest);
        let stay = &stay[stay.len().saturating_sub(most + usize::from(is_old))..];
        prop_assert!(left.iter().eq(stay.iter().map(remembered)));
        // As if nobody else had ever been there.
        prop_assert_eq!(left, kept(stay));
    }

    #[test]
    fn the_page_is_the_newest_known_and_was_entered_after_any_other(actions in actions()) {
        let (none, newest) = (Properties::new(), || actions.iter().rev());
        let all = kept(&actions);
        let context = Context::new(NOW, &all, None, &none);
        let window = context.window();
        let known = || newest().filter(|seen| !seen.canonical_url.is_empty());
        let url = |seen: &'_ Seen<'_>| seen.canonical_url.to_string();
        let page = known().next().map(url);
        prop_assert_eq!(window.page(), page.as_deref());
        let other = known().find(|seen| Some(url(seen)) != page);
        let other = other.map(url);
        prop_assert_eq!(window.page_before(), other.as_deref());
        let stay = known().take_while(|seen| Some(url(seen)) == page);
        prop_assert_eq!(window.entered_at(), stay.last().map(|seen| seen.start));
        let last = actions.iter().map(|seen| seen.start).reduce(f64::max);
        prop_assert_eq!(window.active_at(), last);
    }

    #[test]
    fn actions_are_found_by_age_and_title(
        actions in actions(),
        part in "[aAbBß ]{1,3}",
        within_s in 0..120_u8,
    ) {
        let none = Properties::new();
        let all = kept(&actions);
        let context = Context::new(NOW, &all, None, &none);
        let window = context.window();
        let within_s = f64::from(within_s);
        let young = actions.iter().filter(|seen| NOW - seen.start <= within_s).count();
        for min in 0..=actions.len() + 1 {
            prop_assert_eq!(window.has_since(min, NOW, within_s), young >= min);
        }
        let part = lower(&part);
        let finder = Finder::new(&part);
        let titled = actions.iter().filter(|seen| lower(&seen.title).contains(&part));
        let titled: Vec<_> = titled.map(|seen| (seen.r#type, seen.start)).collect();
        let found = window.titled(&finder).map(|act| (act.r#type, act.start));
        prop_assert_eq!(found.collect::<Vec<_>>(), titled);
    }

    #[test]
    fn a_burst_is_so_many_clicks_on_one_thing_of_the_page_within_the_time(
        actions in actions(),
        min in 1..4_usize,
        within_s in 0..60_u8,
    ) {
        let none = Properties::new();
        let all = kept(&actions);
        let context = Context::new(NOW, &all, None, &none);
        let window = context.window();
        let within_s = f64::from(within_s);
        let is_here = |seen: &&Seen<'_>| window.page().is_none_or(|page| *page == seen.canonical_url);
        let is_click = |seen: &&Seen<'_>| seen.r#type == ActionType::Click;
        let clicks: Vec<_> = actions.iter().filter(is_here).filter(is_click).collect();
        let is_burst = clicks.iter().any(|last| {
            let alike = clicks.iter().filter(|click| lower(&click.title) == lower(&last.title));
            let near = alike.filter(|click| (0.0..=within_s).contains(&(last.start - click.start)));
            near.count() >= min
        });
        prop_assert_eq!(window.has_burst(min, within_s), is_burst);
    }
}

#[test]
fn what_is_asked_of_the_page_is_found_out_once_for_all_who_ask() {
    let none = Properties::new();
    let on = |page: &'static str| Seen {
        canonical_url: page.into(),
        r#type: ActionType::Pageview,
        title: "Open".into(),
        start: 1.0,
        end: 1.0,
    };
    let all = kept(&[on("https://a.example"), on("https://b.example")]);
    let context = Context::new(NOW, &all, None, &none);
    let window = context.window();
    let asked = Cell::new(0);
    // More than can be remembered.
    for round in 0..3 {
        for number in 0..70 {
            let holds = window.of_page(number, |page| {
                asked.set(asked.get() + 1);
                page == "https://b.example" && number % 3 == 0
            });
            assert_eq!(holds, number % 3 == 0, "{number} in round {round}");
        }
    }
    assert_eq!(asked.get(), 64 + 3 * 6);
    let nowhere = Actions::default();
    let context = Context::new(NOW, &nowhere, None, &none);
    assert!(!context.window().of_page(0, |_| true));
}
