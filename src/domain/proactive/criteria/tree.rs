//! The tree of conditions.

use std::iter;

use serde_json::{Map, Value};

use super::kind;
use super::leaf::Leaf;
use super::reader::Reader;
use crate::domain::proactive::Context;
use crate::domain::proactive::text::as_text;

/// How many levels a tree may have.
pub const LEVELS_MAX: usize = 8;
/// How many groups and leaves a tree may have.
pub const NODES_MAX: usize = 64;

/// All conditions of an entry.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    /// Every node ahead of what is below it, so that whoever looks at the tree reads on.
    places: Box<[Place]>,
    /// The configured id of the leaf at each place; none of a group.
    ids: Box<[String]>,
    /// The leaves that time alone may make hold, so that most trees need not be gone through for them.
    timed: Box<[Leaf]>,
}

/// Where a node lies.
#[derive(Clone, Debug)]
struct Place {
    what: What,
    /// The first place that is not below it.
    end: usize,
}

/// What a node is.
#[derive(Clone, Debug)]
enum What {
    /// An AND group.
    All,
    /// An OR group.
    Any,
    /// A condition.
    Leaf(Leaf),
}

/// A node as it is read, and what is below it.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// An AND group.
    All(Vec<Node>),
    /// An OR group.
    Any(Vec<Node>),
    /// A condition, with its configured id.
    Leaf { id: String, leaf: Leaf },
}

impl Tree {
    pub(super) fn new(root: Node) -> Self {
        let (mut places, mut ids) = (Vec::new(), Vec::new());
        root.lay(&mut places, &mut ids);
        let leaves = places.iter().filter_map(|place| match &place.what {
            What::Leaf(leaf) => Some(leaf),
            What::All | What::Any => None,
        });
        let timed = leaves.filter(|leaf| leaf.waits_for_time());
        Self {
            timed: timed.cloned().collect(),
            places: places.into(),
            ids: ids.into(),
        }
    }

    /// Whether it holds.
    pub(super) fn matches(&self, context: &Context<'_>) -> bool {
        self.holds(0, context)
    }

    /// The ids of the leaves by which it matches.
    pub(super) fn matched(&self, context: &Context<'_>) -> Vec<&str> {
        let mut ids = Vec::new();
        let mut at = 0;
        while let Some(Place { what, end }) = self.places.get(at) {
            if !self.holds(at, context) {
                // What is below it is not why.
                at = *end;
                continue;
            }
            if matches!(what, What::Leaf(_)) {
                ids.push(&*self.ids[at]);
            }
            at += 1;
        }
        ids
    }

    /// The earliest later instant at which a leaf comes to match, and with it the tree, if the user does nothing more
    /// and it is sooner than `before`, Unix seconds. Whether the tree matches now is not asked.
    pub(super) fn deadline(&self, context: &Context<'_>, before: f64) -> Option<f64> {
        let mut then = context.at(self.next_leaf_at(context, before)?);
        // There is no NOT, so a tree only comes to match when one of its leaves does. Others may have stopped by then.
        while !self.matches(&then) {
            then.now = self.next_leaf_at(&then, before)?;
        }
        Some(then.now)
    }

    /// When the next leaf that waits for time comes to match, if that is sooner than `before`, Unix seconds.
    fn next_leaf_at(&self, context: &Context<'_>, before: f64) -> Option<f64> {
        let all = self
            .timed
            .iter()
            .filter_map(|leaf| leaf.holds_from(context));
        all.filter(|at| *at > context.now && *at < before)
            .reduce(f64::min)
    }

    /// Whether the node at a place holds.
    fn holds(&self, at: usize, context: &Context<'_>) -> bool {
        let Place { what, end } = &self.places[at];
        let below = || {
            let first = Some(at + 1).filter(|first| first < end);
            iter::successors(first, |at| {
                Some(self.places[*at].end).filter(|next| next < end)
            })
        };
        match what {
            What::All => below().all(|at| self.holds(at, context)),
            What::Any => below().any(|at| self.holds(at, context)),
            What::Leaf(leaf) => leaf.matches(context),
        }
    }
}

impl Node {
    /// Lays it and what is below it at the end.
    fn lay(self, places: &mut Vec<Place>, ids: &mut Vec<String>) {
        let at = places.len();
        let (id, what, below) = match self {
            Self::All(nodes) => (String::new(), What::All, nodes),
            Self::Any(nodes) => (String::new(), What::Any, nodes),
            Self::Leaf { id, leaf } => (id, What::Leaf(leaf), Vec::new()),
        };
        places.push(Place { what, end: 0 });
        ids.push(id);
        below.into_iter().for_each(|node| node.lay(places, ids));
        places[at].end = places.len();
    }

    /// How much it takes to find out, as far as an order needs it.
    fn cost(&self) -> usize {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().map(Self::cost).sum(),
            Self::Leaf { leaf, .. } => leaf.cost(),
        }
    }
}

/// Reads one tree.
pub(super) struct Trees<'a> {
    reader: &'a mut Reader,
    nodes: usize,
}

impl<'a> Trees<'a> {
    pub(super) fn new(reader: &'a mut Reader) -> Self {
        Self { reader, nodes: 0 }
    }

    /// The node at `pointer`; `None` when its structure is not one, which is noted.
    pub(super) fn read(&mut self, value: &Value, pointer: &str, level: usize) -> Option<Node> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            if self.nodes == NODES_MAX + 1 {
                let text = format!("must go: a tree has at most {NODES_MAX} groups and conditions");
                self.reader.flaw(pointer, text);
            }
            return None;
        }
        let Some(fields) = value.as_object() else {
            let text = "must be an object with id, name and type, or with id, name, operator and conditions";
            self.reader.flaw(pointer, text);
            return None;
        };
        let is_named = self.has(fields, "id", pointer) & self.has(fields, "name", pointer);
        let node = if fields.contains_key("operator") {
            self.group(fields, pointer, level)
        } else {
            self.leaf(fields, pointer)
        };
        node.filter(|_| is_named)
    }

    fn group(&mut self, fields: &Map<String, Value>, pointer: &str, level: usize) -> Option<Node> {
        let group = match fields.get("operator").and_then(Value::as_str) {
            Some("AND") => Some(Node::All as fn(Vec<Node>) -> Node),
            Some("OR") => Some(Node::Any as fn(Vec<Node>) -> Node),
            _ => {
                let text = "must be AND or OR, in capitals";
                self.reader.flaw(format!("{pointer}/operator"), text);
                None
            }
        };
        let pointer = format!("{pointer}/conditions");
        let conditions = fields.get("conditions").and_then(Value::as_array);
        let Some(conditions) = conditions.filter(|list| !list.is_empty()) else {
            self.reader
                .flaw(pointer, "must be a list of at least one condition");
            return None;
        };
        if level == LEVELS_MAX {
            let text = format!("must lie higher: a tree has at most {LEVELS_MAX} levels");
            self.reader.flaw(pointer, text);
            return None;
        }
        let nodes: Vec<_> = conditions
            .iter()
            .enumerate()
            .map(|(position, value)| self.read(value, &format!("{pointer}/{position}"), level + 1))
            .collect();
        let nodes: Option<Vec<Node>> = nodes.into_iter().collect();
        let mut nodes = nodes?;
        // Whatever the order, a group says the same, and mostly its first condition settles it.
        nodes.sort_by_key(Node::cost);
        Some(group?(nodes))
    }

    fn leaf(&mut self, fields: &Map<String, Value>, pointer: &str) -> Option<Node> {
        if !self.has(fields, "type", pointer) {
            return None;
        }
        let r#type = &fields["type"];
        let leaf = kind::read(r#type, fields.get("params"), pointer, self.reader);
        let id = fields.get("id").and_then(as_text);
        let id = id.or_else(|| as_text(r#type)).unwrap_or_default();
        Some(Node::Leaf {
            id: id.into_owned(),
            leaf,
        })
    }

    fn has(&mut self, fields: &Map<String, Value>, name: &str, pointer: &str) -> bool {
        let is_there = fields.contains_key(name);
        if !is_there {
            self.reader.flaw(format!("{pointer}/{name}"), MISSING);
        }
        is_there
    }
}

/// For a key that has to be there, whatever its value.
pub(super) const MISSING: &str = "is missing";
