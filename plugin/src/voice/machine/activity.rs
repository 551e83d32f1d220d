//! The agent's activity: out of the routing while calls cannot be taken, and back.
//!
//! Flex's `SetActivity` resolves also when TaskRouter refused, so the only proof of a move is the store. The
//! agent is never fought: only an *available* activity is left, only the activity that we put the agent in is
//! left again, once.
//!
//! Where the agent was is kept in the browser, for all tabs of Flex alike: whichever comes first takes the agent back.

use kernel::Monotonic;

use super::command::{Command, Severity};
use super::flex_view::{Activity, FlexView};
use super::i18n::{Text, Words};
use super::voice::Voice;

/// How long Flex's store may take to show a move before it counts as failed, in milliseconds.
pub const SHOW_MS: u64 = 5_000;

/// After a failed move, before the next, doubled each time up to five minutes.
pub const RETRY_MS: u64 = 10_000;

/// Failed attempts to go back before the choice is left to the agent.
pub const RETURN_ATTEMPTS: u32 = 4;

/// What the rest of the machine says.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Calls arrive, and Twilio sends them here.
    pub ready: bool,
    /// Calls cannot be taken, and that is not a passing matter.
    pub unavailable: bool,
    /// A call is live, here or in Flex: the activity is left alone.
    pub live_call: bool,
    /// The name of the activity for an agent without voice.
    pub offline_name: &'a str,
    /// Why, for the notification.
    pub reason: &'a Voice,
    /// An agent without anywhere to go back to is asked to choose.
    pub asks: bool,
    /// How to say it.
    pub words: &'a Words,
}

#[derive(Clone, Debug)]
struct Move {
    to: String,
    deadline: Monotonic,
}

/// Keeps the agent's activity honest.
#[derive(Clone, Debug, Default)]
pub struct ActivityController {
    /// The agent was seen in the offline activity.
    was_offline: bool,
    moving: Option<Move>,
    failed: u32,
    not_before: Option<Monotonic>,
    told_missing: bool,
    told_choose: bool,
}

impl ActivityController {
    /// The activity that the agent is being moved to.
    #[must_use]
    pub fn moving_to(&self) -> Option<&str> {
        self.moving.as_ref().map(|moving| moving.to.as_str())
    }

    /// When a move that does not show has failed, and when the next may be tried.
    pub fn deadlines(&self) -> [Option<Monotonic>; 2] {
        [self.moving.as_ref().map(|moving| moving.deadline), self.not_before]
    }

    /// Orders a move where one is due. True when the agent was told why.
    pub fn step(
        &mut self,
        now_is: &Situation<'_>,
        flex: &FlexView,
        now: Monotonic,
        out: &mut Vec<Command>,
    ) -> bool {
        let Some(current) = &flex.activity else { return false };
        let offline = flex.activities.iter().find(|a| a.name == now_is.offline_name);

        let was_moving = self.moving.is_some();
        if self.still_moving(current, now) {
            return false;
        }
        let in_offline = offline.is_some_and(|o| o.sid == current.sid);
        if in_offline {
            self.was_offline = true;
        } else {
            self.told_choose = false;
            // The agent is back, or chose another activity, or our move failed: there is nothing to go back from. Only
            // who saw it may say so: another tab may have remembered it a moment ago.
            if (self.was_offline || was_moving) && flex.remembered_activity.is_some() {
                out.push(Command::Remember(None));
            }
            self.was_offline = false;
        }
        if now_is.live_call || self.not_before.is_some_and(|until| now < until) {
            return false;
        }
        if now_is.unavailable && current.available {
            return self.leave(now_is, current, offline, flex, now, out);
        }
        if now_is.ready && in_offline {
            return self.go_back(now_is, flex, now, out);
        }
        if now_is.ready {
            self.told_missing = false;
        }
        false
    }

    /// Looks whether a move arrived. True while it may still arrive.
    fn still_moving(&mut self, current: &Activity, now: Monotonic) -> bool {
        let Some(moving) = &self.moving else { return false };
        if moving.to == current.sid {
            (self.moving, self.failed, self.not_before) = (None, 0, None);
            return false;
        }
        if now < moving.deadline {
            return true;
        }
        self.moving = None;
        self.not_before = Some(now.plus((RETRY_MS << self.failed.min(5)).min(300_000)));
        self.failed = self.failed.saturating_add(1);
        false
    }

    fn leave(
        &mut self,
        now_is: &Situation<'_>,
        current: &Activity,
        offline: Option<&Activity>,
        flex: &FlexView,
        now: Monotonic,
        out: &mut Vec<Command>,
    ) -> bool {
        let Some(offline) = offline.filter(|o| !o.available) else {
            if !self.told_missing {
                self.told_missing = true;
                out.push(Command::Notify(
                    Severity::Warning,
                    now_is.words.missing_activity(now_is.offline_name, now_is.reason),
                ));
                return true;
            }
            return false;
        };
        if flex.reservation_pending {
            // TaskRouter would refuse, and Flex would show its error. The reservation ends within its own
            // time limit.
            return false;
        }
        out.push(Command::Remember(Some(current.sid.clone())));
        self.go(&offline.sid, now, out);
        if self.failed == 0 {
            out.push(Command::Notify(
                Severity::Warning,
                now_is.words.moved_offline(&offline.name, now_is.reason),
            ));
        }
        true
    }

    fn go_back(
        &mut self,
        now_is: &Situation<'_>,
        flex: &FlexView,
        now: Monotonic,
        out: &mut Vec<Command>,
    ) -> bool {
        let gave_up = self.failed >= RETURN_ATTEMPTS;
        if gave_up {
            self.failed = 0;
            out.push(Command::Remember(None));
        }
        let remembered = flex.remembered_activity.as_ref().filter(|_| !gave_up);
        let target = remembered.and_then(|sid| flex.activities.iter().find(|a| a.sid == *sid));
        match target {
            Some(back) => self.go(&back.sid, now, out),
            None if now_is.asks && !self.told_choose => {
                self.told_choose = true;
                out.push(Command::Notify(Severity::Info, now_is.words.plain(Text::ChooseActivity)));
            }
            None => {}
        }
        false
    }

    fn go(&mut self, sid: &str, now: Monotonic, out: &mut Vec<Command>) {
        self.moving = Some(Move { to: sid.to_owned(), deadline: now.plus(SHOW_MS) });
        out.push(Command::SetActivity(sid.to_owned()));
    }
}
