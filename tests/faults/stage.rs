//! The service under test, what is done to it, and what must hold of any fault.

use std::path::PathBuf;
use std::process::Command;

use event_connector::clock::Clock;
use event_connector::demo::intercom::{Intercom, Settings};
use event_connector::tasks::Tasks;
use reqwest::Response;
use serde_json::Value;

use super::look::{self, until};
use super::redis::{OwnServer, SAFE, is_redis};
use super::sent::{self, Sent};
use super::server::{ACCESS_TOKEN, ADMIN_ID, Build, CLIENT_SECRET, Home, Server};

/// The session whose labels are on the feed after all others.
const LAST: &str = "last";

/// A service, and everything it has acknowledged.
pub(crate) struct Stage {
    pub home: Home,
    pub client: reqwest::Client,
    pub build: Build,
    server: Option<Server>,
    /// Where its store is, if that is not a file.
    _redis: Option<OwnServer>,
    /// One entry per session.
    pub sent: Vec<Sent>,
}

/// What became of one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted,
    /// A 503 with `Retry-After` and this code.
    Refused(String),
}

impl Stage {
    /// Starts a service whose vendor is at `intercom_url`, with further settings.
    pub(crate) fn start(
        build: Build,
        intercom_url: &str,
        settings: &[(&str, &str)],
    ) -> Result<Self, String> {
        let redis = is_redis().then(|| OwnServer::start(&SAFE));
        let url = redis.as_ref().map(|redis| format!("{:?}", redis.url()));
        let mut settings = settings.to_vec();
        if let Some(url) = &url {
            settings.extend([("store.backend", "\"redis\""), ("redis.url", url)]);
        }
        let home = Home::new(intercom_url, &settings);
        let server = home.start(build)?;
        let client = reqwest::Client::builder().build();
        Ok(Self {
            home,
            client: client.map_err(|error| error.to_string())?,
            build,
            server: Some(server),
            _redis: redis,
            sent: Vec::new(),
        })
    }

    /// One without a vendor.
    pub(crate) fn alone(build: Build, settings: &[(&str, &str)]) -> Result<Self, String> {
        Self::start(build, "http://127.0.0.1:9", settings)
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    pub(crate) fn url(&self) -> &str {
        &self.server().url
    }

    /// A file of the store.
    pub(crate) fn file(&self, suffix: &str) -> PathBuf {
        let name = format!("data/event-connector.db{suffix}");
        self.home.path().join(name)
    }

    /// Posts a session's next action: first the one that was refused, if any. Anything but 200 and a
    /// proper 503 is an error.
    pub(crate) async fn post(&mut self, session: &str) -> Result<Answer, String> {
        let index = self.sent.iter().position(|one| one.session == session);
        let index = index.unwrap_or_else(|| {
            self.sent.push(Sent {
                session: session.to_owned(),
                ..Sent::default()
            });
            self.sent.len() - 1
        });
        let one = &self.sent[index];
        let next = sent::label(session, one.acknowledged.len());
        let label = one.open.clone().unwrap_or(next);
        let answer = sent::send(&self.client, self.url(), session, &label).await;
        let answer = read(answer.map_err(|error| format!("no answer: {error}"))?).await?;
        let one = &mut self.sent[index];
        if answer == Answer::Accepted {
            one.acknowledged.push(label);
            one.open = None;
        } else {
            one.open = Some(label);
        }
        Ok(answer)
    }

    /// Posts what was refused until it is taken.
    pub(crate) async fn post_open(&mut self) -> Result<(), String> {
        let refused = self.sent.iter().filter(|one| one.open.is_some());
        let sessions: Vec<_> = refused.map(|one| one.session.clone()).collect();
        for session in sessions {
            let answer = self.post(&session).await?;
            if answer != Answer::Accepted {
                return Err(format!("{session} after the fault: {answer:?}"));
            }
        }
        Ok(())
    }

    /// What `/readyz` says: `None` for ready, otherwise the reason.
    pub(crate) async fn trouble(&self) -> Result<Option<String>, String> {
        let answer = self.get("/readyz").await?;
        let status = answer.status();
        if status == 200 {
            return Ok(None);
        }
        if status != 503 || !answer.headers().contains_key("retry-after") {
            return Err(format!("/readyz was answered {status}"));
        }
        let problem = json(answer).await?;
        match problem["detail"].as_str() {
            Some(reason) if !reason.is_empty() => Ok(Some(reason.to_owned())),
            _ => Err(format!("/readyz gives no reason: {problem}")),
        }
    }

    pub(crate) async fn until_red(&self) -> Result<String, String> {
        until("/readyz is red", async || self.trouble().await).await
    }

    pub(crate) async fn until_green(&self) -> Result<(), String> {
        until("/readyz is green", async || {
            Ok(self.trouble().await?.is_none().then_some(()))
        })
        .await
    }

    /// The process answers, whatever else is wrong.
    pub(crate) async fn is_alive(&self) -> Result<(), String> {
        let status = self.get("/healthz").await?.status();
        (status == 200)
            .then_some(())
            .ok_or_else(|| format!("/healthz was answered {status}"))
    }

    /// One line of `/metrics`, 0 when it is not there.
    pub(crate) async fn metric(&self, line: &str) -> Result<f64, String> {
        let text = self.get("/metrics").await?.text().await;
        let text = text.map_err(|error| error.to_string())?;
        let value = |one: &str| one.strip_prefix(line)?.strip_prefix(' ')?.parse().ok();
        Ok(text.lines().find_map(value).unwrap_or(0.0))
    }

    async fn get(&self, path: &str) -> Result<Response, String> {
        let request = self.client.get(format!("{}{path}", self.url()));
        request.send().await.map_err(|error| error.to_string())
    }

    /// Waits until the log says `words`, which may be on its way still.
    pub(crate) async fn hear(&self, words: &str) -> Result<(), String> {
        let is_said = async || Ok((self.said(words) > 0).then_some(()));
        until(&format!("the log says {words:?}"), is_said).await
    }

    /// How often the log says `words`.
    pub(crate) fn said(&self, words: &str) -> usize {
        let log = self.server().log();
        log.iter().filter(|line| line.contains(words)).count()
    }

    /// SIGKILL, and a new process on the same files.
    pub(crate) fn restart(&mut self) -> Result<(), String> {
        self.stop()?;
        self.restart_as_found()
    }

    /// A new process on the files as they are.
    pub(crate) fn restart_as_found(&mut self) -> Result<(), String> {
        self.server = Some(self.home.start(self.build)?);
        Ok(())
    }

    /// SIGTERM, and wait until it has put everything away.
    pub(crate) fn stop_gently(&mut self) -> Result<(), String> {
        let mut server = self.server.take().expect("it runs");
        let id = server.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        asked.map_err(|error| error.to_string())?;
        server.wait()
    }

    /// SIGKILL; an error if anything panicked before.
    pub(crate) fn stop(&mut self) -> Result<(), String> {
        let server = self.server.take().expect("it runs");
        let log = server.log();
        server.kill();
        match log.iter().find(|line| line.contains("panicked")) {
            Some(line) => Err(format!("something panicked: {line}")),
            None => Ok(()),
        }
    }

    /// Everything acknowledged is on the feed, once and in order, and nothing else is.
    pub(crate) async fn feed_is_exact(&mut self) -> Result<usize, String> {
        if self.post(LAST).await? != Answer::Accepted {
            return Err("the last action was refused".to_owned());
        }
        let last = sent::label(LAST, self.acknowledged(LAST) - 1);
        let feed = look::read_feed(&self.client, self.url(), &last).await?;
        look::feed_is_exact(&feed, &self.sent)?;
        Ok(self.sent.iter().map(|one| one.acknowledged.len()).sum())
    }

    /// Takes back what was acknowledged and is not on the feed, which must be the last actions over all
    /// sessions; returns how many.
    pub(crate) async fn forget_what_is_missing(&mut self) -> Result<usize, String> {
        if self.post(LAST).await? != Answer::Accepted {
            return Err("the last action was refused".to_owned());
        }
        let last = sent::label(LAST, self.acknowledged(LAST) - 1);
        let feed = look::read_feed(&self.client, self.url(), &last).await?;
        let mut missing = 0;
        for one in &mut self.sent {
            let of_session = feed.iter().filter(|(session, _)| *session == one.session);
            let kept = of_session.count();
            missing += one.acknowledged.len().saturating_sub(kept);
            one.acknowledged.truncate(kept);
        }
        look::feed_is_exact(&feed, &self.sent)?;
        Ok(missing)
    }

    fn acknowledged(&self, session: &str) -> usize {
        let of_session = self.sent.iter().find(|one| one.session == session);
        of_session.map_or(0, |one| one.acknowledged.len())
    }
}

/// Takes an answer of a door apart.
pub(crate) async fn read(answer: Response) -> Result<Answer, String> {
    let status = answer.status();
    if status == 200 {
        return Ok(Answer::Accepted);
    }
    let may_retry = answer.headers().contains_key("retry-after");
    let problem = json(answer).await?;
    match problem["code"].as_str() {
        Some(code) if status == 503 && may_retry => Ok(Answer::Refused(code.to_owned())),
        _ => Err(format!("answered {status}: {problem}")),
    }
}

/// The body of an answer.
pub(crate) async fn json(answer: Response) -> Result<Value, String> {
    let text = answer.text().await.map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

/// A modelled vendor with the credentials that the service has.
pub(crate) async fn vendor(tasks: &Tasks) -> Result<Intercom, String> {
    let workspace = Settings {
        access_token: ACCESS_TOKEN.to_owned(),
        admin_id: ADMIN_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
    };
    Intercom::start(Clock::system(), tasks, workspace)
        .await
        .map_err(|error| error.to_string())
}
