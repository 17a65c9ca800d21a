//! What a seed decides before anything happens: who is there, how the network is, and what will go wrong.

use std::time::Duration;

use syncbridge_proto::pieces::Sizes;

use crate::random::Random;

/// What may go wrong in a run, each once in so long on average; `None`: never.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// A connection breaks, or goes silent.
    pub cut: Option<Duration>,
    /// A client's process is stopped for a while.
    pub pause: Option<Duration>,
    /// A client's process is killed, or closes its session; another takes its place.
    pub kill: Option<Duration>,
    /// The server dies and starts again.
    pub restart: Option<Duration>,
    /// The journal is slow to make things durable.
    pub hold: Option<Duration>,
    /// A waiting call is withdrawn, so many times in a thousand steps.
    pub cancel: u64,
    /// A grant is refused, so many times in a thousand.
    pub refuse: u64,
}

/// The setting of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many clients there are at a time.
    pub clients: usize,
    /// Tasks of each client; each has at most one call under way.
    pub tasks: usize,
    /// The sessions' time to live.
    pub ttl: Duration,
    /// The node has a journal, which outlives it.
    pub journal: bool,
    /// One way across the network, at most; usually far less.
    pub latency: Duration,
    /// How long a client is without a connection after it has lost one, at most.
    pub redial: Duration,
    /// How long a task does something else between two calls, at most.
    pub think: Duration,
    /// What leaves in pieces.
    pub sizes: Sizes,
    /// What goes wrong.
    pub faults: Faults,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, "plan");
        let ttl = Duration::from_secs(random.pick(&[1, 2, 2, 3, 5, 15]));
        // Some runs are calm, so that what must hold there exactly is checked exactly.
        let calm = random.chance(150);
        // In others the connections break again and again, and everybody changes his mind.
        let restless = !calm && random.chance(250);
        let mut every = |per_mille: u64, from: u64, to: u64| {
            (random.chance(per_mille) && !calm).then(|| ttl * random.between(from, to) as u32 / 8)
        };
        let faults = Faults {
            cut: every(700, 1, 16),
            pause: every(500, 4, 24),
            kill: every(400, 8, 32),
            restart: every(350, 12, 48),
            hold: every(600, 1, 16),
            cancel: random.pick(&[0, 20, 50, 150]),
            refuse: random.pick(&[0, 20, 100, 300]),
        };
        let faults = match restless {
            true => Faults { cut: Some(ttl / 3), cancel: 400, refuse: 300, ..faults },
            false => faults,
        };
        Plan {
            clients: random.between(2, 4) as usize,
            tasks: random.between(3, 7) as usize,
            ttl,
            journal: random.chance(500),
            latency: Duration::from_micros(random.pick(&[200, 2_000, 20_000, 200_000])),
            redial: if restless { ttl } else { Duration::from_millis(500) },
            think: ttl / random.pick(&[20, 50, 200, 800]),
            sizes: sizes(seed),
            faults,
        }
    }

    /// From now on nothing goes wrong any more.
    pub fn calm(&mut self) {
        self.faults = Faults::default();
        self.latency = Duration::from_millis(2);
        self.redial = Duration::from_millis(500);
    }
}

/// In some runs nearly everything leaves in pieces.
fn sizes(seed: u64) -> Sizes {
    match Random::new(seed, "sizes").chance(200) {
        true => Sizes { large: 40, piece: 24 },
        false => Sizes::default(),
    }
}
