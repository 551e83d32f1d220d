//! Notifications: of a call, of one that waits, and of trouble that the agent has to do something about. One of each at
//! a time; what changes is changed in place, and what the agent has put away stays away.

use std::collections::BTreeMap;

use kernel::Timestamp;
use protocol::ProblemCode;
use serde::{Deserialize, Serialize};

use super::{Command, Machine, call::CallCommand, timers::Timer};

/// Trouble that is being dealt with is none until it has lasted for so long.
const RETRYING_MS: u64 = 60_000;
/// Trouble that may go by itself, with the next message of a page, is shown after this.
const PASSING_MS: u64 = 15_000;

/// Which notification.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
)]
#[serde(rename_all = "camelCase")]
pub enum NoticeId {
    /// The live call.
    Call,
    /// The call that waits.
    Waiting,
    /// Something that the agent has to do something about.
    Trouble,
}

/// What a notification says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(rename_all = "camelCase")]
pub enum Notice {
    /// A call, with buttons to mute and to hang up.
    Call {
        /// The caller, as the gateway names it.
        from: Option<String>,
        /// True while the microphone is muted.
        muted: bool,
    },
    /// A call that waits, with buttons to answer and to decline.
    Waiting {
        /// The caller.
        from: Option<String>,
        /// True while another is live, which answering hangs up.
        hangs_up: bool,
        /// True when Flex does not know of it.
        unexpected: bool,
    },
    /// Trouble.
    Trouble {
        /// Of which kind: there are words for each.
        code: ProblemCode,
    },
}

impl Notice {
    const fn id(&self) -> NoticeId {
        match self {
            Self::Call { .. } => NoticeId::Call,
            Self::Waiting { .. } => NoticeId::Waiting,
            Self::Trouble { .. } => NoticeId::Trouble,
        }
    }
}

/// The notifications that Chrome shows, as far as this machine knows; also over a restart, so that none comes twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(default)]
pub struct Notices {
    shown: BTreeMap<NoticeId, Notice>,
    /// What the agent has put away; forgotten when its reason is over.
    dismissed: BTreeMap<NoticeId, Notice>,
}

/// The keys that a person presses anywhere in Chrome (`chrome.commands`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcut {
    /// Mute, or unmute.
    Mute,
    /// Hang up.
    HangUp,
    /// Answer the call that waits.
    AnswerWaiting,
}

impl Shortcut {
    /// By its name in the manifest.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "mute" => Some(Self::Mute),
            "hang-up" => Some(Self::HangUp),
            "answer-waiting" => Some(Self::AnswerWaiting),
            _ => None,
        }
    }
}

/// How long such trouble has to last before it is worth a notification; `None` for what is not the agent's.
const fn patience_ms(code: ProblemCode, is_retrying: bool) -> Option<u64> {
    if is_retrying {
        return Some(RETRYING_MS);
    }
    match code {
        ProblemCode::MicrophoneUnavailable
        | ProblemCode::ConsentNeeded
        | ProblemCode::CallFailed
        | ProblemCode::AudioDeviceMissing => Some(0),
        ProblemCode::InvalidFlexToken
        | ProblemCode::WrongIdentity
        | ProblemCode::TokenServiceUnavailable
        | ProblemCode::TokenServiceMisconfigured
        | ProblemCode::VoiceTokenRefused
        | ProblemCode::GatewayUnavailable => Some(PASSING_MS),
        _ => None,
    }
}

impl Machine {
    fn trouble(&mut self, now: Timestamp) -> Option<Notice> {
        let problem = if self.consent_request().is_some() {
            Some((ProblemCode::ConsentNeeded, false))
        } else if self.durable.config.is_some() {
            self.client_state(now).problem.map(|problem| (problem.code, problem.retrying))
        } else {
            None
        };
        // What has begun is kept while the code is the same.
        match problem {
            Some((code, _)) if self.trouble.is_none_or(|(known, _)| known != code) => {
                self.trouble = Some((code, now))
            }
            Some(_) => {}
            None => self.trouble = None,
        }
        let ((code, is_retrying), (_, since)) = (problem?, self.trouble?);
        let due = since.plus(patience_ms(code, is_retrying)?);
        if due > now {
            self.timers.arm(Timer::Trouble, due);
            return None;
        }
        Some(Notice::Trouble { code })
    }

    /// Brings what Chrome shows in line with what there is to say.
    pub(super) fn settle_notices(&mut self, now: Timestamp) {
        let call = self.durable.call.as_ref().filter(|call| call.view.answered_at.is_some());
        let wanted = [
            call.map(|call| Notice::Call { from: call.view.from.clone(), muted: call.view.muted }),
            self.durable.waiting.as_ref().filter(|waiting| !waiting.answered).map(|waiting| {
                Notice::Waiting {
                    from: waiting.view.from.clone(),
                    hangs_up: self.durable.call.is_some(),
                    unexpected: waiting.view.unexpected,
                }
            }),
            self.trouble(now),
        ];
        for (id, notice) in [NoticeId::Call, NoticeId::Waiting, NoticeId::Trouble].into_iter().zip(wanted) {
            let Some(notice) = notice else {
                self.durable.notices.dismissed.remove(&id);
                if self.durable.notices.shown.remove(&id).is_some() {
                    self.out.push(Command::ClearNotice(id));
                }
                continue;
            };
            // A call stays the same call when it is muted; other trouble is other trouble.
            let is_put_away = match self.durable.notices.dismissed.get(&id) {
                None => false,
                Some(dismissed) => id != NoticeId::Trouble || *dismissed == notice,
            };
            if is_put_away || self.durable.notices.shown.get(&id) == Some(&notice) {
                continue;
            }
            self.durable.notices.dismissed.remove(&id);
            let is_update = self.durable.notices.shown.insert(id, notice.clone()).is_some();
            self.out.push(Command::Notify { id: notice.id(), notice, is_update });
        }
    }

    /// The agent has put a notification away.
    pub(super) fn notice_closed(&mut self, id: NoticeId) {
        if let Some(notice) = self.durable.notices.shown.remove(&id) {
            self.durable.notices.dismissed.insert(id, notice);
        }
    }

    /// What it spoke of is over, and the next one of that kind is news.
    pub(super) fn notice_is_over(&mut self, id: NoticeId) {
        self.durable.notices.dismissed.remove(&id);
    }

    /// The agent clicked on a notification.
    pub(super) fn notice_clicked(&mut self, id: NoticeId) {
        let is_microphone = self.durable.notices.shown.get(&id)
            == Some(&Notice::Trouble { code: ProblemCode::MicrophoneUnavailable });
        self.out.push(if is_microphone { Command::OpenWelcome } else { Command::OpenPopup });
    }

    /// The agent pressed a notification's button. What cannot be done any more is no longer shown either.
    pub(super) fn notice_button(&mut self, id: NoticeId, button: u32, now: Timestamp) {
        let done = match (id, button) {
            (NoticeId::Call, 0) => self.toggle_mute(now),
            (NoticeId::Call, 1) => self.command_call(None, CallCommand::HangUp, now),
            (NoticeId::Waiting, 0) => self.answer_waiting(None, now),
            (NoticeId::Waiting, 1) => self.decline_waiting(None, now),
            _ => Ok(()),
        };
        if let Err(refused) = done {
            self.info(now, format!("A notification's button came too late: {}", refused.message()));
        }
    }

    /// The agent pressed a key.
    pub(super) fn shortcut(&mut self, shortcut: Shortcut, now: Timestamp) {
        let done = match shortcut {
            Shortcut::Mute => self.toggle_mute(now),
            Shortcut::HangUp => self.command_call(None, CallCommand::HangUp, now),
            Shortcut::AnswerWaiting => self.answer_waiting(None, now),
        };
        if let Err(refused) = done {
            self.info(now, format!("A key did nothing: {}", refused.message()));
        }
    }

    fn toggle_mute(&mut self, now: Timestamp) -> Result<(), super::Refused> {
        let is_muted = self.durable.call.as_ref().is_some_and(|call| call.view.muted);
        self.command_call(None, CallCommand::SetMute(!is_muted), now)
    }
}
