//! Several instances on one Redis beside one of them alone. All of them and Redis have the same core: what is
//! seen is what sharing costs, not what more machines bring.
//!
//! Redis syncs with `appendfsync always`, because only then does an answer mean what it does on SQLite, and
//! because that is how the compose file starts it.

use super::fleet::{Server, info};
use super::ingest::others;
use super::service::{Product, Service};
use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::load::connection::{Connection, value_of};
use crate::load::drive;
use crate::load::request::{Requests, Route};
use crate::process::{Process, say};
use crate::sample::{Turn, float, median};

/// How many instances there are.
const INSTANCES: usize = 3;

/// Sessions for each connection, where no two connections share one: few enough that each acts several times
/// in a turn.
const SESSIONS: u64 = 8;

/// Who has a turn: how many instances, and how sessions are spread over them.
const CONTENDERS: [(&str, usize, Route); 5] = [
    ("one", 1, Route::Even),
    ("two, even", 2, Route::Even),
    ("three, even", 3, Route::Even),
    ("two, alternating", 2, Route::Alternating),
    ("three, alternating", 3, Route::Alternating),
];

/// The last turn of a round: as the last contender, but each session is sent two requests at a time.
const CROWDED: &str = "three, two at once";

/// Whose round trips are counted: one request at a time, so that no commits share a run of a script.
const COUNTED: [(&str, usize, Route); 2] = [
    ("two, one request", 2, Route::Even),
    ("alternating, one", 2, Route::Alternating),
];

/// What was counted until now.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// Commits that another instance was faster than.
    conflicts: f64,
    /// Of those, by decisions that had conflicted before.
    repeated: f64,
    /// Scripts that Redis was asked to run: each is one round trip, of one commit or of several.
    scripts: f64,
}

/// One turn, and what was counted in it.
struct Shared {
    turn: Turn,
    counts: Counts,
}

/// What takes part in every turn.
struct Stage<'a> {
    arguments: &'a Arguments,
    redis: Server,
    instances: Vec<Service>,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let redis = Server::start("always").await?;
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        instances.push(redis.instance(&[Product::feed("acme")]).await?);
    }
    let many = arguments.connections;
    let connections = many as u64;
    // All requests of a session come from the same connection, so that they alternate strictly.
    let mut requests = Requests::new("acme", "s", connections * SESSIONS);
    let mut crowded = Requests::new("acme", "crowded", connections.div_ceil(2));
    let mut lone = Requests::new("acme", "lone", SESSIONS);
    // Everybody knows every session and has met another's commit before the first turn.
    for instance in instances.iter().chain(&instances) {
        let count = connections * SESSIONS;
        drive::exactly(&instance.process, &mut requests, many, count).await?;
    }
    let stage = Stage {
        arguments,
        redis,
        instances,
    };
    let (mut turns, mut crowds): ([Vec<Shared>; 5], Vec<Shared>) = Default::default();
    let mut counted: [Vec<Shared>; 2] = Default::default();
    for _ in 0..arguments.rounds {
        for (contender, turns) in CONTENDERS.into_iter().zip(&mut turns) {
            turns.push(stage.turn(contender, &mut requests, many).await?);
        }
        let contender = (CROWDED, INSTANCES, Route::Alternating);
        crowds.push(stage.turn(contender, &mut crowded, many).await?);
        for (contender, turns) in COUNTED.into_iter().zip(&mut counted) {
            turns.push(stage.turn(contender, &mut lone, 1).await?);
        }
    }
    let mut figures = rates(&mut turns);
    figures.push(round_trips(&counted));
    figures.push(repeated(&turns, &crowds));
    Ok(figures)
}

impl Stage<'_> {
    /// One turn, behind a lead in which sessions find to those who serve them then.
    async fn turn(
        &self,
        (name, count, route): (&str, usize, Route),
        requests: &mut Requests,
        connections: usize,
    ) -> anyhow::Result<Shared> {
        let servers: Vec<&Process> = self.instances.iter().map(|one| &one.process).collect();
        let servers = servers.get(..count).unwrap_or_default();
        let turn = self.arguments.turn() / 2;
        drive::spread(servers, route, requests, connections, turn / 4).await?;
        let before = Counts::now(&self.redis, &self.instances).await?;
        let mut turn = drive::spread(servers, route, requests, connections, turn).await?;
        let counts = Counts::now(&self.redis, &self.instances)
            .await?
            .since(before);
        say(&format!(
            "  {name:<19} {:>8.0} /s  {:>6.1} us of theirs each  p50 {:>6.2} ms  p99 {:>6.2} ms  \
             {:.3} conflicts and {:.3} runs of scripts each{}",
            turn.rate(),
            turn.cost_us(),
            turn.percentile_ms(0.5),
            turn.percentile_ms(0.99),
            counts.conflicts / float(turn.accepted),
            counts.scripts / float(turn.accepted),
            others(&turn)
        ));
        Ok(Shared { turn, counts })
    }
}

impl Counts {
    async fn now(redis: &Server, instances: &[Service]) -> anyhow::Result<Self> {
        let mut counts = Self::default();
        for instance in instances {
            let mut connection = Connection::open(instance.process.address).await?;
            let conflicts = "connector_commits_total{outcome=\"conflict\"}";
            counts.conflicts += value_of(&mut connection, conflicts).await?;
            let repeated = "connector_conflicts_repeated_total";
            counts.repeated += value_of(&mut connection, repeated).await?;
        }
        let mut connection = redis.connect()?;
        let calls = "cmdstat_evalsha:calls=";
        counts.scripts = info(&mut connection, "commandstats", calls)?;
        Ok(counts)
    }

    fn of<'a>(turns: impl Iterator<Item = &'a Shared>) -> Self {
        turns.fold(Self::default(), |sum, Shared { counts: more, .. }| Self {
            conflicts: sum.conflicts + more.conflicts,
            repeated: sum.repeated + more.repeated,
            scripts: sum.scripts + more.scripts,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            conflicts: self.conflicts - before.conflicts,
            repeated: self.repeated - before.repeated,
            scripts: self.scripts - before.scripts,
        }
    }
}

/// Floor and aim of what is kept when instances share a core, and when every commit has to be made twice.
const EVEN: (f64, f64) = (0.60, 0.90);
const ALTERNATING: (f64, f64) = (0.40, 0.60);

fn rates(turns: &mut [Vec<Shared>; 5]) -> Vec<Figure> {
    let [one, two, three, two_alternating, three_alternating] = turns.each_mut().map(|turns| {
        let rate = median(turns.iter().map(|shared| shared.turn.rate()));
        let p99 = turns
            .iter_mut()
            .map(|shared| shared.turn.percentile_ms(0.99));
        (rate, median(p99))
    });
    let ratio = |name: &str, ours: (f64, f64), (floor, aim)| Figure {
        name: format!("durable ingest, {name} / one"),
        detail: format!(
            "{:.0}/s, p99 {:.1} ms; {:.0}/s, p99 {:.1} ms",
            ours.0, ours.1, one.0, one.1
        ),
        value: ours.0 / one.0,
        unit: "",
        floor,
        aim,
    };
    vec![
        ratio("two instances on one core", two, EVEN),
        ratio("three instances on one core", three, EVEN),
        ratio("two, sessions alternating", two_alternating, ALTERNATING),
        ratio(
            "three, sessions alternating",
            three_alternating,
            ALTERNATING,
        ),
    ]
}

/// By how many round trips more there are where there are more conflicts.
fn round_trips(turns: &[Vec<Shared>; 2]) -> Figure {
    let [even, alternating] = turns.each_ref().map(|turns| {
        let accepted: f64 = turns.iter().map(|shared| float(shared.turn.accepted)).sum();
        let sum = Counts::of(turns.iter());
        (sum.scripts / accepted, sum.conflicts / accepted)
    });
    Figure {
        name: "round trips that a conflict adds".to_owned(),
        detail: format!(
            "{:.3} a request with {:.3} conflicts; {:.3} with {:.3}",
            alternating.0, alternating.1, even.0, even.1
        ),
        value: (alternating.0 - even.0) / (alternating.1 - even.1),
        unit: "",
        floor: 1.05,
        aim: 1.01,
    }
}

/// How many of the first conflicts were followed by another, where sessions alternate; beside it, where they are
/// sent two requests at once.
fn repeated(turns: &[Vec<Shared>; 5], crowds: &[Shared]) -> Figure {
    let share = |all: Counts| {
        let first = all.conflicts - all.repeated;
        (all.repeated / first * 100.0, all.repeated, first)
    };
    let contenders = CONTENDERS.iter().zip(turns);
    let alternating = contenders.filter(|((_, _, route), _)| *route == Route::Alternating);
    let (value, more, first) = share(Counts::of(alternating.flat_map(|(_, turns)| turns)));
    let (crowded, _, _) = share(Counts::of(crowds.iter()));
    Figure {
        name: "conflicts that needed a second".to_owned(),
        detail: format!(
            "{more:.0} more after {first:.0}; {crowded:.0} % where a session is sent two requests at once"
        ),
        value,
        unit: " %",
        floor: 5.0,
        aim: 1.0,
    }
}
