//! Names that lead, now or a moment later, to what must not be called.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use event_connector::clock::Clock;
use event_connector::delivery::admission::Terms;
use event_connector::delivery::client::Limits;
use event_connector::delivery::guard::{Guard, GuardedClient, Lookup};
use event_connector::delivery::push::{Push, Target};
use event_connector::fields::EndpointUrl;

use super::SECRET;
use super::guard::{address, with};
use super::receiver::{Answer, Receiver};

/// A name service that says one thing after the other, and the last one again and again.
struct Scripted(Mutex<VecDeque<Result<Vec<IpAddr>, ()>>>);

impl Scripted {
    fn new(answers: &[Result<&[&str], ()>]) -> Self {
        let read = |texts: &[&str]| texts.iter().map(|text| address(text)).collect();
        Self(Mutex::new(
            answers.iter().map(|one| one.map(read)).collect(),
        ))
    }
}

#[async_trait]
impl Lookup for Scripted {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.0.lock().expect("no test panics here");
        let answer = match answers.len() {
            1 => answers.front().cloned(),
            _ => answers.pop_front(),
        };
        answer
            .expect("something is scripted")
            .map_err(|()| io::Error::other("the name service is away"))
    }
}

/// Calls a name on the receiver's port; what came of it, and why.
async fn call(
    receiver: &Receiver,
    guard: &Guard,
    client: &GuardedClient,
    host: &str,
) -> (String, String) {
    let url = receiver.url("/in").replace("127.0.0.1", host);
    let url: EndpointUrl = EndpointUrl::parse(&url).expect("a URL");
    guard.check(url.url()).expect("a name is judged later");
    let target = Target {
        url: url.url().clone(),
        secret: SECRET.into(),
        retries_max: None,
        second_max: None,
        timeout_ms: None,
    };
    let targets = Arc::new(move |_: &_| Some(target.clone()));
    let push = Push::new(client.clone(), targets, Clock::system(), Terms::default());
    let told = push
        .test(&"acme".into(), "id")
        .await
        .expect("there is a target");
    (
        told.outcome.as_str().to_owned(),
        told.reason.unwrap_or_default().to_string(),
    )
}

fn client(guard: &Guard) -> GuardedClient {
    let limits = Limits {
        request_timeout_ms: 10_000,
        response_bytes_max: 1000,
    };
    GuardedClient::new(Clock::system(), limits, guard.clone()).expect("TLS starts")
}

const NOT_PUBLIC: &str = "nothing was sent: the host has an address that is not public, and \
                          push.allow_networks does not open it";

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_something_private_is_not_called() {
    let receiver = Receiver::start().await;
    for addresses in [
        &["127.0.0.1"][..],
        &["::1"],
        &["8.8.8.8", "127.0.0.1"],
        &["127.0.0.1", "8.8.8.8"],
        &["2606:4700::1111", "fe80::1"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
    ] {
        let guard = with(&[], Scripted::new(&[Ok(addresses)]));
        let client = client(&guard);
        for host in [
            "127.0.0.1.nip.example",
            "localhost",
            "metadata.google.internal",
        ] {
            let told = call(&receiver, &guard, &client, host).await;
            assert_eq!(
                told,
                ("later".to_owned(), NOT_PUBLIC.to_owned()),
                "{addresses:?}"
            );
        }
    }
    assert!(receiver.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_its_mind_is_judged_for_every_connection() {
    let receiver = Receiver::start().await;
    let close = vec![("connection", "close".to_owned())];
    receiver.otherwise(Answer::Plain(200, close, String::new()));
    // 127.0.0.1 stands for the public address that is answered first; all others of the machine are private.
    let script = Scripted::new(&[
        Ok(&["127.0.0.1"]),
        Ok(&["127.0.0.2"]),
        Ok(&["127.0.0.1", "127.0.0.2"]),
    ]);
    let guard = with(&["127.0.0.1"], script);
    let client = client(&guard);
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(call(&receiver, &guard, &client, "rebinding.example").await);
    }
    assert_eq!(told[0].0, "delivered");
    assert!(
        told[1..].iter().all(|(_, reason)| reason == NOT_PUBLIC),
        "{told:?}"
    );
    assert_eq!(receiver.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_cannot_be_judged_is_not_called() {
    let receiver = Receiver::start().await;
    for (answer, words) in [
        (Err(()), "nothing was sent: the name service is away"),
        (Ok(&[][..]), "nothing was sent: the host has no address"),
    ] {
        let guard = with(&["127.0.0.0/8"], Scripted::new(&[answer]));
        let told = call(&receiver, &guard, &client(&guard), "away.example").await;
        assert_eq!(told.1, words);
    }
    assert!(receiver.calls().is_empty());
}
