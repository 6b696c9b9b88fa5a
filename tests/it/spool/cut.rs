//! Redis is away for one instance alone.

use std::sync::Arc;
use std::time::Duration;

use event_connector::store::redis::{self, Redis};
use event_connector::tasks::Tasks;
use serde_json::Value;
use tempfile::TempDir;

use super::{ROOM_BYTES, feed, lines, post, post_all, service_with, spool_in, until_empty};
use crate::chaos::{Chaos, Way, Weather};
use crate::redis::{OwnServer, SAFE, free_ports};
use crate::support::Service;
use crate::support::instance::Instance;

/// Two instances on one server, the first behind bad weather.
struct Cut {
    chaos: Chaos,
    first: Service,
    second: Instance,
    tasks: Tasks,
    _server: OwnServer,
    _folder: TempDir,
}

async fn cut() -> Cut {
    let port = free_ports(1).remove(0);
    let server = OwnServer::start(&[&SAFE[..], &["--port", &port]].concat());
    let tasks = Tasks::new();
    let address = format!("127.0.0.1:{port}").parse().expect("an address");
    let chaos = Chaos::start(address, 7, &tasks).await.expect("a port");
    let store = redis::Options {
        key_prefix: "shared".to_owned(),
        timeout: Duration::from_millis(300),
        instance: "behind the weather".to_owned(),
        ..redis::Options::new(chaos.url().replace("http:", "redis:").into())
    };
    let folder = tempfile::tempdir().expect("a directory");
    let spool = spool_in(folder.path(), ROOM_BYTES).await;
    let first = service_with(Redis::new(&store).expect("an address"), spool).await;
    let second = first.sibling(Arc::new(server.store("shared"))).await;
    Cut {
        chaos,
        first,
        second,
        tasks,
        _server: server,
        _folder: folder,
    }
}

impl Cut {
    /// Under this weather the first instance spools, the second goes on; afterwards both tell everything.
    async fn endures(self, weather: Weather) {
        let (first, urls) = (&self.first, [&self.first.url, &self.second.url]);
        for url in urls {
            let (status, told) = post(first, url, "s0", 1000).await;
            assert_eq!(status, 200, "{told}");
        }
        self.chaos.set(weather);
        assert_eq!(post_all(first, urls[0], 0..20).await, 20);
        for number in 100..110 {
            let (status, told) = post(first, urls[1], "s2", number).await;
            assert_eq!((status, &told["spooled"]), (200, &Value::Null), "{told}");
        }
        assert_eq!(
            feed(first, urls[1], 11).await,
            lines([1000].into_iter().chain(100..110))
        );
        self.chaos.set(Weather::default());
        until_empty(first, urls[0]).await;
        let told = feed(first, urls[1], 31).await;
        let expected = lines([1000].into_iter().chain(100..110).chain(0..20));
        assert_eq!(told, expected);
        assert_eq!(feed(first, urls[0], 31).await, expected);
        self.second.stop().await;
        self.tasks.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_cut_off_keeps_what_it_is_told() {
    let weather = Weather {
        down: true,
        ..Weather::default()
    };
    cut().await.endures(weather).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_redis_says_nothing_any_more_keeps_what_it_is_told() {
    let silent = Way {
        is_black_hole: true,
        ..Way::default()
    };
    let weather = Weather {
        request: silent,
        answer: silent,
        ..Weather::default()
    };
    cut().await.endures(weather).await;
}
