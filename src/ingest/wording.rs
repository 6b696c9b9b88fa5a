//! Titles and descriptions (contract 3.6.4), in the two styles a product may choose from. They are joined
//! from their pieces rather than formatted, which takes several times as long.

use super::filter::Gesture;
use super::label::{Label, Noun};
use super::settings::Wording;
use super::text::title_case;
use crate::domain::action::ActionType;

/// A title and a whole sentence.
pub(crate) type Words = (String, String);

/// The wire type of an action.
pub(crate) fn action_type(gesture: Gesture) -> ActionType {
    match gesture {
        Gesture::Pageview => ActionType::Pageview,
        Gesture::Click | Gesture::RageClick => ActionType::Click,
        Gesture::Submit => ActionType::Submit,
        Gesture::Change | Gesture::Keydown => ActionType::Type,
        Gesture::Focus => ActionType::Focus,
        Gesture::Blur => ActionType::Blur,
        Gesture::Custom => ActionType::Custom,
    }
}

/// Words for opening `page`, given in lower case.
pub(crate) fn pageview(wording: Wording, page: &str) -> Words {
    match wording {
        Wording::Standard => (
            ["Page Load: ", &title_case(page)].concat(),
            ["User landed on the ", page, " page"].concat(),
        ),
        Wording::Quoted => (
            ["Opened '", &title_case(page), "'"].concat(),
            ["The user opened the ", page, " page"].concat(),
        ),
    }
}

/// Words for an event of the product's own.
pub(crate) fn custom(wording: Wording, name: &str, page: Option<&str>) -> Words {
    let place = place(page);
    match wording {
        Wording::Standard => (name.to_owned(), ["User triggered ", name, &place].concat()),
        Wording::Quoted => (
            name.to_owned(),
            ["The user triggered '", name, "'", &place].concat(),
        ),
    }
}

/// Words for something done to an element.
pub(crate) fn interaction(
    wording: Wording,
    gesture: Gesture,
    label: &Label<'_>,
    page: Option<&str>,
) -> Words {
    let Verbs { present, past } = verbs(gesture, label.noun);
    let place = place(page);
    match wording {
        Wording::Standard => {
            let label = plain(label);
            (
                [present, " ", &label].concat(),
                ["User ", past, " ", &label, &place].concat(),
            )
        }
        Wording::Quoted => {
            let mut title = [past, " ", &quoted_text(label)].concat();
            if let Some(first) = title.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let description = ["The user ", past, " ", &quoted(label), &place].concat();
            (title, description)
        }
    }
}

struct Verbs {
    present: &'static str,
    past: &'static str,
}

fn verbs(gesture: Gesture, noun: Option<Noun>) -> Verbs {
    let (present, past) = match gesture {
        Gesture::RageClick => ("Rage click", "rage-clicked"),
        Gesture::Submit => ("Submit", "submitted"),
        Gesture::Change if noun.is_some_and(Noun::holds_choice) => ("Change", "changed"),
        Gesture::Change | Gesture::Keydown => ("Type in", "typed in"),
        Gesture::Focus => ("Focus", "focused"),
        Gesture::Blur => ("Leave", "left"),
        Gesture::Click | Gesture::Pageview | Gesture::Custom => ("Click", "clicked"),
    };
    Verbs { present, past }
}

fn place(page: Option<&str>) -> String {
    page.map(|page| [" on the ", page, " page"].concat())
        .unwrap_or_default()
}

/// Text and noun; the noun is not repeated, and without text only some nouns say enough.
fn plain(label: &Label<'_>) -> String {
    match (&label.text, label.noun) {
        (Some(text), Some(noun)) if ends_with_word(text, noun.as_str()) => text.to_string(),
        (Some(text), Some(noun)) => [text, " ", noun.as_str()].concat(),
        (Some(text), None) => text.to_string(),
        (None, noun) => nameless(noun).to_owned(),
    }
}

/// The text alone, in quotes.
fn quoted_text(label: &Label<'_>) -> String {
    match &label.text {
        Some(text) => ["'", text, "'"].concat(),
        None => nameless(label.noun).to_owned(),
    }
}

/// The quoted text with its article and noun.
fn quoted(label: &Label<'_>) -> String {
    match (&label.text, label.noun) {
        (Some(text), Some(noun)) if !ends_with_word(text, noun.as_str()) => {
            ["the '", text, "' ", noun.as_str()].concat()
        }
        (Some(text), _) => ["'", text, "'"].concat(),
        (None, noun) => ["the ", nameless(noun)].concat(),
    }
}

fn nameless(noun: Option<Noun>) -> &'static str {
    noun.filter(|noun| noun.stands_alone())
        .map_or("element", Noun::as_str)
}

fn ends_with_word(text: &str, word: &str) -> bool {
    let Some(start) = text.len().checked_sub(word.len()) else {
        return false;
    };
    let before = text.get(..start).unwrap_or("x");
    text.get(start..)
        .is_some_and(|end| end.eq_ignore_ascii_case(word))
        && !before.ends_with(char::is_alphanumeric)
}
