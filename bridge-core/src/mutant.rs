//! Deliberate faults, to see whether the tests find them: `make mutants`.
//!
//! Each is a place where one line asks whether the fault is switched on, for this thread. Builds without debug
//! assertions (releases) contain neither the list nor the question: [`Mutant::is_on`] is `false` there.

macro_rules! mutants {
    ($($name:ident: $what:literal,)*) => {
        /// A fault that can be switched on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Mutant { $($name),* }

        /// All of them with what they do. `make mutants` fails unless some seed finds each.
        #[cfg(debug_assertions)]
        pub const ALL: &[(Mutant, &str)] = &[$((Mutant::$name, $what)),*];
    };
}

mutants! {
    AcceptForgotten: "an accepted grant stays an offer that nobody remembers",
    RefusalForgotten: "a refused grant does not go back",
    NotServedAfterRefusal: "what was refused is not handed on",
    AnswerNotStored: "an answer is not kept until it is acknowledged",
    RetryExecutedAgain: "a command that arrives again is executed again",
    TicketNotWithdrawn: "a cancelled wait stays in its line",
    WakeUpLost: "what a command freed is not handed on",
    OfferLostAtResume: "what is not settled is not answered again when a stream is up",
    HoldsKeptAtEnd: "what a session held does not go back with it",
    OffersKeptAtEnd: "what a session was offered does not go back with it",
    GottenNotLost: "what a session had gotten does not count as lost with it",
    NotServedAtEnd: "what a session held is not handed on",
    StaysPresentWhenDetached: "the waits of a detached session do not step aside",
    TokenReused: "a number is given twice",
    DeadlineOffByOne: "what is due now is not done before the next microsecond",
    TimerNotCleared: "a wait that is over leaves its timer behind",
    PutNotWithdrawn: "a withdrawn put leaves its item",
    FifoBroken: "a FIFO queue gives its last item first",
    PriorityIgnored: "a priority queue gives its items in no order of their keys",
    StaleAckAccepted: "a lease is ended by another session",
    LeaseEarly: "a leased item is gone once it is accepted",
    PuttersForgottenAtShutdown: "blocked puts are not told of a shutdown",
    MaxsizeIgnored: "a put comes in though there is no room",
    SeenItemWithdrawn: "a put is withdrawn though somebody has been offered its item",
    WithdrawnPutAcknowledged: "the client acknowledges a put whose withdrawal is not answered",
    HeldBackTwice: "the client hands a grant out again that it is told again",
    GroupLeftOpen: "another one of a group can be taken while one is out",
    GroupOvertaken: "those of a group pass one that was given back with a delay",
    GroupLeftClosed: "a group waits for one that is done",
    RecallForgotten: "what was prefetched is not recalled",
    RecallIgnored: "the client does not give back what is recalled",
    OfferCountsAsAttempt: "an offer that was refused counts as an attempt",
    DeadLetterLost: "a dead letter does not arrive",
    DeathUntold: "a dead letter does not say why it died",
    RedrivenLost: "a dead letter is redriven to nowhere",
    RedrivenOld: "a redriven item has the attempts that it had",
    MovedBeyondBound: "items are moved to where there is no room",
    MovedOld: "a moved item has the attempts that it had elsewhere",
    PatternIgnored: "what is bound by a pattern gets nothing",
    PublishedInPart: "what is published passes over a queue without room",
    UnboundGetsMore: "a queue that was unbound gets what is published",
    FiredTwice: "a timer puts twice at a time",
    MissedForgotten: "a timer makes up for nothing",
    TimerDrifts: "a timer counts its period from when it was served",
    CancelledFires: "a timer that was cancelled goes on",
    PipeOrderBroken: "an end of a pipe receives the latest message first",
    RefusedMessageLost: "a message that was refused is gone",
    EndOfPipeEarly: "the end of a pipe is told while a message may come back",
    EndStaysOpen: "an end of a pipe stays open when its last session ends",
    OnePermitTooMany: "a semaphore gives one permit more than it has",
    StaleReleaseAccepted: "a permit is released by another session",
    SignalLostOnRefusal: "a refused signal is gone",
    BareReleaseSignals: "a bare release returns nothing and signals",
    SetWakesNobody: "a set does not wake who waits",
    VersionStands: "a set has the version of the one before",
    PastSetMissed: "a wait does not end by a set that was cleared since",
    AnybodyReenters: "a reentrant lock is given to others than its owner",
    AbandonedNotTold: "who follows on a lost owner is not told",
    LeaseForgotten: "the lease of a lock is never over",
    DepthLost: "the wait of a condition ends with one level",
    ReadBesideWriter: "a read-write lock is read while it is written",
    WriteBesideReader: "a read-write lock is written while it is read",
    GenerationStands: "a barrier goes on and counts no generation",
    LatchCountsTwice: "a count_down counts twice",
    LatchOpensEarly: "a latch opens at one",
    FenceNotChecked: "a lower fence is let in",
    VersionNotCompared: "a value is set whatever its version is",
    BoundEntryStays: "an entry stays that was bound to a session",
    ClockIgnored: "the client takes its session for alive whatever its clock says",
    AliveSinceArrival: "the client counts from when an answer came, not from when it asked",
    CommandsLostAtResume: "the client does not send again what a lost stream may have swallowed",
    PiecesGoOnAfterCut: "the client goes on with the pieces of a large command on another stream",
    WithdrawnBeforeAsked: "the withdrawal of a large command overtakes its pieces",
    DoneLostAtResume: "the client does not tell again what it has settled",
    GivenTwiceAfterLoss: "the client does in a new session again what may have been done in the lost one",
    AbandonedGrantKept: "the client keeps a grant whose caller turned away",
    LateGrantKept: "the client keeps a grant that nobody waits for",
    UnsentReleaseForgotten: "the client forgets that it still holds what a release that never left was to give back",
    SilenceUnnoticed: "the node lets silent sessions live",
    DeathBreaksNothing: "the death of a party leaves its barrier whole",
    AliveWhenToldOtherwise: "the client takes its session for alive though it was told that it is over",
    AttachedAfterRestart: "sessions are still attached after a restart",
    ToldBeforeDurable: "the node tells what the journal does not have yet",
    ConfirmedBeforeDurable: "the node confirms frames that the journal does not have yet",
    LostSessionTakenForNew: "the client takes a new session for the one that it had",
    BranchMistaken: "a select says that its first branch was granted, whichever was",
    BranchesStay: "the other branches of a select stay in their lines",
    PartTakenAnyway: "who acquires all gets all, though the first part is another's",
    PartForgotten: "of all that was acquired and is refused only the first part goes back",
    NeverReserves: "who acquires all is passed for ever",
    StepsUnchecked: "a transaction is executed up to the step that cannot be",
    AckCountsTwice: "a transaction acknowledges what was acknowledged before",
    CyclesUnseen: "who waits in a circle is left waiting",
    TimedWaitsRaise: "a circle that ends by itself is taken for a deadlock",
    OfferedIsOwned: "what is only on offer closes a circle",
    AnyOwnerStuck: "permits are taken for stuck when one of their owners is",
    NotificationDies: "a notification ends with the session of its waiter",
    NotificationRefused: "a notification is gone when its waiter refuses the lock",
}

impl Mutant {
    /// Whether this fault is switched on here.
    #[inline(always)]
    pub fn is_on(self) -> bool {
        #[cfg(debug_assertions)]
        return chosen::is_on(self);
        #[cfg(not(debug_assertions))]
        false
    }
}

#[cfg(debug_assertions)]
pub use chosen::{choose, reached};

#[cfg(debug_assertions)]
mod chosen {
    use std::cell::{Cell, RefCell};

    use super::{ALL, Mutant};

    thread_local! {
        static CHOSEN: Cell<Option<Mutant>> = const { Cell::new(None) };
        static REACHED: RefCell<Vec<u64>> = RefCell::new(vec![0; ALL.len()]);
    }

    pub(super) fn is_on(mutant: Mutant) -> bool {
        REACHED.with_borrow_mut(|reached| reached[mutant as usize] += 1);
        CHOSEN.get() == Some(mutant)
    }

    /// From now on this thread has that fault, or none.
    pub fn choose(mutant: Option<Mutant>) {
        CHOSEN.set(mutant);
    }

    /// How often each of [`ALL`] was asked for on this thread since the last time; that many times it could have happened.
    pub fn reached() -> Vec<u64> {
        REACHED.with_borrow_mut(|reached| std::mem::replace(reached, vec![0; ALL.len()]))
    }
}
