//! What is shown over restarts and bad connections.

use event_connector::tasks::Tasks;
use serde_json::json;

use super::{Tail, subscribed};
use crate::chaos::{Chaos, Way, Weather};
use crate::cli::{Serving, write_products};
use crate::redis::free_ports;
use crate::support::{SECRET, Service, Setup, click, eventually};

/// A service of its own process, on a port that stays the same.
struct Restarted {
    home: tempfile::TempDir,
    bind: String,
}

impl Restarted {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        write_products(
            home.path(),
            &json!([{"product_id": "acme", "webhook_secret": SECRET}]),
        );
        let bind = format!("127.0.0.1:{}", free_ports(1).remove(0));
        Self { home, bind }
    }

    async fn serve(&self) -> Serving {
        Serving::start_with(self.home.path(), &[("CONNECTOR__HTTP__BIND", &self.bind)])
    }

    async fn act(&self, label: &str) {
        let client = reqwest::Client::builder().build().expect("a client");
        let request = client.post(format!("http://{}/webhook/acme", self.bind));
        let request = request.header("x-posthog-secret", SECRET);
        let answer = request.body(click("s1", "u1", label).to_string()).send();
        assert_eq!(answer.await.expect("an answer").status(), 200);
    }

    async fn is_followed(&self) {
        let client = reqwest::Client::builder().build().expect("a client");
        let url = format!("http://{}/metrics", self.bind);
        eventually("it is followed", || async {
            let answer = client.get(&url).send().await.expect("an answer");
            let text = answer.text().await.expect("a text");
            let line = "connector_stream_subscribers{product=\"acme\"} 1\n";
            if text.contains(line) {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_restarts_of_the_service_nothing_is_missed_and_nothing_told_twice() {
    let place = Restarted::new();
    let mut service = place.serve().await;
    let tail = Tail::start(&format!("http://{}", place.bind), &[], &[]);
    place.is_followed().await;
    // Nothing has been told yet, so there is no event to go on behind.
    service.signal("-KILL");
    service.child.wait().expect("it ends");
    let mut service = place.serve().await;
    place.act("One").await;
    place.act("Two").await;
    assert_eq!(tail.actions(2).await, ["Click One", "Click Two"]);
    service.signal("-TERM");
    service.child.wait().expect("it ends");
    let mut service = place.serve().await;
    // Nothing comes on this stream before it ends.
    place.is_followed().await;
    service.signal("-TERM");
    service.child.wait().expect("it ends");
    let _service = place.serve().await;
    place.act("Three").await;
    place.is_followed().await;
    place.act("Four").await;
    tail.lines(4).await;
    tail.signal("-INT");
    let told = tail.actions(4).await;
    assert_eq!(
        told,
        ["Click One", "Click Two", "Click Three", "Click Four"]
    );
    let (code, out, err) = tail.ends();
    assert_eq!((code, out.lines().count()), (Some(0), 4), "{err}");
    assert_eq!(err.lines().count(), 3, "one line for each time: {err}");
    assert!(
        err.lines().all(|line| line.contains("the feed is away")),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_on_which_nothing_comes_is_opened_anew() {
    let heartbeat = "CONNECTOR__FEED__HEARTBEAT_MS";
    let service = Service::with(Setup::with(heartbeat, "100")).await;
    let tasks = Tasks::new();
    let address = service.address().parse().expect("an address");
    let chaos = Chaos::start(address, 5, &tasks).await.expect("a port");
    let tail = Tail::start(&chaos.url(), &["--types", "actions"], &[(heartbeat, "100")]);
    subscribed(&service, 1).await;
    service.click("s1", "u1", "One").await;
    tail.lines(1).await;
    let is_silent = Way {
        is_black_hole: true,
        ..Way::default()
    };
    chaos.set(Weather {
        answer: is_silent,
        ..Weather::default()
    });
    service.click("s1", "u1", "Two").await;
    tail.remarks("nothing came for 0 s").await;
    chaos.set(Weather::default());
    assert_eq!(tail.actions(2).await, ["Click One", "Click Two"]);
    chaos.set(Weather {
        down: true,
        ..Weather::default()
    });
    service.click("s1", "u1", "Three").await;
    chaos.set(Weather::default());
    assert_eq!(
        tail.actions(3).await,
        ["Click One", "Click Two", "Click Three"]
    );
    tasks.stop();
}
