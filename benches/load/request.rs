//! Ingest requests as PostHog sends them: signed, about 1.5 KB, no two alike.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The secret of every product under load.
pub(crate) const SECRET: &str = "whsec_bench_0123456789abcdef0123456789abcdef";

/// How sessions are spread over several servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// All requests of a session go to the same server.
    Even,
    /// Each request of a session goes to another server than the one before.
    Alternating,
}

/// Makes requests to one product, over its sessions in turn.
#[derive(Clone)]
pub(crate) struct Requests {
    product: String,
    prefix: String,
    sessions: u64,
    next: u64,
    step: u64,
    key: Hmac<Sha256>,
}

impl Requests {
    /// Requests that go round `sessions` sessions of `product`, whose names begin with `prefix`.
    pub(crate) fn new(product: &str, prefix: &str, sessions: u64) -> Self {
        let key = Hmac::new_from_slice(SECRET.as_bytes()).expect("any length of key");
        Self {
            product: product.to_owned(),
            prefix: prefix.to_owned(),
            sessions,
            next: 0,
            step: 1,
            key,
        }
    }

    /// The share of worker `number` of `workers`: every `workers`th request.
    pub(crate) fn share(&self, number: u64, workers: u64) -> Self {
        Self {
            next: self.next + number,
            step: workers,
            ..self.clone()
        }
    }

    /// Goes on behind everything that `turns` turns may have sent.
    pub(crate) fn skip(&mut self, requests: u64) {
        self.next += requests;
    }

    /// The name of the session that the next request is about.
    pub(crate) fn next_session(&self) -> String {
        self.session(self.next)
    }

    /// Which of `servers` takes the next request.
    pub(crate) fn server(&self, route: Route, servers: usize) -> usize {
        let session = self.next % self.sessions;
        let turn = match route {
            Route::Even => session,
            Route::Alternating => session + self.next / self.sessions,
        };
        usize::try_from(turn).unwrap_or_default() % servers
    }

    /// The name of a session.
    pub(crate) fn session(&self, number: u64) -> String {
        format!("{}-{:06}", self.prefix, number % self.sessions)
    }

    /// Writes the next request into `buffer`.
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>) {
        let number = self.next;
        self.next += self.step;
        let body = self.body(number);
        let mut mac = self.key.clone();
        mac.update(body.as_bytes());
        let mut signature = String::with_capacity(64);
        for byte in mac.finalize().into_bytes() {
            let _ = write!(signature, "{byte:02x}");
        }
        let head = format!(
            "POST /webhook/{} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
             x-posthog-secret: sha256={signature}\r\ncontent-length: {}\r\n\r\n",
            self.product,
            body.len()
        );
        buffer.clear();
        buffer.extend_from_slice(head.as_bytes());
        buffer.extend_from_slice(body.as_bytes());
    }

    /// A click on a button deep in a page, as an HTTP destination posts it.
    fn body(&self, number: u64) -> String {
        let session = self.session(number);
        let user = number % self.sessions;
        format!(
            concat!(
                r#"{{"event":"$autocapture","event_type":"click","session_id":"{session}","#,
                r#""distinct_id":"user-{user}","email":"user-{user}@northwind.example","#,
                r#""current_url":"https://app.northwind.example/projects/alpha/settings/members?tab=roles","#,
                r#""referrer":"https://app.northwind.example/projects","#,
                r#""button_or_link_text":"Invite teammate {number}","#,
                r#""elements_chain":"{chain}"}}"#
            ),
            session = session,
            user = user,
            number = number,
            chain = CHAIN,
        )
    }
}

/// Eleven elements, as a page built of components has them.
const CHAIN: &str = r#"span.label.truncate:nth-child=\"2\"nth-of-type=\"1\"text=\"Invite teammate\";button.btn.btn-primary.btn-md.rounded-lg:attr__class=\"btn btn-primary btn-md rounded-lg\"attr__type=\"button\"attr__data-testid=\"invite-teammate\"nth-child=\"3\"nth-of-type=\"1\"text=\"Invite teammate\";div.toolbar.flex.items-center.gap-2:attr__class=\"toolbar flex items-center gap-2\"nth-child=\"1\"nth-of-type=\"1\";div.card-header:attr__class=\"card-header\"nth-child=\"1\"nth-of-type=\"1\";section.card.members:attr__class=\"card members\"attr__aria-label=\"Team members\"nth-child=\"2\"nth-of-type=\"1\";main.content:attr__class=\"content\"attr__id=\"content\"nth-child=\"2\"nth-of-type=\"1\";div.layout:attr__class=\"layout\"nth-child=\"1\"nth-of-type=\"1\";div.app-root:attr__id=\"root\"nth-child=\"1\"nth-of-type=\"1\";body.theme-light:attr__class=\"theme-light\"nth-child=\"2\"nth-of-type=\"1\""#;
