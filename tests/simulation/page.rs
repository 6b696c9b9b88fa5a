//! Pages of the application: they ask whether there is something to offer, and report what came of it. Whoever loses
//! patience does not ask again; a report is repeated until it is answered.

use std::sync::Arc;

use event_connector::domain::agent_state::Event;
use event_connector::domain::id::Key;
use event_connector::domain::session::{Input, Reply, Reporter};

use super::dice::Dice;
use super::people::People;

/// Everybody's pages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Page {
    pub(crate) people: People,
    /// A stream of its own: runs without offers are the same as if there were no pages.
    pub(crate) dice: Dice,
}

impl Page {
    /// Pages may do something now.
    pub(crate) fn act(&self) {
        let shape = &self.people.world.shape;
        if shape.policy.program.is_none() {
            return;
        }
        let tenant = self.dice.pick(&shape.products);
        let person = self.dice.pick(&tenant.people);
        let key = Key::session(&tenant.id, self.dice.pick(&person.sessions));
        // Several at once: one that is shown in two windows, or one that is loaded again.
        for _ in 0..self.dice.weigh(&[(3, 0), (4, 1), (2, 2), (1, 4)]) {
            let (page, key) = (self.clone(), key.clone());
            self.spawn(async move { page.ask(&key).await });
        }
        if self.dice.permille(150) {
            let (page, key) = (self.clone(), key.clone());
            self.spawn(async move { page.report(&key).await });
        }
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let book = self.people.book.clone();
        book.pages().waiting += 1;
        self.people.world.tasks.spawn("page", async move {
            work.await;
            book.pages().waiting -= 1;
        });
    }

    async fn ask(&self, key: &Key) {
        let Some(Reply::Polled(polled)) = self.call(key, Input::Poll).await else {
            return;
        };
        let Some(open) = &polled.open else { return };
        let offered = (key.clone(), open.id.to_string());
        self.people.book.pages().offered.push(offered);
        if self.dice.permille(700) {
            self.wait(10_000).await;
            self.report(key).await;
        }
    }

    async fn report(&self, key: &Key) {
        let event = *self.dice.pick(&Event::ALL);
        let reporter = *self
            .dice
            .pick(&[Reporter::Page, Reporter::Page, Reporter::Chat]);
        while self.people.world.is_foul() {
            let input = Input::Reported(event, reporter);
            if self.call(key, input).await.is_some() {
                return;
            }
            self.wait(4000).await;
        }
    }

    /// Asks any instance, as its door does: of sessions that are known only.
    async fn call(&self, key: &Key, input: Input) -> Option<Reply> {
        let last = self.people.world.shape.instances as u64 - 1;
        let to = usize::try_from(self.dice.among(0..=last)).unwrap_or(0);
        let up = self.people.fleet.get(to)?;
        let trace = &self.people.world.trace;
        trace.tell("page", format_args!("{input:?} of {key} to i{to}"));
        let (sessions, store) = (up.sessions.clone(), Arc::clone(&up.store));
        let own = key.clone();
        let work = async move {
            store.load(&own).await.ok()??;
            sessions.ask(&own, input, "page".into()).await.ok()
        };
        let answer = self.people.call(&up, work).await.flatten();
        trace.tell("page", format_args!("of {key} is told {answer:?}"));
        answer
    }

    async fn wait(&self, most_ms: u64) {
        let wait_ms = self.dice.among(1..=most_ms);
        self.people.world.wait_ms(wait_ms).await;
    }
}
