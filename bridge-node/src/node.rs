//! The node: the namespaces of one server, or of one process.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bridge_core::Time;
use bridge_core::error::{Error, Reason};
use bridge_core::ids::{Name, SessionId, SessionKey};
use bridge_core::limits::Limits;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::gate::Gate;
use crate::journal::{Journal, Noop};
use crate::namespace::Namespace;
use crate::ticker::{Alarm, Ticker};

/// Makes or finds the journal of a namespace.
pub type Journals = Arc<dyn Fn(&Name) -> Arc<dyn Journal> + Send + Sync>;

/// How a node is set up.
#[derive(Clone)]
pub struct Config {
    /// The bounds of each namespace.
    pub limits: Limits,
    /// Namespaces; beyond them LIMIT_EXCEEDED.
    pub namespaces_max: usize,
    /// Where the journals come from.
    pub journals: Journals,
}

impl Default for Config {
    /// Default limits and no journal.
    fn default() -> Self {
        Config { limits: Limits::default(), namespaces_max: 1_000, journals: Arc::new(|_| Arc::new(Noop)) }
    }
}

/// Holds the namespaces and the clock.
pub struct Node {
    config: Config,
    clock: Arc<dyn Clock>,
    gate: Arc<Gate>,
    alarm: Arc<Alarm>,
    started: Time,
    namespaces: Mutex<BTreeMap<Name, Arc<Namespace>>>,
    ticker: Mutex<Option<Ticker>>,
}

impl Node {
    /// A node without namespaces and without a ticker.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Node {
            config,
            started: clock.now(),
            clock,
            gate: Arc::default(),
            alarm: Arc::new(Alarm::new()),
            namespaces: Mutex::default(),
            ticker: Mutex::default(),
        })
    }

    /// The namespace of that name; the first use creates it, or loads it from its journal. LIMIT_EXCEEDED, or
    /// UNAVAILABLE where the journal cannot be read.
    pub fn namespace(&self, name: &Name) -> Result<Arc<Namespace>, Error> {
        let mut namespaces = self.namespaces.lock();
        if let Some(found) = namespaces.get(name)
            && !found.is_lost()
        {
            return Ok(found.clone());
        }
        if namespaces.len() >= self.config.namespaces_max && !namespaces.contains_key(name) {
            return Err(Error::limit("namespaces_max", self.config.namespaces_max as u64));
        }
        let namespace = Namespace::load(
            name.clone(),
            (self.config.journals)(name),
            self.config.limits.clone(),
            self.clock.clone(),
            self.gate.clone(),
            self.alarm.clone(),
        )
        .map_err(|failure| {
            Error::new(Reason::Unavailable, format!("namespace {name} cannot be loaded: {failure}"))
        })?;
        namespaces.insert(name.clone(), namespace.clone());
        Ok(namespace)
    }

    /// The namespace of that name, if anybody has used it.
    pub fn existing(&self, name: &Name) -> Option<Arc<Namespace>> {
        self.namespaces.lock().get(name).cloned()
    }

    /// The open session of that id and its namespace: in `within`, or in the first namespace that has it.
    pub fn session(&self, id: SessionId, within: Option<&Name>) -> Option<(Arc<Namespace>, SessionKey)> {
        let namespaces = match within {
            Some(name) => self.existing(name).into_iter().collect(),
            None => self.namespaces(),
        };
        namespaces.into_iter().find_map(|namespace| namespace.find(id).map(|key| (namespace, key)))
    }

    /// All namespaces, by name.
    pub fn namespaces(&self) -> Vec<Arc<Namespace>> {
        self.namespaces.lock().values().cloned().collect()
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// When the node was made.
    pub fn started(&self) -> Time {
        self.started
    }

    /// From now on new work is refused (UNAVAILABLE); streams and waiting calls end. What is held can still be
    /// given back by unary calls.
    pub fn drain(&self) {
        self.gate.drain();
        let why = Error::new(Reason::Unavailable, "the server is stopping");
        for namespace in self.namespaces() {
            namespace.dismiss(&why);
        }
    }

    /// Whether the node drains.
    pub fn draining(&self) -> bool {
        self.gate.draining()
    }

    /// What is due in any namespace happens; answers with when to come again.
    pub fn tick(&self) -> Option<Time> {
        self.namespaces().iter().filter_map(|namespace| namespace.tick()).min()
    }

    /// Starts the thread that ticks. It ends with the node. Once is enough; again does nothing.
    pub fn start_ticker(self: &Arc<Self>) -> io::Result<()> {
        let mut ticker = self.ticker.lock();
        if ticker.is_none() {
            *ticker = Some(Ticker::start(Arc::downgrade(self), self.alarm.clone())?);
        }
        Ok(())
    }

    /// A watched process has ended.
    pub(crate) fn process_ended(&self, watched: u64) {
        for namespace in self.namespaces() {
            namespace.process_ended(watched);
        }
    }
}
