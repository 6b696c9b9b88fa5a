//! The whole service while somebody sets the clock.

use std::time::Duration;

use event_connector::clock::{Clock, Drift, Hand};
use event_connector::demo::intercom::{Call, Fault, Twist};
use event_connector::domain::log::Offset;

use crate::support::{Service, Setup, eventually};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

async fn service(setup: Setup) -> (Service, Hand) {
    let (clock, hand) = Clock::manual(1_789_000_000.0);
    let service = Service::with(Setup { clock, ..setup }).await;
    (service, hand)
}

/// Turns the clock in steps until the conversation has so many notes.
async fn notes(service: &Service, hand: &Hand, conversation: &str, count: usize) -> Vec<String> {
    service
        .notes(conversation, |notes| {
            hand.advance(Duration::from_millis(20));
            notes.len() == count
        })
        .await
}

/// The offsets and sentences from the beginning of the feed.
async fn feed(service: &Service, count: usize) -> Vec<(Offset, String)> {
    let mut feed = service.listen("?since=0-0", &[]).await;
    let mut seen = Vec::new();
    while seen.len() < count {
        let event = feed.next_event().await;
        let offset = Offset::parse(event.id.as_deref().expect("an id"));
        let told = event.told().pop().unwrap_or_else(|| event.data.clone());
        seen.push((offset.expect("an offset"), told));
    }
    seen
}

#[test]
fn drift_tells_what_was_set_and_not_what_passed() {
    let (clock, hand) = Clock::manual(1_789_000_000.0);
    let mut drift = Drift::new(&clock);
    hand.advance(Duration::from_secs(5));
    assert_eq!(drift.look(), 0);
    hand.set_wall(-HOUR_MS);
    hand.advance(Duration::from_secs(5));
    assert_eq!((drift.look(), drift.look()), (-HOUR_MS, 0));
    hand.set_wall(DAY_MS);
    assert_eq!(drift.look(), DAY_MS);
}

#[tokio::test]
async fn a_sleeper_waits_no_longer_because_the_clock_is_set_back() {
    let (clock, hand) = Clock::manual(1_789_000_000.0);
    let at_ms = clock.now_ms() + 150_000;
    let woken = async {
        clock.sleep_until_ms(at_ms).await;
        clock.now_ms()
    };
    let turning = async {
        hand.set_wall(-HOUR_MS);
        for _ in 0..200 {
            hand.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    let (woken_ms, ()) = tokio::join!(woken, turning);
    let late_ms = woken_ms.abs_diff(at_ms - HOUR_MS.unsigned_abs());
    assert!(late_ms <= 1_000, "{late_ms}");
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_grow_and_notes_arrive_while_the_clock_goes_back_and_forth() {
    let (service, hand) = service(Setup::default()).await;
    service.click("s1", "u1", "First").await;
    service.chat("c1", "u1", "").await;
    notes(&service, &hand, "c1", 1).await;
    let mut labels = vec!["First".to_owned()];
    for (number, set_ms) in [-HOUR_MS, DAY_MS, -2 * DAY_MS, 5_000, DAY_MS]
        .iter()
        .enumerate()
    {
        let label = format!("Button {number}");
        service.click("s1", "u1", &label).await;
        // In the middle of the pause that ends a note.
        hand.set_wall(*set_ms);
        let told = notes(&service, &hand, "c1", number + 2).await;
        assert!(told[number + 1].contains(&label), "{told:?}");
        labels.push(label);
    }
    let seen = feed(&service, labels.len()).await;
    assert!(
        seen.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "{seen:?}"
    );
    let sentences = seen.iter().zip(&labels);
    assert!(
        sentences
            .clone()
            .all(|((_, told), label)| told.contains(label))
    );
    // Whoever resumes at any of them misses nothing, with the clock behind them all.
    hand.set_wall(-10 * DAY_MS);
    let service = service.restart().await;
    service.click("s1", "u1", "Last").await;
    for (number, (offset, _)) in seen.iter().enumerate() {
        let mut feed = service
            .listen("", &[("last-event-id", &offset.to_string())])
            .await;
        let told = feed.next_actions(labels.len() - number).await;
        assert!(told.last().is_some_and(|last| last.contains("Last")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_does_not_wait_for_a_time_that_comes_twice() {
    for restarts in [false, true] {
        let setup = Setup::with("CONNECTOR__DELIVERY__RETRY_CAP_MS", "12000");
        let (mut service, hand) = service(setup).await;
        let wait = Twist::Answer {
            status: 503,
            headers: vec![("retry-after", "30".to_owned())],
            body: String::new(),
        };
        service
            .intercom
            .script(Call::Reply, Some("c1"), Fault::before(wait));
        service.click("s1", "u1", "Save").await;
        service.chat("c1", "u1", "").await;
        // The first attempt has failed and the next one has its time.
        eventually("a repetition waits", || async {
            let tried = service
                .metrics
                .delivery_seconds
                .with_label_values(&["intercom"]);
            let next = service.store.next_delivery_ms(&[]).await.expect("readable");
            match (tried.get_sample_count(), next) {
                (1.., Some(next_ms)) if next_ms > 1_789_000_020_000 => Ok(()),
                other => Err(other),
            }
        })
        .await;
        if restarts {
            service.stop().await;
        }
        hand.set_wall(-HOUR_MS);
        if restarts {
            service = service.restart().await;
        }
        for _ in 0..20 {
            hand.advance(Duration::from_millis(500));
            tokio::task::yield_now().await;
        }
        assert_eq!(service.intercom.posts("c1").len(), 0, "nothing is early");
        let posted = service
            .notes("c1", |notes| {
                hand.advance(Duration::from_millis(500));
                notes.len() == 1
            })
            .await;
        assert!(posted[0].contains("Save"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leap_forward_empties_no_feed_until_it_is_believed() {
    let setup = Setup::with("CONNECTOR__RETENTION__INTERVAL_MS", "100")
        .and("CONNECTOR__RETENTION__CLOCK_DOUBT_S", "600");
    let (service, hand) = service(setup).await;
    service.click("s1", "u1", "Kept").await;
    let jumps = service.metrics.clock_jumps.clone();
    let noticed = async |direction: &str, count: u64| {
        eventually("the clock's leap is noticed", || async {
            hand.advance(Duration::from_millis(100));
            match jumps.with_label_values(&[direction]).get() {
                seen if seen == count => Ok(()),
                seen => Err(seen),
            }
        })
        .await;
    };
    let removed = service.metrics.aged.with_label_values(&["entry"]);
    // A day ahead by mistake, and back again.
    hand.set_wall(DAY_MS + HOUR_MS);
    noticed("forward", 1).await;
    for _ in 0..100 {
        hand.advance(Duration::from_millis(100));
        tokio::task::yield_now().await;
    }
    assert_eq!(removed.get(), 0);
    hand.set_wall(-DAY_MS - HOUR_MS);
    noticed("back", 1).await;
    assert!(feed(&service, 1).await[0].1.contains("Kept"));

    // Ahead for good: after a restart it is still doubted, and in the end believed.
    service.stop().await;
    hand.set_wall(DAY_MS + HOUR_MS);
    let service = service.restart().await;
    for _ in 0..100 {
        hand.advance(Duration::from_millis(100));
        tokio::task::yield_now().await;
    }
    assert!(feed(&service, 1).await[0].1.contains("Kept"));
    hand.advance(Duration::from_secs(600));
    eventually("the old is gone", || async {
        hand.advance(Duration::from_millis(100));
        match service.metrics.aged.with_label_values(&["entry"]).get() {
            0 => Err(0),
            _ => Ok(()),
        }
    })
    .await;
    let gap = feed(&service, 1).await;
    assert!(gap[0].1.contains("gap"), "{gap:?}");
}
