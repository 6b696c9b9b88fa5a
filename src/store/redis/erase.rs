//! Rows about a person: found page by page, and removed if they still are what was seen.

use redis::Value;
use serde::Deserialize;

use super::link::Link;
use super::log::offset;
use super::name;
use super::reply::{List, parse, surprise};
use super::script;
use crate::domain::id::{Key, ProductId};
use crate::domain::log::Offset;
use crate::store::erasure::{Place, Row, Rows, Subject, Table, Trace};
use crate::store::{Error, Listed};

/// About how many rows one page looks at.
const PAGE: usize = 500;

/// A row as `script/rows.lua` shows it.
struct Seen {
    name: String,
    fields: Vec<Vec<u8>>,
}

/// What is kept of an input or a row that could not be handled.
#[derive(Deserialize)]
struct Aside {
    address: String,
    content: String,
}

/// Looks through one page.
pub(super) async fn trace(link: &Link, subject: &dyn Subject, from: Place) -> Result<Trace, Error> {
    let product = subject.product();
    let answer = link.of(product, &script::TRACE, |command| {
        command
            .arg(kind(from.table))
            .arg(product.as_str())
            .arg(cursor(from))
            .arg(PAGE);
    });
    let (next, rows) = page(answer.await?)?;
    let mut trace = Trace {
        place: from,
        next: match next.as_str() {
            "" => Place::after_table(from.table),
            next => Some(Place {
                after: parse_cursor(from.table, next)?,
                ..from
            }),
        },
        ..Trace::default()
    };
    let mut names = Vec::new();
    for row in rows {
        if is_about(subject, from.table, &row) {
            note(&mut trace, product, &row);
            names.push(row.name);
        }
    }
    trace.rows = Rows::Named(names);
    Ok(trace)
}

/// Removes what is still about the person; answers how many rows.
pub(super) async fn erase(
    link: &Link,
    subject: &dyn Subject,
    trace: &Trace,
    now_ms: u64,
) -> Result<u64, Error> {
    let (product, table) = (subject.product(), trace.place.table);
    let Rows::Named(names) = &trace.rows else {
        return Ok(0);
    };
    let mut left: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut gone = 0;
    // What changes in between is looked at once more, until nothing of it is about the person.
    while !left.is_empty() {
        let look = link.of(product, &script::LOOK, |command| {
            command.arg(kind(table)).arg(product.as_str()).arg(&left);
        });
        let (_, mut rows) = page(look.await?)?;
        rows.retain(|row| is_about(subject, table, row));
        if rows.is_empty() {
            break;
        }
        let erase = link.of(product, &script::ERASE, |command| {
            command.arg(kind(table)).arg(product.as_str()).arg(now_ms);
            for row in &rows {
                let told = row.fields.last().map_or(&[][..], Vec::as_slice);
                command.arg(&row.name).arg(told);
            }
        });
        let erased = super::reply::count(erase.await?)?;
        gone += erased;
        if erased == rows.len() as u64 {
            break;
        }
        left.retain(|name| rows.iter().any(|row| row.name == *name));
    }
    Ok(gone)
}

fn kind(table: Table) -> &'static str {
    match table {
        Table::States => "states",
        Table::Log => "log",
        Table::Index => "index",
        Table::Outbox => "outbox",
        Table::Parked => "parked",
        Table::Quarantine => "aside",
    }
}

/// A place as the script reads it: of the log an offset, else a number.
fn cursor(from: Place) -> String {
    match from.table {
        Table::Log => Offset {
            ms: u64::try_from(from.after >> 64).unwrap_or(u64::MAX),
            n: u64::try_from(from.after & u128::from(u64::MAX)).unwrap_or(u64::MAX),
        }
        .to_string(),
        _ => from.after.to_string(),
    }
}

fn parse_cursor(table: Table, text: &str) -> Result<u128, Error> {
    match table {
        Table::Log => {
            let at = offset(text)?;
            Ok(u128::from(at.ms) << 64 | u128::from(at.n))
        }
        _ => parse(text),
    }
}

fn page(answer: Value) -> Result<(String, Vec<Seen>), Error> {
    let mut answer = List::of(answer)?;
    let next = answer.text()?;
    let mut rows = Vec::new();
    for row in answer.list()?.lists() {
        let mut row = row?;
        let name = row.text()?;
        let mut list = row.list()?;
        let mut fields = Vec::with_capacity(list.len());
        while list.len() > 0 {
            fields.push(list.bytes()?);
        }
        if fields.is_empty() {
            return Err(surprise("a row without fields"));
        }
        rows.push(Seen { name, fields });
    }
    Ok((next, rows))
}

impl Seen {
    /// A field as text, however damaged it is.
    fn text(&self, field: usize) -> std::borrow::Cow<'_, str> {
        let bytes = self.fields.get(field).map_or(&[][..], Vec::as_slice);
        String::from_utf8_lossy(bytes)
    }

    /// The kind and the identifier of the key that the row is of: of its name, or of a field.
    fn key(&self, table: Table) -> (String, String) {
        let within = match table {
            Table::Log | Table::Outbox => self.text(0).into_owned(),
            _ => after_slash(&self.name).to_owned(),
        };
        let (kind, id) = within.split_once('/').unwrap_or(("", &within));
        (kind.to_owned(), id.to_owned())
    }
}

/// The value of a stored index row, as well as it can be told.
fn value_of(stored: &str) -> &str {
    name::parse_fact(stored).map_or(stored, |(_, value)| value)
}

fn after_slash(text: &str) -> &str {
    text.split_once('/').map_or("", |(_, rest)| rest)
}

fn is_about(subject: &dyn Subject, table: Table, row: &Seen) -> bool {
    let (kind, id) = row.key(table);
    let (first, second, third) = (row.text(0), row.text(1), row.text(2));
    subject.is_about(&match table {
        Table::States => Row::State {
            kind: &kind,
            id: &id,
            state: &first,
        },
        Table::Log => Row::Entry {
            kind: &kind,
            id: &id,
            user_id: &second,
            body: &third,
        },
        Table::Index => Row::Fact {
            space: &kind,
            id: &id,
            value: value_of(&first),
        },
        Table::Outbox => Row::Delivery {
            kind: &kind,
            id: &id,
            body: &second,
        },
        Table::Parked | Table::Quarantine => {
            let aside: Option<Aside> = serde_json::from_str(&first).ok();
            return subject.is_about(&Row::Aside {
                address: aside.as_ref().map_or("", |aside| &aside.address),
                content: aside.as_ref().map_or(&first, |aside| &aside.content),
            });
        }
    })
}

/// Tells whoever asked whose row it is, or what it says.
fn note(trace: &mut Trace, product: &ProductId, row: &Seen) {
    let key: Option<Key> = match trace.place.table {
        Table::States => name::parse(&row.name),
        Table::Log => name::parse_within(product, &row.text(0)),
        Table::Index => {
            trace.values.push(value_of(&row.text(0)).into());
            None
        }
        Table::Outbox | Table::Parked | Table::Quarantine => None,
    };
    trace.keys.extend(key);
}

/// The rows of a space that is listed.
pub(super) fn listed(buckets: Vec<Value>) -> Result<Vec<Listed>, Error> {
    let mut listed = Vec::new();
    for bucket in buckets {
        for row in List::of(bucket)?.lists() {
            let mut row = row?;
            let (name, stored) = (row.text()?, row.text_if_any()?);
            let (Some(stored), Some((product, rest))) = (stored, name.split_once('/')) else {
                continue;
            };
            let id = rest.split_once('/').map_or(rest, |(_, id)| id);
            let value = value_of(&stored);
            listed.push(Listed {
                product: product.into(),
                id: id.into(),
                value: value.into(),
            });
        }
    }
    Ok(listed)
}
