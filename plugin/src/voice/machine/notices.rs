//! What the agent is notified of, each thing once, and when that goes.

use lifeline::Report;

use super::command::{Command, Severity};
use super::i18n::{Text, Words};
use super::voice::Why;

/// Knows what was said.
#[derive(Clone, Debug, Default)]
pub struct NoticeController {
    /// The reason for unavailability that the agent was told of.
    told: Option<Why>,
    /// The extension carried a call when it was last heard.
    carried: bool,
    /// It was away since, so that nobody knows how that call fared.
    lost_sight: bool,
    /// Something was notified since the last [`Command::Dismiss`].
    notified: bool,
    /// A reservation was pending when last looked.
    rang: bool,
}

impl NoticeController {
    /// What was said to the agent before counts no longer.
    pub fn start_over(&mut self) {
        (self.told, self.carried, self.lost_sight) = (None, false, false);
    }

    /// Looks whether anything is being notified.
    pub fn ordered(&mut self, commands: &[Command]) {
        self.notified |= commands.iter().any(|command| matches!(command, Command::Notify(..)));
    }

    /// Flex's bar of notifications covers the first task's buttons. So what was said goes when it is no longer true, and
    /// when a call rings.
    pub fn clear(&mut self, recovered: bool, rings: bool, out: &mut Vec<Command>) {
        let rang = std::mem::replace(&mut self.rang, rings);
        if (recovered || rings && !rang) && std::mem::take(&mut self.notified) {
            out.push(Command::Dismiss);
        }
    }

    /// An extension that is back without the call that it carried: Flex's page shows no reason for its end. `report`: what the
    /// extension says, while it is there.
    pub fn look_for_the_call(
        &mut self,
        report: Option<&Report>,
        ready: bool,
        words: &Words,
        out: &mut Vec<Command>,
    ) {
        let Some(report) = report else {
            self.lost_sight |= std::mem::take(&mut self.carried);
            return;
        };
        if report.state.call.is_some() {
            (self.carried, self.lost_sight) = (true, false);
        } else if report.beating {
            self.carried = false;
            // Not before voice is ready, which takes away what was notified.
            if ready && std::mem::take(&mut self.lost_sight) {
                out.push(Command::Notify(Severity::Warning, words.plain(Text::CallOver)));
            }
        }
    }

    /// Calls cannot be taken: the agent is told of each reason once. `by_move`: they have been told by what their activity was
    /// changed for.
    pub fn notify(&mut self, why: &Why, by_move: bool, words: &Words, out: &mut Vec<Command>) {
        if self.told.as_ref() == Some(why) {
            return;
        }
        self.told = Some(why.clone());
        // A client that recovers by itself is the header's business, not a notification's.
        if !by_move && why.needs_the_agent() {
            out.push(Command::Notify(Severity::Warning, words.unavailable(why)));
        }
    }

    /// Calls are taken: the next reason is a new one.
    pub fn all_is_well(&mut self) {
        self.told = None;
    }
}
