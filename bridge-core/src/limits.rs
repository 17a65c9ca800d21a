//! Every bound, by name, in one place. Beyond one: `LIMIT_EXCEEDED` with its name and value, before anything
//! is changed.

use std::time::Duration;

/// Bytes in a name. Fixed: names are part of the contract.
pub const NAME_BYTES_MAX: usize = 255;

/// Reads of a paused session that wait until its client reads again.
pub const PAUSED_READS_MAX: usize = 1_024;

/// The largest limit and number of signals of a semaphore, so that no sum of them overflows.
pub const PERMITS_MAX: i64 = 1 << 53;

/// How long others pass by who waits for all of several.
pub const PASSED_BY_MAX: Duration = Duration::from_secs(1);

/// How often one holder can acquire a lock without releasing it.
pub const LEVELS_MAX: u32 = 1 << 30;

/// Waits of a cycle that its report and its error name.
pub const CYCLE_WAITS_MAX: usize = 16;

/// Waits that an explanation follows from one to the next.
pub const EXPLAINED_WAITS_MAX: usize = 64;

/// Owners of one wait that a wait-for graph names; it says how many there are.
pub const OWNERS_NAMED_MAX: usize = 16;

/// Deadlocks that a namespace remembers, the last ones.
pub const DEADLOCKS_MAX: usize = 64;

/// Waits that one step looks at for deadlocks: a call queues one; only notifications and times that are over queue more.
pub const DEADLOCK_CHECKS_MAX: usize = 64;

/// The bounds of a namespace that an operator may choose. Part of the engine's state: changed by a journaled
/// `Configure`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes of one item's payload, headers and an uncommon content type included.
    pub payload_bytes_max: u64,
    /// Headers of one item.
    pub headers_max: u32,
    /// Bytes of a priority key.
    pub key_bytes_max: u32,
    /// Bytes of a label or host, a nack's error, a reject's reason; longer ones are cut, not refused.
    pub text_bytes_max: u32,
    /// Items in one `put_many` or `get_many`, tokens in one ack, ids in one remove.
    pub batch_max: u32,
    /// Items on one page of a browse or listing; larger pages are cut.
    pub page_max: u32,
    /// Bytes of payloads retained in the namespace.
    pub retained_bytes_max: u64,
    /// Items in the namespace.
    pub items_max: u64,
    /// What values, lists and dicts of the namespace store (entries, items, and fences of entries), and schedules of timers.
    pub entries_max: u64,
    /// Items in one list.
    pub list_items_max: u32,
    /// The shortest period of a timer.
    pub timer_period_min: Duration,
    /// Missed firings that a timer makes up for, and items that it puts at once.
    pub timer_firings_max: u32,
    /// Dedupe keys that one queue remembers.
    pub dedupe_keys_max: u32,
    /// Queues that are bound to one topic, each pattern counted.
    pub topic_bindings_max: u32,
    /// Objects of all kinds.
    pub objects_max: u32,
    /// Open sessions.
    pub sessions_max: u32,
    /// Participants of one session that have a label; later ones have none.
    pub participants_per_session_max: u32,
    /// Waits in the namespace.
    pub waits_max: u32,
    /// Waits of one session.
    pub waits_per_session_max: u32,
    /// Branches of one select, parts of one acquire of all.
    pub branches_max: u32,
    /// Answers kept for one session until it has acknowledged them.
    pub stored_answers_per_session_max: u32,
    /// The longest time to live that a session may ask for.
    pub session_ttl_max: Duration,
    /// The shortest.
    pub session_ttl_min: Duration,
    /// After how many deaths of sessions to which it was offered an item is a dead letter (CONSUMER_CRASHED).
    pub crashed_offers_max: u32,
    /// Consumers that an item's history names; later ones are not added.
    pub consumers_per_item_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            payload_bytes_max: 64 << 20,
            headers_max: 64,
            key_bytes_max: 1 << 10,
            text_bytes_max: 4 << 10,
            batch_max: 10_000,
            page_max: 1_000,
            retained_bytes_max: 4 << 30,
            items_max: 10_000_000,
            entries_max: 10_000_000,
            list_items_max: 1_000_000,
            timer_period_min: Duration::from_millis(10),
            timer_firings_max: 1_000,
            dedupe_keys_max: 1_000_000,
            topic_bindings_max: 10_000,
            objects_max: 1_000_000,
            sessions_max: 100_000,
            participants_per_session_max: 100_000,
            waits_max: 1_000_000,
            waits_per_session_max: 200_000,
            branches_max: 256,
            stored_answers_per_session_max: 65_536,
            session_ttl_max: Duration::from_secs(24 * 3600),
            session_ttl_min: Duration::from_secs(1),
            crashed_offers_max: 16,
            consumers_per_item_max: 16,
        }
    }
}
