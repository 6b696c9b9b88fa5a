//! Conditions on what is known of the user.

use std::sync::Arc;

use serde_json::Value;

use super::reader::Refusal;
use crate::domain::proactive::{Properties, Scalar};

/// A condition on one property. Only an unknown property does not exist; every other comparison needs a known one.
#[derive(Clone, Debug)]
pub(super) struct PropertyTest {
    key: Arc<str>,
    comparison: Comparison,
}

/// Texts compare exactly. Values of different kinds are different, and neither is greater.
#[derive(Clone, Debug)]
enum Comparison {
    Eq(Scalar),
    Ne(Scalar),
    Contains(Box<str>),
    Gt(f64),
    Gte(f64),
    Lt(f64),
    Lte(f64),
    Exists,
    NotExists,
}

/// What is wrong, and with which parameter.
pub(super) type Wrong = (&'static str, Refusal);

impl PropertyTest {
    /// Of the parameters as they are configured.
    pub(super) fn new(key: &str, op: &str, value: Option<&Value>) -> Result<Self, Wrong> {
        let scalar = || scalar(value).ok_or(("value", "must be text, a number, true or false"));
        let number = || {
            let number = value.and_then(Value::as_f64);
            number.ok_or(("value", "must be a number"))
        };
        let comparison = match op {
            "eq" => Comparison::Eq(scalar()?),
            "ne" => Comparison::Ne(scalar()?),
            "contains" => {
                let text = value.and_then(Value::as_str);
                let text = text.filter(|text| !text.is_empty());
                Comparison::Contains(
                    text.ok_or(("value", "must be text that is not empty"))?
                        .into(),
                )
            }
            "gt" => Comparison::Gt(number()?),
            "gte" => Comparison::Gte(number()?),
            "lt" => Comparison::Lt(number()?),
            "lte" => Comparison::Lte(number()?),
            "exists" => Comparison::Exists,
            "not_exists" => Comparison::NotExists,
            _ => return Err(("op", OPS)),
        };
        let key = key.into();
        Ok(Self { key, comparison })
    }

    /// Whether it holds.
    pub(super) fn matches(&self, properties: &Properties) -> bool {
        let known = properties.get(&*self.key);
        if let Comparison::NotExists = self.comparison {
            return known.is_none();
        }
        known.is_some_and(|value| self.comparison.holds(value))
    }
}

const OPS: &str = "must be eq, ne, contains, gt, gte, lt, lte, exists or not_exists";

impl Comparison {
    fn holds(&self, value: &Scalar) -> bool {
        let is_number = |test: &dyn Fn(f64) -> bool| match value {
            Scalar::Number(number) => test(*number),
            Scalar::Flag(_) | Scalar::Text(_) => false,
        };
        match self {
            Self::Eq(wanted) => value == wanted,
            Self::Ne(unwanted) => value != unwanted,
            Self::Contains(part) => match value {
                Scalar::Text(text) => text.contains(&**part),
                Scalar::Flag(_) | Scalar::Number(_) => false,
            },
            Self::Gt(than) => is_number(&|number| number > *than),
            Self::Gte(than) => is_number(&|number| number >= *than),
            Self::Lt(than) => is_number(&|number| number < *than),
            Self::Lte(than) => is_number(&|number| number <= *than),
            Self::Exists => true,
            Self::NotExists => false,
        }
    }
}

fn scalar(value: Option<&Value>) -> Option<Scalar> {
    match value? {
        Value::Bool(flag) => Some(Scalar::Flag(*flag)),
        Value::Number(number) => number.as_f64().map(Scalar::Number),
        Value::String(text) => Some(Scalar::Text(text.as_str().into())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
