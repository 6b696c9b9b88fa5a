//! Which adapter reads a body: the path's, else the first whose shape fits (contract 3.4).

use super::json::{Fields, Node, get};
use super::raw::RawEvent;
use super::{amplitude, fullstory, posthog};
use crate::domain::action::Provider;

/// One raw event that has not been read yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'n> {
    /// Whose shape it has; [`Provider::Unknown`] when none fits.
    pub(crate) provider: Provider,
    /// Where it is.
    pub(crate) body: &'n Node<'n>,
}

impl<'n> Found<'n> {
    /// Reads it with its adapter; `None` when its shape turns out not to fit.
    pub(crate) fn read(self) -> Option<RawEvent<'n>> {
        match self.provider {
            Provider::Posthog => posthog::read(self.body),
            Provider::Amplitude => amplitude::read(self.body),
            Provider::Fullstory => fullstory::read(self.body),
            Provider::Unknown => None,
        }
    }
}

/// Lists the raw events of a body in order, or `None` when there are more than `max`.
pub(crate) fn find<'n>(
    root: &'n Node<'n>,
    forced: Option<Provider>,
    max: usize,
) -> Option<Vec<Found<'n>>> {
    let mut search = Search {
        forced,
        max,
        found: Vec::new(),
    };
    search.visit(root).then_some(search.found)
}

struct Search<'n> {
    forced: Option<Provider>,
    max: usize,
    found: Vec<Found<'n>>,
}

impl<'n> Search<'n> {
    /// Collects what is in `node`; `false` as soon as there is too much. Recursion follows the
    /// nesting of the JSON, which the parser bounds.
    fn visit(&mut self, node: &'n Node<'n>) -> bool {
        match node {
            Node::List(items) => items.iter().all(|item| self.visit(item)),
            Node::Object(fields) => self.visit_object(node, fields),
            _ => self.take(Provider::Unknown, node),
        }
    }

    fn visit_object(&mut self, node: &'n Node<'n>, fields: &'n Fields<'n>) -> bool {
        match (self.forced, get(fields, "events"), get(fields, "batch")) {
            (None | Some(Provider::Amplitude), Some(Node::List(members)), _) => {
                return self.take_members(Provider::Amplitude, members);
            }
            (None | Some(Provider::Posthog), _, Some(Node::List(members))) => {
                return self.take_members(Provider::Posthog, members);
            }
            _ => {}
        }
        match (get(fields, "hook"), get(fields, "data")) {
            (Some(Node::Object(_)), Some(data @ Node::Object(_)))
                if matches!(self.forced, None | Some(Provider::Posthog)) =>
            {
                self.visit(data)
            }
            _ => self.take(self.provider_of(fields), node),
        }
    }

    /// Whose single raw event an object is.
    fn provider_of(&self, fields: &Fields<'_>) -> Provider {
        let has = |key| get(fields, key).is_some();
        let posthog = matches!(
            get(fields, "event"),
            Some(Node::Object(_) | Node::Text(_) | Node::Number(_) | Node::Bool(_))
        );
        let amplitude = matches!(get(fields, "event_type"), Some(Node::Text(_)))
            && !has("event")
            && (self.forced.is_some()
                || matches!(get(fields, "event_properties"), Some(Node::Object(_))));
        let fullstory = has("page_url")
            && (has("target_text") || has("element_name") || has("session_replay_url"));
        let fits = [
            (Provider::Posthog, posthog),
            (Provider::Fullstory, fullstory),
            (Provider::Amplitude, amplitude),
        ];
        fits.into_iter()
            .find(|(provider, fits)| *fits && self.forced.is_none_or(|forced| forced == *provider))
            .map_or(Provider::Unknown, |(provider, _)| provider)
    }

    /// Takes the members of a list whose adapter is settled; what is no object fits none.
    fn take_members(&mut self, provider: Provider, members: &'n [Node<'n>]) -> bool {
        members.iter().all(|member| match member {
            Node::Object(_) => self.take(provider, member),
            _ => self.take(Provider::Unknown, member),
        })
    }

    fn take(&mut self, provider: Provider, body: &'n Node<'n>) -> bool {
        self.found.push(Found { provider, body });
        self.found.len() <= self.max
    }
}
