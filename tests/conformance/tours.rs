//! `tour_registry`: the catalogue of a product's tours.
//!
//! The library keeps values of any type as they are. Where ours holds text, a number or nothing, it is ours that is
//! shown; what it cannot hold is a flaw there, and is repeated here.

use event_connector::domain::fsm::{
    Periods, TOUR_COOLDOWN_PERIOD_S, TOUR_INTERACTION_TIMEOUT_S, Tour, TourRegistry,
};
use serde_json::{Map, Value, json};

use crate::compare::error;
use crate::topic::{Topic, exactly, nothing_later};

/// Reading and looking up.
pub(crate) const TOPIC: Topic = Topic {
    name: "tour_registry",
    answer,
    compare: exactly,
    judge: exactly,
    later: nothing_later,
};

/// A registry beside the document that it was read from.
struct Read<'a> {
    document: &'a Map<String, Value>,
    entries: Vec<&'a Value>,
    registry: TourRegistry,
}

/// The tours of a whole registry's document; `None` when it is none.
pub(crate) fn registry(document: &Value) -> Option<TourRegistry> {
    Read::of(document).map(|read| read.registry)
}

fn answer(input: &Value) -> Value {
    match input["fn"].as_str() {
        Some("parse") => {
            let Some(shown) = Read::of(&input["registry"]).map(|read| read.shown()) else {
                return error("TypeError");
            };
            let again = Read::of(&shown).map(|read| read.shown());
            json!({"round_trip_stable": again.as_ref() == Some(&shown), "registry": shown})
        }
        Some("parse_integration_config") => {
            let config = input["integration_config"].as_object();
            let config = config.cloned().unwrap_or_default();
            let (registry, _) = TourRegistry::of_product(&config);
            let shown = registry.map(|registry| {
                let product_id = input["product_id"].as_str().unwrap_or_default();
                let document = json!({"product_id": product_id, "tours": config["tour_registry"]});
                let read = Read::of(&document).map(|read| Read { registry, ..read });
                read.map(|read| read.shown())
            });
            json!({ "registry": shown })
        }
        Some("parse_tour") => {
            let mut document = input["defaults"].as_object().cloned().unwrap_or_default();
            document.insert("product_id".to_owned(), json!(""));
            document.insert("tours".to_owned(), json!([input["tour"]]));
            let shown = Read::of(&Value::Object(document)).map(|read| read.shown());
            match shown.as_ref().and_then(|shown| shown["tours"].get(0)) {
                Some(tour) => json!({ "tour": tour }),
                None => error("KeyError"),
            }
        }
        _ => looked_up(input),
    }
}

fn looked_up(input: &Value) -> Value {
    let Some(read) = Read::of(&input["registry"]) else {
        return error("TypeError");
    };
    let found = input["key"].as_str().and_then(|key| {
        if input["fn"] == "get" {
            return read.registry.get(key);
        }
        read.registry.get_by_user_tour_id(key)
    });
    let shown = found.and_then(|found| {
        let mut pairs = read.registry.tours.iter().zip(&read.entries);
        let (tour, entry) = pairs.find(|(tour, _)| std::ptr::eq(*tour, found))?;
        Some(read.shown_tour(tour, entry))
    });
    json!({ "tour": shown })
}

impl<'a> Read<'a> {
    fn of(document: &'a Value) -> Option<Self> {
        let document = document.as_object()?;
        document.get("product_id")?;
        let entries = match document.get("tours") {
            // To the library a text is a list of its characters, none of which is a tour.
            None | Some(Value::String(_)) => &[],
            Some(tours) => tours.as_array()?.as_slice(),
        };
        let or = |key: &str, missing| document.get(key).map_or(Some(missing), Value::as_f64);
        let periods = Periods {
            interaction_timeout_s: or("default_interaction_timeout_s", TOUR_INTERACTION_TIMEOUT_S),
            cooldown_period_s: or("default_cooldown_period_s", TOUR_COOLDOWN_PERIOD_S),
        };
        let (registry, _) = TourRegistry::parse(entries, periods, "");
        let kept = entries.iter().filter(|entry| entry.get("id").is_some());
        Some(Self {
            document,
            entries: kept.collect(),
            registry,
        })
    }

    fn shown(&self) -> Value {
        let or = |key: &str, missing: f64| {
            let configured = self.document.get(key).cloned();
            configured.unwrap_or_else(|| json!(missing))
        };
        assert_eq!(self.registry.tours.len(), self.entries.len());
        let tours = self.registry.tours.iter().zip(&self.entries);
        let tours: Vec<Value> = tours
            .map(|(tour, entry)| self.shown_tour(tour, entry))
            .collect();
        json!({
            "product_id": self.document["product_id"],
            "default_interaction_timeout_s": or("default_interaction_timeout_s", TOUR_INTERACTION_TIMEOUT_S),
            "default_cooldown_period_s": or("default_cooldown_period_s", TOUR_COOLDOWN_PERIOD_S),
            "tours": tours,
        })
    }

    fn shown_tour(&self, tour: &Tour, entry: &Value) -> Value {
        let default = |key: &str| self.document.get(&format!("default_{key}"));
        let seconds = |key: &str, own: Option<f64>| match entry.get(key).or_else(|| default(key)) {
            Some(odd) if !odd.is_number() && !odd.is_null() => odd.clone(),
            _ => json!(own),
        };
        let name = |key: &str, own: Option<&str>| match entry.get(key) {
            Some(odd) if !odd.is_string() && !odd.is_null() => odd.clone(),
            _ => json!(own),
        };
        let periods = tour.periods;
        let mut shown = json!({
            "id": name("id", entry["id"].is_string().then_some(&*tour.id)),
            "interaction_timeout_s": seconds("interaction_timeout_s", periods.interaction_timeout_s),
            "cooldown_period_s": seconds("cooldown_period_s", periods.cooldown_period_s),
        });
        for (key, own) in [
            ("user_tour_id", &tour.user_tour_id),
            ("user_tour_name", &tour.user_tour_name),
        ] {
            let value = name(key, own.as_deref());
            if !value.is_null() {
                shown[key] = value;
            }
        }
        shown
    }
}
