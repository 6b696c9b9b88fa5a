//! The versions of the database, and the way from each to the next and back.
//!
//! Ups are run by the migration tool, one at a time and grouped, for only then does one transaction
//! hold both the step and its row of the tool's history. Downs are run here, each in a transaction
//! that also removes that row. Whoever is killed in the middle leaves the version before or the
//! version after, and nothing between.

use refinery::{Migration, Runner, Target};
use rusqlite::{Connection, TransactionBehavior};

/// The way from one version to the next, and back.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// `V<number>__<name>`, like its files.
    pub name: &'static str,
    /// SQL from the version before.
    pub up: &'static str,
    /// SQL back to the version before; `None` for the first, before which there was nothing.
    pub down: Option<&'static str>,
}

/// The steps of this program, the first one first and none left out.
pub const STEPS: &[Step] = &[
    Step {
        name: "V1__initial",
        up: include_str!("../../../migrations/sqlite/V1__initial.sql"),
        down: None,
    },
    Step {
        name: "V2__deliveries",
        up: include_str!("../../../migrations/sqlite/V2__deliveries.sql"),
        down: Some(include_str!(
            "../../../migrations/sqlite/down/V2__deliveries.sql"
        )),
    },
    Step {
        name: "V3__stillness",
        up: include_str!("../../../migrations/sqlite/V3__stillness.sql"),
        down: Some(include_str!(
            "../../../migrations/sqlite/down/V3__stillness.sql"
        )),
    },
    Step {
        name: "V4__settled",
        up: include_str!("../../../migrations/sqlite/V4__settled.sql"),
        down: Some(include_str!(
            "../../../migrations/sqlite/down/V4__settled.sql"
        )),
    },
    Step {
        name: "V5__fronts",
        up: include_str!("../../../migrations/sqlite/V5__fronts.sql"),
        down: Some(include_str!(
            "../../../migrations/sqlite/down/V5__fronts.sql"
        )),
    },
    Step {
        name: "V6__terse",
        up: include_str!("../../../migrations/sqlite/V6__terse.sql"),
        down: Some(include_str!(
            "../../../migrations/sqlite/down/V6__terse.sql"
        )),
    },
    Step {
        name: "V7__lines",
        up: include_str!("../../../migrations/sqlite/V7__lines.sql"),
        down: Some(include_str!(
            "../../../migrations/sqlite/down/V7__lines.sql"
        )),
    },
];

/// Why a database could not be brought to another version.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The file was written by a newer program.
    #[error(
        "it has schema {found} of a newer program, and this one knows schemas up to {known}; bring it \
         back with the newer program, by `event-connector migrate --to {known}`, or restore a backup \
         from before the upgrade"
    )]
    Newer {
        /// Its version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// Nobody knows that version.
    #[error("there is no schema {wanted}: this program knows schemas 1 to {known}")]
    Unknown {
        /// What was asked for.
        wanted: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// A step cannot be taken back.
    #[error("{0} cannot be taken back")]
    OneWay(&'static str),
    /// A step failed. The steps before it stand, and of itself it left nothing.
    #[error("{name} failed: {reason}")]
    Failed {
        /// The step.
        name: String,
        /// What the database said.
        reason: String,
    },
    /// The version could not be read.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
}

/// What has to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The version of the file; 0 when it has none yet.
    pub from: u32,
    /// The version it will have.
    pub to: u32,
    /// The names of the steps, upwards or downwards.
    pub steps: Vec<&'static str>,
}

impl Step {
    /// The version that the step leads to.
    fn number(&self) -> u32 {
        let digits = self
            .name
            .strip_prefix('V')
            .and_then(|rest| rest.split("__").next());
        digits
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_default()
    }
}

/// The newest version that `steps` lead to.
pub(super) fn newest(steps: &[Step]) -> u32 {
    steps.iter().map(Step::number).max().unwrap_or_default()
}

/// The version of a database, 0 for a new file.
pub(super) fn version(db: &Connection) -> rusqlite::Result<u32> {
    let migrated = db
        .prepare("SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history'")?
        .exists([])?;
    if !migrated {
        return Ok(0);
    }
    db.query_row(
        "SELECT coalesce(max(version), 0) FROM refinery_schema_history",
        [],
        |row| row.get(0),
    )
}

/// What leads from where the database is to `to`, or to the newest version.
pub(super) fn plan(db: &Connection, steps: &[Step], to: Option<u32>) -> Result<Plan, SchemaError> {
    let known = newest(steps);
    let from = version(db)?;
    if from > known {
        return Err(SchemaError::Newer { found: from, known });
    }
    let to = to.unwrap_or(known);
    if to == 0 || to > known {
        return Err(SchemaError::Unknown { wanted: to, known });
    }
    let between = |step: &&Step| (from.min(to) + 1..=from.max(to)).contains(&step.number());
    let mut names: Vec<&'static str> = Vec::new();
    for step in steps.iter().filter(between) {
        if to < from && step.down.is_none() {
            return Err(SchemaError::OneWay(step.name));
        }
        names.push(step.name);
    }
    if to < from {
        names.reverse();
    }
    Ok(Plan {
        from,
        to,
        steps: names,
    })
}

/// Takes the steps of a plan.
pub(super) fn carry_out(
    db: &mut Connection,
    steps: &[Step],
    plan: &Plan,
) -> Result<(), SchemaError> {
    for name in &plan.steps {
        let step = steps.iter().find(|step| step.name == *name);
        match step {
            Some(step) if plan.to > plan.from => up(db, steps, step)?,
            Some(step) => down(db, step)?,
            None => {}
        }
    }
    Ok(())
}

fn up(db: &mut Connection, steps: &[Step], step: &Step) -> Result<(), SchemaError> {
    let failed = |error: refinery::Error| SchemaError::Failed {
        name: format!("the way up to {}", step.name),
        reason: error.to_string(),
    };
    let migrations: Result<Vec<Migration>, _> = steps
        .iter()
        .map(|step| Migration::unapplied(step.name, step.up))
        .collect();
    Runner::new(&migrations.map_err(failed)?)
        .set_grouped(true)
        .set_target(Target::Version(
            step.number().try_into().unwrap_or_default(),
        ))
        .run(db)
        .map(|_| ())
        .map_err(failed)
}

fn down(db: &mut Connection, step: &Step) -> Result<(), SchemaError> {
    let sql = step.down.ok_or(SchemaError::OneWay(step.name))?;
    let take_back = |db: &mut Connection| -> rusqlite::Result<()> {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.execute(
            "DELETE FROM refinery_schema_history WHERE version = ?1",
            [step.number()],
        )?;
        transaction.commit()
    };
    take_back(db).map_err(|error| SchemaError::Failed {
        name: format!("the way down from {}", step.name),
        reason: error.to_string(),
    })
}
