//! Names on the wire, in plain words.

/// Why nothing is offered. A reason that only later services know is its own word.
pub(super) fn reason(name: &str) -> &str {
    match name {
        "opt_out" => "the product wants no offers (proactive_enabled)",
        "fsm:wrong_state" => {
            "the session is in the middle of something: an offer, a chat or a tour"
        }
        "fsm:cooldown" => "the session keeps quiet for a while after an offer, a chat or a tour",
        "resilience:min_interval" => "its last offer is too recent (proactive.min_interval_s)",
        "resilience:circuit_open" => "offers could not be delivered lately, and pause",
        "no_trigger" => "no trigger has anything to say",
        "quota:product_minute" => {
            "the product has made all its offers of this minute (proactive.product_minute_max)"
        }
        "quota:session_hour" => {
            "the session has had all its offers of this hour (proactive.session_hour_max)"
        }
        "quota:user_day" => "the user has had all their offers of today (proactive.user_day_max)",
        other => other,
    }
}

/// Whose offers a quota counts.
pub(super) fn quota(name: &str) -> &str {
    match name {
        "quota:product_minute" => "of the product in this minute",
        "quota:session_hour" => "in the session in this hour",
        "quota:user_day" => "to the user today",
        other => other,
    }
}

/// What a decision was asked by.
pub(super) fn occasion(name: &str) -> &str {
    match name {
        "poll" => "when the page asked",
        "batch" => "after what the user did",
        "deadline" => "after a while without the user doing anything",
        other => other,
    }
}

/// What became of an offer, about its trigger.
pub(super) fn ending(name: &str) -> &str {
    match name {
        "accepted" => "the user takes it",
        "dismissed" => "the user declines it",
        "timed_out" => "nobody answers it in time",
        "withdrawn" => "it is withdrawn, because the page begins anew",
        other => other,
    }
}

/// Who says that a session belongs to a conversation.
pub(super) fn authority(name: &str) -> &str {
    match name {
        "platform" => "as the chat platform says",
        "page" => "as the page says",
        "carried" => "carried over from the user's session before",
        other => other,
    }
}

/// A state as it is read.
pub(super) fn state(name: &str) -> String {
    name.replace('_', " ")
}

/// So many of something.
pub(super) fn count(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        many => format!("{many} {one}s"),
    }
}
