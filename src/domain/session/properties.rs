//! What an application says of its user: kept up to a bound, and stored so that no name of the application's
//! choosing becomes the name of a member.
//!
//! Whoever looks for a person in stored text looks for members such as `"user_id":"u_1"`, which therefore only
//! we may write.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::policy::Policy;
use super::state::Session;
use crate::domain::action::{Activity, PROPERTIES_MAX};
use crate::domain::machine::Moment;
use crate::domain::proactive::{Properties, Scalar};

impl Session {
    /// Takes in what is said of the user. What is known stays known, so a new name finds room or is counted.
    pub(super) fn apply_properties(
        &mut self,
        activity: &Activity,
        moment: &mut Moment<'_, Policy>,
    ) {
        moment.effects.dropped_properties += activity.dropped_properties;
        for property in &activity.properties {
            if let Some(known) = self.properties.get_mut(&*property.name) {
                if !property.once {
                    known.clone_from(&property.value);
                }
            } else if self.properties.len() < PROPERTIES_MAX {
                let (name, value) = (Arc::clone(&property.name), property.value.clone());
                self.properties.insert(name, value);
            } else {
                moment.effects.dropped_properties += 1;
            }
        }
    }
}

/// One property as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored<N, V> {
    name: N,
    value: V,
}

pub(super) fn serialize<S: Serializer>(
    properties: &Properties,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let stored = properties.iter();
    serializer.collect_seq(stored.map(|(name, value)| Stored { name, value }))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Properties, D::Error> {
    let stored = Vec::<Stored<Arc<str>, Scalar>>::deserialize(deserializer)?;
    let pairs = stored.into_iter();
    Ok(pairs.map(|stored| (stored.name, stored.value)).collect())
}
