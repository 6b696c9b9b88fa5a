//! Any bytes as a request body: no panic, and every raw event is one action or one drop. The
//! first byte chooses what the path and the product say.
#![no_main]

use event_connector::domain::action::Provider;
use event_connector::ingest::{Settings, Wording, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else {
        return;
    };
    let forced = match choice % 4 {
        0 => None,
        1 => Some(Provider::Posthog),
        2 => Some(Provider::Amplitude),
        _ => Some(Provider::Fullstory),
    };
    let wording = if choice & 4 == 0 {
        Wording::Standard
    } else {
        Wording::Quoted
    };
    let settings = Settings {
        wording,
        ..Settings::default()
    };
    let Ok(batch) = read(body, forced, &settings, 100, 1_790_000_000.0) else {
        return;
    };
    let actions: usize = batch
        .shares
        .iter()
        .map(|share| share.activity.actions.len())
        .sum();
    assert_eq!(
        batch.received,
        actions + batch.dropped.values().sum::<usize>()
    );
});
