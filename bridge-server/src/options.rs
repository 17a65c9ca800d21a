//! What can be set: on the command line, by `SYNCBRIDGE_<OPTION>`, or in code.

use std::path::PathBuf;
use std::time::Duration;

use bridge_core::limits::Limits;
use clap::{Args, Parser};

/// How a server is set up. [`ServeOptions::default`] is what `syncbridge serve` does without arguments, except that
/// nothing is read from the environment.
#[derive(Args, Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen for TCP: HOST:PORT, several separated by commas. Port 0 picks a free one; "none" listens on
    /// no TCP port.
    #[arg(long, env = "SYNCBRIDGE_LISTEN", value_name = "HOST:PORT", value_delimiter = ',')]
    #[arg(default_value = "127.0.0.1:7420")]
    pub listen: Vec<String>,

    /// Also listen on a unix socket at this path: the fastest way for clients on this host.
    #[arg(long, env = "SYNCBRIDGE_UNIX", value_name = "PATH")]
    pub unix: Option<PathBuf>,

    /// Listen only where --listen and --unix say. Unless given, clients on this host reach each TCP port by a local
    /// socket of its own, too, which is faster.
    #[arg(long, env = "SYNCBRIDGE_NO_LOCAL")]
    pub no_local: bool,

    /// Listen beyond loopback although nothing is encrypted and nobody is authenticated.
    #[arg(long, env = "SYNCBRIDGE_INSECURE")]
    pub insecure: bool,

    /// Threads that serve connections; 0 chooses by the machine.
    #[arg(long, env = "SYNCBRIDGE_THREADS", value_name = "N", default_value_t = 0)]
    pub threads: usize,

    /// How long a stopping server waits for its clients to go, in seconds.
    #[arg(long, env = "SYNCBRIDGE_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = 5.0)]
    #[arg(value_parser = seconds)]
    pub drain_seconds: f64,

    /// What is logged on stderr: error, warn, info, debug, trace, or a filter such as bridge_server=debug.
    #[arg(long, env = "SYNCBRIDGE_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub limits: LimitOptions,
}

/// Every bound. Beyond one a call gets LIMIT_EXCEEDED with its name and value.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
#[allow(missing_docs)]
pub struct LimitOptions {
    /// Open connections.
    #[arg(long, env = "SYNCBRIDGE_CONNECTIONS_MAX", value_name = "N", default_value_t = 10_000)]
    pub connections_max: usize,

    /// Open streams of one connection: session streams, and unary calls that wait.
    #[arg(long, env = "SYNCBRIDGE_STREAMS_PER_CONNECTION_MAX", value_name = "N", default_value_t = 4_096)]
    pub streams_per_connection_max: u32,

    /// How many of those waiting calls may not use, so that a release always gets through.
    #[arg(long, env = "SYNCBRIDGE_STREAMS_RESERVED", value_name = "N", default_value_t = 256)]
    pub streams_reserved: u32,

    /// Bytes that may wait on one session stream for its client to read them; above that nothing more is granted to the
    /// session and its reads wait, until half of it has been read.
    #[arg(long, env = "SYNCBRIDGE_OUTBOX_BYTES_MAX", value_name = "BYTES", default_value_t = 64 << 20)]
    pub outbox_bytes_max: usize,

    /// How many more for the answers to what such a client still sends, such as releases; beyond them it must read first.
    #[arg(long, env = "SYNCBRIDGE_OUTBOX_RESERVE_BYTES", value_name = "BYTES", default_value_t = 16 << 20)]
    pub outbox_reserve_bytes: usize,

    /// Bytes on their way to us on one stream before they are read (HTTP/2 window).
    #[arg(long, env = "SYNCBRIDGE_STREAM_WINDOW_BYTES", value_name = "BYTES", default_value_t = 8 << 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(65_535..=i64::from(i32::MAX)))]
    pub stream_window_bytes: u32,

    /// The same for all streams of one connection.
    #[arg(long, env = "SYNCBRIDGE_CONNECTION_WINDOW_BYTES", value_name = "BYTES", default_value_t = 16 << 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(65_535..=i64::from(i32::MAX)))]
    pub connection_window_bytes: u32,

    /// Bytes of one HTTP/2 frame.
    #[arg(long, env = "SYNCBRIDGE_FRAME_BYTES_MAX", value_name = "BYTES", default_value_t = 512 << 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(16_384..=16_777_215))]
    pub frame_bytes_max: u32,

    /// How often the other end of a connection is asked whether it is there, in seconds; 0 never asks.
    #[arg(long, env = "SYNCBRIDGE_KEEPALIVE_SECONDS", value_name = "SECONDS", default_value_t = 20.0)]
    #[arg(value_parser = seconds)]
    pub keepalive_seconds: f64,

    /// How long its answer may take before the connection is closed, in seconds.
    #[arg(long, env = "SYNCBRIDGE_KEEPALIVE_WITHIN_SECONDS", value_name = "SECONDS", default_value_t = 20.0)]
    #[arg(value_parser = seconds)]
    pub keepalive_within_seconds: f64,

    /// Bytes of the metadata of one call.
    #[arg(long, env = "SYNCBRIDGE_HEADER_BYTES_MAX", value_name = "BYTES", default_value_t = 32 << 10)]
    pub header_bytes_max: u32,

    /// Namespaces.
    #[arg(long, env = "SYNCBRIDGE_NAMESPACES_MAX", value_name = "N", default_value_t = 1_000)]
    pub namespaces_max: usize,

    /// Bytes of one item, headers included.
    #[arg(long, env = "SYNCBRIDGE_PAYLOAD_BYTES_MAX", value_name = "BYTES")]
    #[arg(default_value_t = Limits::default().payload_bytes_max)]
    pub payload_bytes_max: u64,

    /// Headers of one item.
    #[arg(long, env = "SYNCBRIDGE_HEADERS_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().headers_max)]
    pub headers_max: u32,

    /// Bytes of a priority key.
    #[arg(long, env = "SYNCBRIDGE_KEY_BYTES_MAX", value_name = "BYTES")]
    #[arg(default_value_t = Limits::default().key_bytes_max)]
    pub key_bytes_max: u32,

    /// Bytes of a label, or of the reason that a consumer gives; longer ones are cut.
    #[arg(long, env = "SYNCBRIDGE_TEXT_BYTES_MAX", value_name = "BYTES")]
    #[arg(default_value_t = Limits::default().text_bytes_max)]
    pub text_bytes_max: u32,

    /// Items in one call.
    #[arg(long, env = "SYNCBRIDGE_BATCH_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().batch_max)]
    pub batch_max: u32,

    /// Entries on one page of a listing.
    #[arg(long, env = "SYNCBRIDGE_PAGE_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().page_max)]
    pub page_max: u32,

    /// Bytes of items kept in one namespace.
    #[arg(long, env = "SYNCBRIDGE_RETAINED_BYTES_MAX", value_name = "BYTES")]
    #[arg(default_value_t = Limits::default().retained_bytes_max)]
    pub retained_bytes_max: u64,

    /// Items in one namespace.
    #[arg(long, env = "SYNCBRIDGE_ITEMS_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().items_max)]
    pub items_max: u64,

    /// Entries of dicts, items of lists, values and schedules of timers in one namespace.
    #[arg(long, env = "SYNCBRIDGE_ENTRIES_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().entries_max)]
    pub entries_max: u64,

    /// Items in one list.
    #[arg(long, env = "SYNCBRIDGE_LIST_ITEMS_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().list_items_max)]
    pub list_items_max: u32,

    /// Dedupe keys that one queue remembers.
    #[arg(long, env = "SYNCBRIDGE_DEDUPE_KEYS_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().dedupe_keys_max)]
    pub dedupe_keys_max: u32,

    /// Queues bound to one topic, each pattern counted.
    #[arg(long, env = "SYNCBRIDGE_TOPIC_BINDINGS_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().topic_bindings_max)]
    pub topic_bindings_max: u32,

    /// The shortest period of a timer, in seconds.
    #[arg(long, env = "SYNCBRIDGE_TIMER_PERIOD_SECONDS_MIN", value_name = "SECONDS", value_parser = seconds)]
    #[arg(default_value_t = Limits::default().timer_period_min.as_secs_f64())]
    pub timer_period_seconds_min: f64,

    /// Missed firings that a timer makes up for, and items that it puts at once.
    #[arg(long, env = "SYNCBRIDGE_TIMER_FIRINGS_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().timer_firings_max)]
    pub timer_firings_max: u32,

    /// Objects in one namespace.
    #[arg(long, env = "SYNCBRIDGE_OBJECTS_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().objects_max)]
    pub objects_max: u32,

    /// Sessions in one namespace.
    #[arg(long, env = "SYNCBRIDGE_SESSIONS_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().sessions_max)]
    pub sessions_max: u32,

    /// Participants of one session.
    #[arg(long, env = "SYNCBRIDGE_PARTICIPANTS_PER_SESSION_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().participants_per_session_max)]
    pub participants_per_session_max: u32,

    /// Waiting calls in one namespace.
    #[arg(long, env = "SYNCBRIDGE_WAITS_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().waits_max)]
    pub waits_max: u32,

    /// Waiting calls of one session.
    #[arg(long, env = "SYNCBRIDGE_WAITS_PER_SESSION_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().waits_per_session_max)]
    pub waits_per_session_max: u32,

    /// Branches of one select, parts of one acquire of all.
    #[arg(long, env = "SYNCBRIDGE_BRANCHES_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().branches_max)]
    pub branches_max: u32,

    /// Answers kept for one session until its client has acknowledged them.
    #[arg(long, env = "SYNCBRIDGE_STORED_ANSWERS_PER_SESSION_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().stored_answers_per_session_max)]
    pub stored_answers_per_session_max: u32,

    /// The longest time to live that a session may ask for, in seconds.
    #[arg(long, env = "SYNCBRIDGE_SESSION_TTL_SECONDS_MAX", value_name = "SECONDS", value_parser = seconds)]
    #[arg(default_value_t = Limits::default().session_ttl_max.as_secs_f64())]
    pub session_ttl_seconds_max: f64,

    /// The shortest, in seconds.
    #[arg(long, env = "SYNCBRIDGE_SESSION_TTL_SECONDS_MIN", value_name = "SECONDS", value_parser = seconds)]
    #[arg(default_value_t = Limits::default().session_ttl_min.as_secs_f64())]
    pub session_ttl_seconds_min: f64,

    /// After how many deaths of sessions that held it as an offer an item is a dead letter.
    #[arg(long, env = "SYNCBRIDGE_CRASHED_OFFERS_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().crashed_offers_max)]
    pub crashed_offers_max: u32,

    /// Consumers that an item's history names.
    #[arg(long, env = "SYNCBRIDGE_CONSUMERS_PER_ITEM_MAX", value_name = "N")]
    #[arg(default_value_t = Limits::default().consumers_per_item_max)]
    pub consumers_per_item_max: u32,
}

/// A number of seconds that a [`Duration`] can hold.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{text} s: {error}"))?;
    Ok(seconds)
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

impl Default for ServeOptions {
    fn default() -> Self {
        #[derive(Parser)]
        struct Bare {
            #[command(flatten)]
            options: ServeOptions,
        }
        let command = <Bare as clap::CommandFactory>::command().mut_args(|arg| arg.env(None::<&str>));
        let matches = command.get_matches_from(["syncbridge"]);
        <Bare as clap::FromArgMatches>::from_arg_matches(&matches)
            .expect("invariant: every option has a default")
            .options
    }
}

impl ServeOptions {
    pub(crate) fn drain(&self) -> Duration {
        duration(self.drain_seconds)
    }

    /// Serving threads: one, unless the machine has cores to spare for more. A hand-over between threads costs
    /// more than most commands.
    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 4)),
            threads => threads,
        }
    }
}

impl LimitOptions {
    /// Those of the engine.
    pub(crate) fn engine(&self) -> Limits {
        Limits {
            payload_bytes_max: self.payload_bytes_max,
            headers_max: self.headers_max,
            key_bytes_max: self.key_bytes_max,
            text_bytes_max: self.text_bytes_max,
            batch_max: self.batch_max,
            page_max: self.page_max,
            retained_bytes_max: self.retained_bytes_max,
            items_max: self.items_max,
            entries_max: self.entries_max,
            list_items_max: self.list_items_max,
            dedupe_keys_max: self.dedupe_keys_max,
            timer_period_min: duration(self.timer_period_seconds_min),
            timer_firings_max: self.timer_firings_max,
            topic_bindings_max: self.topic_bindings_max,
            objects_max: self.objects_max,
            sessions_max: self.sessions_max,
            participants_per_session_max: self.participants_per_session_max,
            waits_max: self.waits_max,
            waits_per_session_max: self.waits_per_session_max,
            branches_max: self.branches_max,
            stored_answers_per_session_max: self.stored_answers_per_session_max,
            session_ttl_max: duration(self.session_ttl_seconds_max),
            session_ttl_min: duration(self.session_ttl_seconds_min),
            crashed_offers_max: self.crashed_offers_max,
            consumers_per_item_max: self.consumers_per_item_max,
        }
    }

    /// How often a connection is asked whether it is there.
    pub(crate) fn keepalive(&self) -> Option<Duration> {
        Some(duration(self.keepalive_seconds)).filter(|every| !every.is_zero())
    }

    /// How long its answer may take.
    pub(crate) fn keepalive_within(&self) -> Duration {
        duration(self.keepalive_within_seconds)
    }

    /// Bytes of one message on the wire: an item of the largest size and what surrounds it.
    pub(crate) fn message_bytes_max(&self) -> usize {
        const SLACK: u64 = 1 << 20;
        usize::try_from(self.payload_bytes_max.saturating_add(SLACK)).unwrap_or(usize::MAX)
    }

    /// Waiting calls of one connection.
    pub(crate) fn waiting_calls_max(&self) -> u32 {
        self.streams_per_connection_max.saturating_sub(self.streams_reserved).max(1)
    }
}
