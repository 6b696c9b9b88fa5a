//! Any text as an element chain: no panic, and no more elements than there is text.
#![no_main]

use event_connector::ingest::chain::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|chain: &str| {
    let elements = parse(chain);
    assert!(elements.len() <= chain.len());
    for element in &elements {
        assert!(element.classes().iter().all(|class| !class.is_empty()));
    }
});
