//! Which raw events are user actions, and why the others are not (contract 3.6.1).

use super::raw::RawEvent;
use super::settings::{CustomEvents, Settings};
use crate::domain::action::{DropReason, Provider};

/// What the user did, before we know to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gesture {
    /// A page or screen was opened.
    Pageview,
    /// Click or touch.
    Click,
    /// Several impatient clicks.
    RageClick,
    /// A form was submitted.
    Submit,
    /// A value was changed.
    Change,
    /// A key was pressed.
    Keydown,
    /// A field received focus.
    Focus,
    /// A field lost focus.
    Blur,
    /// Something only the product knows.
    Custom,
}

/// Decides on one raw event: the name first, since vendors fill the interaction in for page
/// views too.
///
/// # Errors
/// The reason for dropping it.
pub(crate) fn judge(raw: &RawEvent<'_>, settings: &Settings) -> Result<Gesture, DropReason> {
    let name = raw
        .name
        .as_deref()
        .map(str::trim)
        .ok_or(DropReason::NoEventName)?;
    let gesture = match name {
        "$pageview" | "$screen" => Gesture::Pageview,
        "$rageclick" => Gesture::RageClick,
        // Its interaction is judged last: a server-side event has none worth reporting.
        "$autocapture" => Gesture::Click,
        _ if states_identity(name) => return Err(DropReason::Identity),
        _ if name.starts_with('$') => return Err(DropReason::LowSignal),
        _ if raw.provider == Provider::Amplitude && name.starts_with("[Amplitude] ") => {
            return Err(DropReason::LowSignal);
        }
        _ if settings.custom_events == CustomEvents::Drop => return Err(DropReason::CustomEvent),
        _ => Gesture::Custom,
    };
    if raw.url.is_none() && raw.session.is_none() {
        return Err(DropReason::NoUrlNoSession);
    }
    if name == "$autocapture" {
        interaction(raw)
    } else {
        Ok(gesture)
    }
}

/// Whether a raw event of that name states who somebody is, rather than carrying it as a label.
pub(crate) fn states_identity(name: &str) -> bool {
    matches!(name, "$identify" | "$set" | "$create_alias")
}

fn interaction(raw: &RawEvent<'_>) -> Result<Gesture, DropReason> {
    let Some(interaction) = raw.interaction.as_deref().map(str::trim) else {
        return if raw.has_element() {
            Ok(Gesture::Click)
        } else {
            Err(DropReason::NoEventType)
        };
    };
    [
        ("click", Gesture::Click),
        ("touch", Gesture::Click),
        ("submit", Gesture::Submit),
        ("change", Gesture::Change),
        ("input", Gesture::Change),
        ("keydown", Gesture::Keydown),
        ("focus", Gesture::Focus),
        ("blur", Gesture::Blur),
    ]
    .into_iter()
    .find(|(name, _)| interaction.eq_ignore_ascii_case(name))
    .map(|(_, gesture)| gesture)
    .ok_or(DropReason::UnknownEventType)
}
