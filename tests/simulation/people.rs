//! Those who send: analytics that post what users do, and the platform and pages that ask for links.
//! All of them repeat what was not answered, elsewhere and at any time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_connector::domain::action::{ActionType, Activity, Identity, NewAction, Provider};
use event_connector::domain::id::{Key, UserId};
use event_connector::domain::session::index::{LinkRequest, Trust};
use event_connector::domain::session::{Input, Reply};
use event_connector::session::linker::{self, Resolution};
use tokio::sync::oneshot;

use super::book::{Ask, Book, Request};
use super::dice::Dice;
use super::instance::Up;
use super::shape::{Person, Tenant};
use super::world::World;

/// The instances that answer at the moment. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Fleet(Arc<Mutex<Vec<Option<Up>>>>);

impl Fleet {
    pub(crate) fn set(&self, ups: Vec<Option<Up>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ups;
    }

    pub(crate) fn get(&self, number: usize) -> Option<Up> {
        let ups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ups.get(number).cloned().flatten()
    }
}

/// Everybody who sends. Cheap to clone.
#[derive(Clone)]
pub(crate) struct People {
    pub(crate) world: World,
    pub(crate) fleet: Fleet,
    pub(crate) book: Book,
    pub(crate) dice: Dice,
}

impl People {
    /// A new request of one session, not sent yet; returns its number.
    pub(crate) fn write(&self, tenant: &Tenant, person: &Person) -> usize {
        let dice = &self.dice;
        let session = dice.pick(&person.sessions);
        let key = if dice.permille(950) {
            Key::session(&tenant.id, session)
        } else {
            Key::unsessioned(&tenant.id, 0)
        };
        let mut pages = self.book.pages();
        let number = pages.requests.len();
        let mut actions = Vec::new();
        if dice.permille(150) {
            let earlier = pages.requests.iter().rev().find(|one| one.key == key);
            actions.extend(earlier.and_then(|one| one.activity.actions.first().cloned()));
        }
        let mut own = Vec::new();
        for place in 0..dice.among(1..=3) {
            let action = action(&key, number, place, self.world.clock.now_s());
            own.push(action.description.clone());
            actions.push(action);
        }
        let is_identified = dice.permille(800);
        let identity = Identity {
            user_id: Some(person.user.clone()),
            email: Some(person.email.clone()),
            stated: dice.coin(),
        };
        pages.requests.push(Request {
            activity: Activity {
                identities: is_identified.then_some(identity).into_iter().collect(),
                actions,
                ..Activity::new(
                    *dice.pick(&[Provider::Posthog, Provider::Fullstory]),
                    1 << 40 | number as u64,
                )
            },
            is_identified: is_identified && key.session_id().is_some(),
            key,
            own,
            sent: self.world.trace.now(),
            answered: None,
        });
        number
    }

    /// Sends a request until it is answered, or until its sender loses patience.
    pub(crate) fn post(&self, number: usize) {
        let people = self.clone();
        self.book.pages().waiting += 1;
        let tries_max = if self.dice.permille(100) { 2 } else { u64::MAX };
        self.world.tasks.spawn("sender", async move {
            let mut tries = 0;
            while tries < tries_max && !people.try_post(number).await {
                tries += 1;
                people.world.wait_ms(people.dice.among(1..=4000)).await;
            }
            people.book.pages().waiting -= 1;
        });
    }

    async fn try_post(&self, number: usize) -> bool {
        let request = self.book.pages().requests.get(number).cloned();
        let Some(request) = request else { return true };
        let to = self.anybody();
        let Some(up) = self.fleet.get(to) else {
            return false;
        };
        let correlation_id: Arc<str> = format!("post-{number}").into();
        let trace = &self.world.trace;
        trace.tell("sender", format_args!("post-{number} to i{to}"));
        let (sessions, key) = (up.sessions.clone(), request.key.clone());
        let input = Input::Activity(request.activity.clone().into());
        let answer = self
            .call(&up, async move {
                sessions.ask(&key, input, correlation_id).await
            })
            .await;
        let event = trace.tell("sender", format_args!("post-{number} is told {answer:?}"));
        let Some(Ok(reply)) = answer else {
            return false;
        };
        let total = request.activity.actions.len();
        let is_whole = matches!(reply, Reply::Accepted { actions, duplicates } if actions + duplicates == total);
        if !is_whole {
            let text = format!("post-{number} with {total} actions: {reply:?}");
            trace.break_law("answers_are_whole", text);
        }
        let now_ms = self.world.clock.now_ms();
        let mut pages = self.book.pages();
        if let Some(request) = pages.requests.get_mut(number) {
            request.answered.get_or_insert((event, now_ms));
        }
        true
    }

    /// A new wish for a link, not sent yet; returns its number.
    pub(crate) fn wish(&self, tenant: &Tenant, person: &Person, conversation: &str) -> usize {
        let dice = &self.dice;
        let mut pages = self.book.pages();
        let number = pages.asks.len();
        let is_page = dice.permille(350);
        let named = dice.among(0..=2);
        let person = if is_page {
            linker::Person {
                session: Some(dice.pick(&person.sessions).clone()),
                ..linker::Person::default()
            }
        } else {
            linker::Person {
                session: None,
                user: (named != 0).then(|| person.user.clone()),
                email: (named != 1).then(|| person.email.to_uppercase()),
            }
        };
        pages.asks.push(Ask {
            product: tenant.id.clone(),
            person,
            request: LinkRequest {
                conversation: conversation.into(),
                trust: if is_page {
                    Trust::Page
                } else {
                    Trust::Platform
                },
                message: !is_page && dice.permille(700),
                notification_key: (!is_page).then_some(2 << 40 | number as u64),
            },
            sent: self.world.trace.now(),
            answers: Vec::new(),
        });
        number
    }

    /// Sends a wish until it is answered.
    pub(crate) fn ask(&self, number: usize) {
        let people = self.clone();
        self.book.pages().waiting += 1;
        self.world.tasks.spawn("asker", async move {
            while !people.try_ask(number).await {
                people.world.wait_ms(people.dice.among(1..=4000)).await;
            }
            people.book.pages().waiting -= 1;
        });
    }

    async fn try_ask(&self, number: usize) -> bool {
        let ask = self.book.pages().asks.get(number).cloned();
        let Some(ask) = ask else { return true };
        let to = self.anybody();
        let Some(up) = self.fleet.get(to) else {
            return false;
        };
        let trace = &self.world.trace;
        trace.tell(
            "asker",
            format_args!("ask-{number} to i{to}: {:?} {:?}", ask.person, ask.request),
        );
        let linker = up.linker.clone();
        let answer = self
            .call(&up, async move {
                let correlation_id = format!("ask-{number}").into();
                let linked = linker.link(&ask.product, &ask.person, &ask.request, correlation_id);
                linked.await
            })
            .await;
        let event = trace.tell("asker", format_args!("ask-{number} is told {answer:?}"));
        let Some(Ok(resolution)) = answer else {
            return false;
        };
        if resolution == Resolution::Unresolved {
            trace.break_law("answers_are_whole", format!("ask-{number}: unresolved"));
        }
        let now_ms = self.world.clock.now_ms();
        if let Some(ask) = self.book.pages().asks.get_mut(number) {
            ask.answers.push((event, now_ms, resolution));
        }
        true
    }

    /// Has an instance do something, and waits for its answer for a while.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        up: &Up,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.world.wait_ms(self.world.wire.among(1..=5)).await;
        let (answer, answered) = oneshot::channel();
        let gate = up.gate.clone();
        up.tasks.spawn("request", async move {
            gate.pass().await;
            let result = work.await;
            gate.pass().await;
            let _ = answer.send(result);
        });
        let limit = Duration::from_secs(30);
        let answered = self.world.clock.timeout(limit, answered).await?.ok();
        self.world.wait_ms(self.world.wire.among(1..=5)).await;
        answered
    }

    pub(crate) fn anybody(&self) -> usize {
        let last = self.world.shape.instances - 1;
        usize::try_from(self.dice.among(0..=last as u64)).unwrap_or(0)
    }
}

/// The action at one place of a request. Its sentence is unlike any other.
fn action(key: &Key, request: usize, place: u64, now_s: f64) -> NewAction {
    NewAction {
        duplicate_key: (request as u64) << 8 | place | 1 << 63,
        r#type: ActionType::Click,
        title: "Ask for help".to_owned(),
        description: format!("<{}.{request}.{place}>", key.id),
        at: Some(now_s),
        raw_url: String::new(),
        canonical_url: String::new(),
        user_id: None::<UserId>,
        email: None,
    }
}
