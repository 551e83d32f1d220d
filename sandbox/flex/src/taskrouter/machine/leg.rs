//! One participant's leg of a call, as the Sync map of a conference has it.

use kernel::CallSid;
use serde_json::{Value, json};

use super::event::Command;
use crate::api::{LegCommand, Line};

/// How far a leg is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LegState {
    Dialling,
    Joined,
    Left,
}

impl LegState {
    /// As the Sync map of a conference says it.
    pub(super) const fn participant_status(self) -> &'static str {
        match self {
            Self::Dialling => "connecting",
            Self::Joined => "joined",
            Self::Left => "left",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Leg {
    pub(super) call_sid: CallSid,
    pub(super) state: LegState,
    pub(super) hold: bool,
    pub(super) muted: bool,
    pub(super) end_conference_on_exit: bool,
}

/// An item of a conference's Sync map: the call SID, and what is said of the participant.
pub(super) type Item = (String, Value);

impl Leg {
    /// A worker's leg, in the state in which it begins.
    pub(super) fn new(call_sid: CallSid, state: LegState, end_conference_on_exit: bool) -> Self {
        Self { call_sid, state, hold: false, muted: false, end_conference_on_exit }
    }

    /// The participant whose leg it is.
    pub(super) fn item(
        &self,
        kind: &str,
        conference_sid: &str,
        reservation_sid: &str,
        worker_sid: &str,
    ) -> Item {
        let data = json!({
            "participant_type": kind,
            "status": self.state.participant_status(),
            "conference_sid": conference_sid,
            "call_sid": self.call_sid,
            "hold": self.hold,
            "muted": self.muted,
            "end_conference_on_exit": self.end_conference_on_exit,
            "reservation_sid": reservation_sid,
            "worker_sid": worker_sid,
        });
        (self.call_sid.as_str().to_owned(), data)
    }
}

/// Writes an item of a task's conference.
pub(super) fn write((key, data): Item, task_sid: &str) -> Command {
    Command::ConferenceItem { task_sid: task_sid.to_owned(), key, data }
}

/// Makes the Sync map of a task's conference.
///
/// Flex opens the map when it hears of the reservation and reads `conf_status` only then; a status that came later would
/// be taken for a participant. Inferred: Twilio has made both by that time.
pub(super) fn open(task_sid: &str, conference_sid: &str) -> [Command; 2] {
    let status = json!({ "status": "active", "conference_sid": conference_sid });
    [
        Command::ConferenceOpened { task_sid: task_sid.to_owned() },
        write(("conf_status".to_owned(), status), task_sid),
    ]
}

/// Changes who hears whom on a leg.
pub(super) fn line(call_sid: &CallSid, line: Line) -> Command {
    Command::Leg(LegCommand::SetLine { call_sid: call_sid.clone(), line })
}

/// Ends a leg.
pub(super) fn end(call_sid: &CallSid) -> Command {
    Command::Leg(LegCommand::EndLeg { call_sid: call_sid.clone() })
}
