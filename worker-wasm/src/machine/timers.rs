//! What the machine waits for.

use kernel::Timestamp;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// The next heartbeat.
    Heartbeat,
    /// The Voice token wants refreshing.
    Refresh,
    /// Until then the token service is not asked again.
    FetchRetry,
    /// The answer of the token service is overdue.
    FetchDeadline,
    /// Until then the pages are not asked for a Flex token again.
    AskPages,
    /// The gateway's confirmation is overdue.
    Registration,
    /// The offscreen document's Hello is overdue.
    OffscreenHello,
    /// Until then the offscreen document is not opened again.
    OffscreenRetry,
    /// The offscreen document has carried enough calls and has been idle: time for a fresh one.
    RenewOffscreen,
    /// A live call waits for the offscreen document.
    CallOffscreen,
    /// A call that is being accepted is not open yet.
    Accept,
    /// The offscreen document came back without the call; how it ended may follow at once.
    CallLost,
    /// The offscreen document has not ended a call that it was told to end.
    HangUp,
    /// The gateway is to be asked for another confirmation.
    Probe,
    /// The gateway's confirmation did not come.
    Silence,
    /// Until then a `Device` that does not come back is not rebuilt.
    Rebuild,
    /// Trouble has lasted long enough to say so.
    Trouble,
    /// A second call has waited long enough for the agent's word.
    Waiting,
    /// The last call's problem has been shown long enough.
    ProblemFade,
    /// After a restart, time for the pages that were open to connect again.
    PagesBack,
    /// No page of the agent has been open for long enough.
    Absence,
    /// After a restart, time to register again before the pages are told that calls do not arrive.
    RestoreGrace,
}

/// The armed deadlines.
pub(super) type Timers = sansio::Timers<Timer, Timestamp>;
