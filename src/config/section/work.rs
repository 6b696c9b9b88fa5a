//! What is done with activity.

use serde::Serialize;

use super::{
    BODY_BYTES, CALLS, COUNT, KEPT_S, MAYBE_WAIT_MS, OFFERS, SEEN, UP_TO_A_YEAR_S, WAIT_MS,
};
use crate::config::check;
use crate::config::network::Network;
use crate::config::reader::Reader;

section! {
    /// Sessions: their policy, unless a product overrides it, and how many live in memory.
    Session = "session" {
        /// How old an action may be and still be kept for the first note.
        pre_link_window_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long a linked session must be quiet before its note is written.
        post_link_debounce_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// Width of the bins of a first note; 0 for none.
        bin_seconds: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long a session stays in conversation without interaction.
        interaction_timeout_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long it keeps quiet afterwards.
        cooldown_period_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long a link passes on to the user's next session.
        link_carry_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long a link request waits for its session.
        pending_link_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// The longest text of one note. A header and one line must fit.
        note_bytes_max: usize = whole(1000..=1 << 20),
        /// The most actions held for a note.
        window_actions_max: usize = whole(COUNT),
        /// The most sessions in memory.
        live_max: usize = whole(COUNT),
        /// The most messages waiting for one session.
        mailbox_max: usize = whole(COUNT),
        /// The most messages in one commit.
        batch_max: usize = whole(COUNT),
        /// How long a session stays in memory without a message.
        idle_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How often overdue sessions are looked for.
        sweep_ms: u64 = whole(WAIT_MS),
    }
}

section! {
    /// Speaking first.
    Proactive = "proactive" {
        /// How old an action may be and still be looked at by triggers.
        lookback_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// The most actions that triggers look at.
        actions_max: usize = whole(SEEN),
        /// How long what a batch suggested may be offered when the page asks.
        match_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long a page may stay silent in a chat or a tour until it counts as closed.
        page_idle_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// The least time between two offers to one session.
        min_interval_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// The most offers of one product in a minute.
        product_minute_max: u32 = whole(OFFERS),
        /// The most offers to one session in an hour.
        session_hour_max: u32 = whole(OFFERS),
        /// The most offers to one user in a day.
        user_day_max: u32 = whole(OFFERS),
        /// The most questions and reports of pages from one address in a minute.
        page_calls_per_minute: u32 = whole(CALLS),
        /// The same of all addresses together.
        page_calls_total_per_minute: u32 = whole(CALLS),
    }
}

section! {
    /// Notes on their way out.
    Delivery = "delivery" {
        /// Deliveries under way at the same time.
        workers: usize = whole(1..=1024),
        /// Of these, those of one account.
        account_workers: usize = whole(1..=1024),
        /// How long one attempt may take.
        request_timeout_ms: u64 = whole(WAIT_MS),
        /// How long a delivery belongs to its worker.
        lease_ms: u64 = whole(WAIT_MS),
        /// Attempts after the first.
        retries_max: u32 = whole(0..=1000),
        /// The first pause.
        retry_base_ms: u64 = whole(WAIT_MS),
        /// The longest pause.
        retry_cap_ms: u64 = whole(WAIT_MS),
        /// Calls in a row without a definite answer that close an account.
        breaker_failures: u32 = whole(1..=1000),
        /// How long it stays closed the first time.
        breaker_pause_ms: u64 = whole(WAIT_MS),
        /// How long it stays closed at most.
        breaker_pause_cap_ms: u64 = whole(WAIT_MS),
        /// How often refused credentials are tried again.
        refused_probe_ms: u64 = whole(WAIT_MS),
        /// How long a delivery waits for an account that takes none until somebody mends something; 0 for ever.
        give_up_after_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long a rate limit is waited for at most.
        rate_pause_cap_ms: u64 = whole(WAIT_MS),
        /// How far a vendor's clock may be from ours.
        clock_skew_ms: u64 = whole(MAYBE_WAIT_MS),
        /// How often the outbox is looked at without being told.
        poll_ms: u64 = whole(WAIT_MS),
        /// The largest vendor answer that is read.
        response_bytes_max: usize = whole(BODY_BYTES),
    }
}

section! {
    /// Calls to Intercom.
    Intercom = "intercom" {
        /// Where its API is, without a trailing slash; empty for the host of the product's region.
        base_url: String = parsed(String::new(), check::origin),
        /// The `Intercom-Version` header.
        version: String = parsed(String::new(), check::version),
    }
}

section! {
    /// Pushes to products' own endpoints.
    Push = "push" {
        /// Whether they may be called without TLS.
        allow_http: bool = flag(),
        /// Which networks are open to them beside the public internet.
        allow_networks: Vec<Network> = networks(),
        /// How long one attempt may take.
        timeout_ms: u64 = whole(WAIT_MS),
        /// Calls of one endpoint at the same time.
        endpoint_workers: usize = whole(1..=1024),
        /// Calls of one endpoint that begin within any second; 0 for as many as there are.
        endpoint_second_max: u32 = whole(0..=10_000),
        /// The most of an answer's body that is read.
        response_bytes_max: usize = whole(BODY_BYTES),
        /// How long an endpoint may only fail before it is disabled; 0 for ever.
        disable_after_s: f64 = seconds(UP_TO_A_YEAR_S),
    }
}

section! {
    /// Streams to subscribers.
    Feed = "feed" {
        /// How often a heartbeat is sent.
        heartbeat_ms: u64 = whole(WAIT_MS),
        /// Newest entries in memory per product.
        ring_entries: usize = whole(COUNT),
        /// Entries read from the store at once.
        page_entries: usize = whole(COUNT),
        /// Pending events per write.
        coalesce_entries: usize = whole(COUNT),
        /// How long a socket may accept nothing.
        write_timeout_ms: u64 = whole(WAIT_MS),
        /// The most subscribers per product.
        subscribers_max: usize = whole(COUNT),
        /// How long a stream may be begun with a token, unless told.
        token_s: f64 = seconds(KEPT_S),
        /// The most that may be told.
        token_max_s: f64 = seconds(KEPT_S),
    }
}
