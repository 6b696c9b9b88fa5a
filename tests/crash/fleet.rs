//! Several processes of the service on one Redis, and what can befall them.

use std::process::Command;
use std::thread;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use super::pages;
use super::redis::{OwnServer, SAFE};
use super::server::{Build, Home, Server};

/// How many instances there are.
const INSTANCES: usize = 3;

/// How long a delivery belongs to whoever leased it: hardly longer than the configuration asks of it.
pub(crate) const LEASE_MS: u64 = 5_400;

/// Keeps nothing on disk.
const FORGETFUL: [&str; 2] = ["--appendonly", "no"];

/// What is wrong with a fleet, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing.
    None,
    /// Redis writes nothing down.
    Forgetful,
    /// One instance uses keys of its own.
    Apart,
}

/// The instances and their Redis; all end when it is dropped.
pub(crate) struct Fleet {
    homes: Vec<Home>,
    servers: Vec<Option<Server>>,
    redis: OwnServer,
}

/// What befalls a fleet in the middle of its load.
#[derive(Clone, Debug)]
pub(crate) struct Calamity {
    /// Who dies.
    killed: Vec<usize>,
    /// Who stands still until its leases have run out.
    pub stopped: Option<usize>,
    /// Whether Redis dies as well.
    redis: bool,
    /// Who dies a moment later, over what the others have left behind.
    followed: Option<usize>,
    /// Whether those that live are left alone until they have finished what was begun.
    pub is_awaited: bool,
}

impl Calamity {
    /// One or two instances die, in every third round Redis too, or dies alone; in every eighth round one
    /// stands still. Where two are left one of them may follow. In every tenth round nobody is left.
    pub(crate) fn draw(chance: &mut impl Rng) -> Self {
        if chance.random_ratio(1, 10) {
            return Self::total();
        }
        let mut all: Vec<usize> = (0..INSTANCES).collect();
        all.shuffle(chance);
        let stopped = chance.random_ratio(1, 8).then(|| all.remove(0));
        let redis = stopped.is_none() && chance.random_ratio(1, 3);
        let least = usize::from(!redis && stopped.is_none());
        let mut left = all.split_off(chance.random_range(least..all.len()));
        let may_follow = left.len() > 1 && chance.random_ratio(1, 2);
        Self {
            killed: all,
            stopped,
            redis,
            followed: left.pop().filter(|_| may_follow),
            is_awaited: chance.random_ratio(1, 2),
        }
    }

    /// Everybody dies, so that nobody can tell from memory what Redis has lost.
    pub(crate) fn total() -> Self {
        Self {
            killed: (0..INSTANCES).collect(),
            stopped: None,
            redis: true,
            followed: None,
            is_awaited: false,
        }
    }

    /// Whether an instance dies.
    pub(crate) fn kills(&self, number: usize) -> bool {
        self.killed.contains(&number) || self.followed == Some(number)
    }
}

impl Fleet {
    /// Starts Redis and all instances, for the pages of this seed.
    pub(crate) fn start(intercom_url: &str, flaw: Flaw, seed: u64) -> Result<Self, String> {
        let redis = OwnServer::start(match flaw {
            Flaw::Forgetful => &FORGETFUL,
            Flaw::None | Flaw::Apart => &SAFE,
        });
        let (url, lease_ms) = (format!("{:?}", redis.url()), LEASE_MS.to_string());
        let home = |number| {
            let prefix = match flaw {
                Flaw::Apart if number + 1 == INSTANCES => "\"apart\"",
                _ => "\"shared\"",
            };
            let mut settings = pages::settings(seed);
            settings.extend([
                ("store.backend", "\"redis\""),
                ("redis.url", &url),
                ("redis.key_prefix", prefix),
                // What one instance keeps to itself comes behind what others are told meanwhile, and here the
                // order of a session is held to whichever instance is asked.
                ("spool.path", "\"\""),
                ("session.post_link_debounce_s", "0.03"),
                ("delivery.lease_ms", &lease_ms),
            ]);
            let home = Home::new(intercom_url, &settings);
            pages::move_in(&home).map(|()| home)
        };
        let mut fleet = Self {
            homes: (0..INSTANCES).map(home).collect::<Result<_, _>>()?,
            servers: (0..INSTANCES).map(|_| None).collect(),
            redis,
        };
        fleet.restore()?;
        Ok(fleet)
    }

    /// Where those are that live.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.running().map(|server| server.url.clone()).collect()
    }

    /// Lets it happen, all of it before anybody could help.
    pub(crate) fn suffer(&mut self, calamity: &Calamity) -> Result<(), String> {
        if calamity.redis {
            self.redis.kill();
        }
        if let Some(server) = calamity.stopped.and_then(|it| self.servers[it].as_ref()) {
            signal(server, "-STOP")?;
        }
        let killed = calamity.killed.iter();
        let mut killed = killed.filter_map(|&number| self.servers[number].as_ref());
        killed.try_for_each(|server| signal(server, "-KILL"))
    }

    /// Whoever follows dies.
    pub(crate) fn suffer_again(&self, calamity: &Calamity) -> Result<(), String> {
        let followed = calamity.followed.and_then(|it| self.servers[it].as_ref());
        followed.map_or(Ok(()), |server| signal(server, "-KILL"))
    }

    /// Redis lives again, on what it has written down.
    pub(crate) fn revive_redis(&mut self, calamity: &Calamity) {
        if calamity.redis {
            self.redis.resume();
        }
    }

    /// Whoever stood still goes on, whoever is dead starts again.
    pub(crate) fn recover(&mut self, calamity: &Calamity) -> Result<(), String> {
        if let Some(server) = calamity.stopped.and_then(|it| self.servers[it].as_ref()) {
            signal(server, "-CONT")?;
        }
        let dead = (0..INSTANCES).filter(|&number| calamity.kills(number));
        dead.for_each(|number| self.servers[number] = None);
        self.restore()
    }

    /// A line that says that something panicked.
    pub(crate) fn panics(&self) -> Option<String> {
        let lines = self.running().flat_map(Server::log);
        lines.into_iter().find(|line| line.contains("panicked"))
    }

    fn running(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().flatten()
    }

    /// Starts whoever is not there, all at the same time.
    fn restore(&mut self) -> Result<(), String> {
        thread::scope(|scope| {
            let missing = self.servers.iter_mut().zip(&self.homes);
            let missing = missing.filter(|(server, _)| server.is_none());
            let starting: Vec<_> = missing
                .map(|(server, home)| {
                    scope.spawn(move || home.start(Build::Release).map(|new| *server = Some(new)))
                })
                .collect();
            let mut started = starting.into_iter().map(|one| one.join());
            started.try_for_each(|one| one.map_err(|_| "a start panicked".to_owned())?)
        })
    }
}

/// Sends a signal to a process of the service.
pub(crate) fn signal(server: &Server, name: &str) -> Result<(), String> {
    let id = server.id().to_string();
    let sent = Command::new("kill").args([name, &id]).status();
    sent.map(drop).map_err(|error| error.to_string())
}
