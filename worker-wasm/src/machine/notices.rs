//! Notifications: of a call, of one that waits, and of trouble that the agent has to do something about. One of each at
//! a time; what changes is changed in place, and what the agent has put away stays away. And the toolbar button's badge.

use kernel::Timestamp;
use protocol::ProblemCode;

pub use super::notice::{Notice, NoticeId, Shortcut};
use super::{
    command::{Badge, Command},
    context::Context,
    notice::Notices,
    persisted::{Persisted, renew},
};

/// Trouble that is being dealt with is none until it has lasted for so long.
const RETRYING_MS: u64 = 60_000;
/// Trouble that may go by itself, with the next message of a page, is shown after this.
const PASSING_MS: u64 = 15_000;

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

/// What there is to say.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// The live call, once it is open.
    pub(super) call: Option<Notice>,
    /// The call that waits.
    pub(super) waiting: Option<Notice>,
    /// What is wrong, and whether it is being dealt with.
    pub(super) problem: Option<(ProblemCode, bool)>,
}

/// What Chrome shows outside of pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NoticeController {
    notices: Notices,
    badge: Option<Badge>,
    /// What is wrong, and since when.
    trouble: Option<(ProblemCode, Timestamp)>,
    /// When trouble has lasted long enough to say so.
    due: Option<Timestamp>,
}

impl NoticeController {
    /// Goes on from what was saved.
    pub(super) fn restore(&mut self, persisted: &Persisted) {
        self.notices.clone_from(&persisted.notices);
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.notices, &self.notices)
    }

    fn trouble(&mut self, problem: Option<(ProblemCode, bool)>, now: Timestamp) -> Option<Notice> {
        self.due = None;
        // What has begun is kept while the code is the same.
        self.trouble = problem.map(|(code, _)| match self.trouble {
            Some((known, since)) if known == code => (code, since),
            _ => (code, now),
        });
        let ((code, is_retrying), (_, since)) = (problem?, self.trouble?);
        let due = since.plus(patience_ms(code, is_retrying)?);
        if due > now {
            self.due = Some(due);
            return None;
        }
        Some(Notice::Trouble { code })
    }

    /// Brings what Chrome shows in line with what there is to say.
    pub(super) fn settle(&mut self, said: Said, badge: Badge, cx: &mut Context) {
        if self.badge != Some(badge) {
            self.badge = Some(badge);
            cx.push(Command::Badge(badge));
        }
        let trouble = self.trouble(said.problem, cx.now);
        for (id, notice) in
            [(NoticeId::Call, said.call), (NoticeId::Waiting, said.waiting), (NoticeId::Trouble, trouble)]
        {
            match notice {
                None if self.notices.withdraw(id) => cx.push(Command::ClearNotice(id)),
                None => {}
                Some(notice) => {
                    if let Some(is_update) = self.notices.show(id, &notice) {
                        cx.push(Command::Notify { id, notice, is_update });
                    }
                }
            }
        }
    }

    /// The agent has put a notification away.
    pub(super) fn closed(&mut self, id: NoticeId) {
        self.notices.dismiss(id);
    }

    /// What it spoke of is over, and the next one of that kind is news.
    pub(super) fn is_over(&mut self, id: NoticeId) {
        self.notices.is_over(id);
    }

    /// The agent clicked on a notification.
    pub(super) fn clicked(&self, id: NoticeId, cx: &mut Context) {
        let is_microphone =
            self.notices.shown(id) == Some(&Notice::Trouble { code: ProblemCode::MicrophoneUnavailable });
        cx.push(if is_microphone { Command::OpenWelcome } else { Command::OpenPopup });
    }

    /// Time has gone on: settling goes on from here.
    pub(super) fn time_passes(&mut self, now: Timestamp) {
        self.due.take_if(|due| *due <= now);
    }

    pub(super) const fn next(&self) -> Option<Timestamp> {
        self.due
    }
}
