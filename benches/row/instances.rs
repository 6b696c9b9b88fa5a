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

/// Sessions that the load goes round: few enough that each comes several times in a turn.
const SESSIONS: u64 = 2_000;

/// How many instances there are.
const INSTANCES: usize = 3;

/// How many of them have a turn, and how sessions are spread over them.
const CONTENDERS: [(&str, usize, Route); 5] = [
    ("one", 1, Route::Even),
    ("two, even", 2, Route::Even),
    ("three, even", 3, Route::Even),
    ("two, alternating", 2, Route::Alternating),
    ("three, alternating", 3, Route::Alternating),
];

/// What was counted until now.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// Commits that another instance was faster than.
    conflicts: f64,
    /// Of those, by decisions that had conflicted before.
    repeated: f64,
    /// Scripts that Redis was asked to run: each is one round trip.
    scripts: f64,
}

/// One turn, and what was counted in it.
struct Shared {
    turn: Turn,
    counts: Counts,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
    let redis = Server::start("always").await?;
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        instances.push(redis.instance(&[Product::feed("acme")]).await?);
    }
    let servers: Vec<&Process> = instances.iter().map(|one| &one.process).collect();
    let mut requests = Requests::new("acme", "s", SESSIONS);
    let (connections, turn) = (arguments.connections, arguments.turn());
    // Everybody knows every session and has met another's commit before the first turn.
    for instance in instances.iter().chain(&instances) {
        drive::exactly(&instance.process, &mut requests, connections, SESSIONS).await?;
    }
    let mut turns: [Vec<Shared>; 5] = Default::default();
    for _ in 0..arguments.rounds {
        for ((name, count, route), turns) in CONTENDERS.into_iter().zip(&mut turns) {
            let before = Counts::now(&redis, &instances).await?;
            let servers = servers.get(..count).unwrap_or_default();
            let sent = drive::spread(servers, route, &mut requests, connections, turn);
            let mut turn = sent.await?;
            let counts = Counts::now(&redis, &instances).await?.since(before);
            say(&format!(
                "  {name:<19} {:>8.0} /s  {:>6.1} us of theirs each  p50 {:>6.2} ms  p99 {:>6.2} ms  \
                 {:.3} conflicts and {:.3} round trips each{}",
                turn.rate(),
                turn.cost_us(),
                turn.percentile_ms(0.5),
                turn.percentile_ms(0.99),
                counts.conflicts / float(turn.accepted),
                counts.scripts / float(turn.accepted),
                others(&turn)
            ));
            turns.push(Shared { turn, counts });
        }
    }
    Ok(figures(turns))
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

    fn since(self, before: Self) -> Self {
        Self {
            conflicts: self.conflicts - before.conflicts,
            repeated: self.repeated - before.repeated,
            scripts: self.scripts - before.scripts,
        }
    }
}

fn figures(turns: [Vec<Shared>; 5]) -> Vec<Figure> {
    let costs = conflicts(&turns);
    let [one, two, three, two_alternating, three_alternating] = turns.map(|turns| {
        let rate = median(turns.iter().map(|shared| shared.turn.rate()));
        let p99 = turns
            .into_iter()
            .map(|mut shared| shared.turn.percentile_ms(0.99));
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
    let mut figures = vec![
        ratio("two instances on one core", two, EVEN),
        ratio("three instances on one core", three, EVEN),
        ratio("two, sessions alternating", two_alternating, ALTERNATING),
        ratio(
            "three, sessions alternating",
            three_alternating,
            ALTERNATING,
        ),
    ];
    figures.extend(costs);
    figures
}

/// Floor and aim of what is kept when instances share a core, and when every commit has to be made twice.
const EVEN: (f64, f64) = (0.80, 0.95);
const ALTERNATING: (f64, f64) = (0.50, 0.65);

/// What conflicts cost: round trips beyond those of a request without one, and conflicts after conflicts.
fn conflicts(turns: &[Vec<Shared>; 5]) -> [Figure; 2] {
    let sum = |wanted: Route| {
        let contenders = CONTENDERS.iter().zip(turns);
        let turns = contenders.filter(move |((_, _, route), _)| *route == wanted);
        let turns = turns.flat_map(|(_, turns)| turns);
        turns.fold((0.0, Counts::default()), |(accepted, sum), shared| {
            let Counts {
                conflicts,
                repeated,
                scripts,
            } = shared.counts;
            let sum = Counts {
                conflicts: sum.conflicts + conflicts,
                repeated: sum.repeated + repeated,
                scripts: sum.scripts + scripts,
            };
            (accepted + float(shared.turn.accepted), sum)
        })
    };
    let (even, plain) = sum(Route::Even);
    let (alternating, counts) = sum(Route::Alternating);
    let extra = counts.scripts - plain.scripts / even * alternating;
    let first = counts.conflicts - counts.repeated;
    let detail = format!(
        "{:.2} conflicts a request, {:.0} of {first:.0} followed by another",
        counts.conflicts / alternating,
        counts.repeated,
    );
    [
        Figure {
            name: "round trips that a conflict adds".to_owned(),
            detail: detail.clone(),
            value: extra / counts.conflicts,
            unit: "",
            floor: 1.05,
            aim: 1.01,
        },
        Figure {
            name: "conflicts that needed a second".to_owned(),
            detail,
            value: counts.repeated / first * 100.0,
            unit: " %",
            floor: 5.0,
            aim: 1.0,
        },
    ]
}
