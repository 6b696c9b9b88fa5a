//! From a request body to what each session gets of it: the stages of contract 3.5 in order.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::filter::{Gesture, judge};
use super::json::Node;
use super::raw::RawEvent;
use super::settings::Settings;
use super::text::{capitalise, humanise, presentable};
use super::{
    decode, duplicate, identity, label, page, property, redact, shape, time, url, wording,
};
use crate::domain::action::{Activity, DropReason, NewAction, Provider};
use crate::domain::id::{SessionId, UserId};

/// Why a body is refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not JSON, or nested beyond reason. Answered 400.
    #[error("invalid json")]
    InvalidJson,
    /// It holds more raw events than allowed; none was taken. Answered 413.
    #[error("more than {max} events in one request")]
    TooManyEvents {
        /// The limit.
        max: usize,
    },
}

/// What one request holds. `received` is the sum of all actions and all drops.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Who sent it: the forced provider, else that of the first raw event we know the shape of.
    pub provider: Provider,
    /// How many raw events there were.
    pub received: usize,
    /// How many of them produced no action, by reason. Redeliveries are not known here yet.
    pub dropped: BTreeMap<DropReason, usize>,
    /// One share per session, in order of first appearance.
    pub shares: Vec<Share>,
}

/// What one session gets of a request. It may be identities or user properties alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The session; `None` for actions without one, which are grouped by user and carry no
    /// identities or properties: nobody else's action may take them over.
    pub session: Option<SessionId>,
    /// Where a share without session goes: a hash of its user, else of the request body. Zero
    /// with a session.
    pub spread: u64,
    /// The share itself.
    pub activity: Activity,
}

/// Reads a request body.
///
/// `forced` is the provider the path names; without it the body's shape decides. `received_at`
/// is receipt time in Unix seconds. Every raw event is judged alone: a bad one never rejects its
/// neighbours.
///
/// # Errors
/// [`Error::InvalidJson`] and [`Error::TooManyEvents`], in which case nothing was taken.
pub fn read(
    body: &[u8],
    forced: Option<Provider>,
    settings: &Settings,
    events_max: usize,
    received_at: f64,
) -> Result<Batch, Error> {
    let repaired;
    let root = match decode::parse(body) {
        Some(root) => root,
        None => {
            repaired = decode::repair(body).ok_or(Error::InvalidJson)?;
            decode::parse(repaired.as_bytes()).ok_or(Error::InvalidJson)?
        }
    };
    let reading = Reading {
        settings,
        received_at,
        body,
        body_key: OnceCell::new(),
    };
    reading.read(&root, forced, events_max)
}

/// What all raw events of one request share.
struct Reading<'s> {
    settings: &'s Settings,
    received_at: f64,
    body: &'s [u8],
    body_key: OnceCell<u64>,
}

impl Reading<'_> {
    /// The key of the whole body. Most requests never ask for it.
    fn body_key(&self) -> u64 {
        *self.body_key.get_or_init(|| duplicate::body_key(self.body))
    }

    fn read(&self, root: &Node<'_>, forced: Option<Provider>, max: usize) -> Result<Batch, Error> {
        let found = shape::find(root, forced, max).ok_or(Error::TooManyEvents { max })?;
        let first = found
            .iter()
            .map(|found| found.provider)
            .find(|one| *one != Provider::Unknown);
        let mut batch = Batch {
            provider: forced.or(first).unwrap_or(Provider::Unknown),
            received: found.len(),
            dropped: BTreeMap::new(),
            shares: Vec::new(),
        };
        let mut places = BTreeMap::new();
        for raw in found.into_iter().map(shape::Found::read) {
            let outcome = match &raw {
                Some(raw) => {
                    judge(raw, self.settings).and_then(|gesture| self.extract(raw, gesture))
                }
                None => Err(DropReason::UnrecognisedShape),
            };
            let action = match outcome {
                Ok(action) => Some(action),
                Err(reason) => {
                    *batch.dropped.entry(reason).or_default() += 1;
                    None
                }
            };
            if let Some(raw) = raw {
                self.file(raw, action, &mut batch.shares, &mut places);
            }
        }
        for Share { activity, .. } in &mut batch.shares {
            let actions = &mut activity.actions;
            actions.sort_by(|a, b| a.at.partial_cmp(&b.at).unwrap_or(Ordering::Equal));
            activity.body_key = match actions.as_slice() {
                // The only action of a body is recognised by its own key as well.
                [only] if batch.received == 1 => only.duplicate_key,
                _ => self.body_key(),
            };
        }
        Ok(batch)
    }

    /// Puts a raw event's action, identity and what it says of the user where they belong, if it has any.
    fn file<'n>(
        &self,
        raw: RawEvent<'n>,
        action: Option<NewAction>,
        shares: &mut Vec<Share>,
        places: &mut BTreeMap<(Option<Cow<'n, str>>, u64), usize>,
    ) {
        // Without a name it is not an event of anybody's.
        let carries_identity = raw.session.is_some() && raw.name.is_some();
        let identity = carries_identity.then(|| identity::identity(&raw)).flatten();
        let said = if carries_identity { &raw.said[..] } else { &[] };
        let is_empty = action.is_none() && identity.is_none();
        if is_empty && property::kept(said, self.settings).next().is_none() {
            return;
        }
        let spread = match (&raw.session, identity::user(&raw)) {
            (Some(_), _) => 0,
            (None, Some(user)) => duplicate::spread(user),
            (None, None) => self.body_key(),
        };
        let session = raw.session.as_deref().map(SessionId::from);
        let place = *places.entry((raw.session, spread)).or_insert_with(|| {
            // Depends on what else there is, and is given once all of it is there.
            let activity = Activity::new(raw.provider, 0);
            shares.push(Share {
                session,
                spread,
                activity,
            });
            shares.len() - 1
        });
        let Some(Share { activity, .. }) = shares.get_mut(place) else {
            return;
        };
        activity.actions.extend(action);
        property::add(activity, said, self.settings);
        if activity.identities.last() != identity.as_ref() {
            activity.identities.extend(identity);
        }
    }

    fn extract(&self, raw: &RawEvent<'_>, gesture: Gesture) -> Result<NewAction, DropReason> {
        let raw_url = raw
            .url
            .as_deref()
            .map(|url| redact::redact(url, &self.settings.redact_query_params));
        let canonical = raw_url.as_deref().map(url::canonical);
        let page = match &canonical {
            Some(url) => page::name(url),
            None => raw.screen.as_deref().and_then(page::screen_name),
        };
        let words = match gesture {
            Gesture::Pageview => {
                let page = page.ok_or(DropReason::PageviewWithoutUrl)?;
                wording::pageview(self.settings.wording, &page)
            }
            Gesture::Custom => {
                let name = raw
                    .name
                    .as_deref()
                    .and_then(custom_name)
                    .ok_or(DropReason::NoEventName)?;
                wording::custom(self.settings.wording, &name, page.as_deref())
            }
            _ => {
                let label = label::describe(raw);
                wording::interaction(self.settings.wording, gesture, &label, page.as_deref())
            }
        };
        let (title, description) = words;
        Ok(NewAction {
            duplicate_key: duplicate::key(raw),
            r#type: wording::action_type(gesture),
            title,
            description,
            at: Some(time::start(&raw.times, self.received_at)),
            raw_url: raw_url.map(Cow::into_owned).unwrap_or_default(),
            canonical_url: canonical
                .map(|url| url.into_text(self.settings.canonical_url_style))
                .unwrap_or_default(),
            user_id: identity::user(raw).map(UserId::from),
            email: identity::email(raw).map(str::to_owned),
        })
    }
}

/// An event name as a phrase: identifiers are turned into words, phrases are left as they are.
fn custom_name(name: &str) -> Option<String> {
    let phrase = if name.trim().contains(char::is_whitespace) {
        capitalise(name.trim())
    } else {
        humanise(name)
    };
    presentable(&phrase).map(Cow::into_owned)
}
