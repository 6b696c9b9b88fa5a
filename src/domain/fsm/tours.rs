//! Tours that a product offers, and how long they keep a session in conversation (contract 5.9).

use serde_json::{Map, Value};

use crate::domain::proactive::Flaw;

/// How long a tour may rest unless it says otherwise, seconds.
pub const TOUR_INTERACTION_TIMEOUT_S: f64 = 20.0;
/// How long to keep quiet after a tour unless it says otherwise, seconds.
pub const TOUR_COOLDOWN_PERIOD_S: f64 = 120.0;

/// The tours of one product; the first match counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TourRegistry {
    /// In the order in which they are configured.
    pub tours: Vec<Tour>,
}

/// One tour.
#[derive(Clone, Debug, PartialEq)]
pub struct Tour {
    /// Our name for it.
    pub id: String,
    /// The tour vendor's flow identifier, by which a running tour is found.
    pub user_tour_id: Option<String>,
    /// What people call it.
    pub user_tour_name: Option<String>,
    /// How long it brings conversations to rest and to keep quiet.
    pub periods: Periods,
}

/// What a tour brings along; `None` leaves it to the session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Periods {
    /// How long it may rest, seconds.
    pub interaction_timeout_s: Option<f64>,
    /// How long to keep quiet after it, seconds.
    pub cooldown_period_s: Option<f64>,
}

impl Default for Periods {
    fn default() -> Self {
        Self {
            interaction_timeout_s: Some(TOUR_INTERACTION_TIMEOUT_S),
            cooldown_period_s: Some(TOUR_COOLDOWN_PERIOD_S),
        }
    }
}

impl TourRegistry {
    /// Reads `tour_registry` of a product's configuration, and what is wrong with it at pointers below the
    /// configuration; `None` when there is no list.
    pub fn of_product(integration_config: &Map<String, Value>) -> (Option<Self>, Vec<Flaw>) {
        match integration_config.get("tour_registry") {
            None | Some(Value::Null) => (None, Vec::new()),
            Some(Value::Array(entries)) => {
                let (tours, flaws) = Self::parse(entries, Periods::default(), "/tour_registry");
                (Some(tours), flaws)
            }
            Some(_) => {
                let text = "must be a list of tours".to_owned();
                let pointer = "/tour_registry".to_owned();
                (None, vec![Flaw::new(pointer, text)])
            }
        }
    }

    /// Reads the tours of the list at `pointer`. Entries that are no objects, or lack an `id`, are skipped. A period
    /// that is missing is that of `missing`; one that is `null` is the session's. Unknown keys are ignored, as old
    /// configurations carry some.
    pub fn parse(entries: &[Value], missing: Periods, pointer: &str) -> (Self, Vec<Flaw>) {
        let mut flaws = Vec::new();
        let mut tours = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            let pointer = format!("{pointer}/{position}");
            match entry.as_object().filter(|fields| fields.contains_key("id")) {
                Some(fields) => {
                    let mut reader = Reader {
                        fields,
                        pointer,
                        flaws: &mut flaws,
                    };
                    tours.push(reader.tour(missing));
                }
                None => {
                    let text = "must be an object with an id; it is skipped".to_owned();
                    flaws.push(Flaw::new(pointer, text));
                }
            }
        }
        (Self { tours }, flaws)
    }

    /// The tour of our name.
    pub fn get(&self, id: &str) -> Option<&Tour> {
        self.tours.iter().find(|tour| tour.id == id)
    }

    /// The tour of the vendor's identifier; an empty one is nobody's.
    pub fn get_by_user_tour_id(&self, user_tour_id: &str) -> Option<&Tour> {
        let mut tours = self.tours.iter();
        tours.find(|tour| {
            !user_tour_id.is_empty() && tour.user_tour_id.as_deref() == Some(user_tour_id)
        })
    }
}

/// Reads one entry.
struct Reader<'a> {
    fields: &'a Map<String, Value>,
    pointer: String,
    flaws: &'a mut Vec<Flaw>,
}

impl Reader<'_> {
    fn tour(&mut self, missing: Periods) -> Tour {
        Tour {
            id: self.name("id").unwrap_or_default(),
            user_tour_id: self.name("user_tour_id"),
            user_tour_name: self.name("user_tour_name"),
            periods: Periods {
                interaction_timeout_s: self
                    .seconds("interaction_timeout_s", missing.interaction_timeout_s),
                cooldown_period_s: self.seconds("cooldown_period_s", missing.cooldown_period_s),
            },
        }
    }

    /// Text as it stands, or a number as text.
    fn name(&mut self, key: &str) -> Option<String> {
        match self.fields.get(key) {
            None => None,
            Some(Value::Null) if key != "id" => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) => {
                self.flaw(key, "must be text or a number; it names nothing");
                None
            }
        }
    }

    fn seconds(&mut self, key: &str, missing: Option<f64>) -> Option<f64> {
        match self.fields.get(key) {
            None => missing,
            Some(Value::Null) => None,
            Some(Value::Number(number)) => number.as_f64(),
            Some(_) => {
                self.flaw(
                    key,
                    "must be a number of seconds; the default counts instead",
                );
                missing
            }
        }
    }

    fn flaw(&mut self, key: &str, text: &str) {
        self.flaws.push(Flaw::new(
            format!("{}/{key}", self.pointer),
            text.to_owned(),
        ));
    }
}
