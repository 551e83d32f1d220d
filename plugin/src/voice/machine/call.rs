//! The proxy of the extension's call in Flex's store.
//!
//! Flex's own mute, hang-up and keypad all act on `flex.phone.activeCall`. An object there whose methods
//! speak to the extension makes them work, and keeps *Join Call*, which would dial the agent a second time,
//! from showing.

use protocol::CallPhase;

use super::command::{CallProxy, Command};
use super::flex_view::ActiveCall;

/// Where the proxy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Ordered; the store has not been looked at yet.
    Ordered,
    /// In Flex's store.
    Store,
    /// Flex's store does not take it: its internal action type has changed.
    Nowhere,
}

#[derive(Clone, Debug)]
struct Live {
    call: CallProxy,
    place: Place,
}

/// Keeps the proxy as the extension's call is.
#[derive(Clone, Debug, Default)]
pub struct CallController {
    live: Option<Live>,
    /// The store is not to be used.
    actions_only: bool,
    actions_taken: bool,
}

impl CallController {
    /// A controller that never puts the call into Flex's store and always uses the documented actions.
    #[must_use]
    pub fn by_actions() -> Self {
        Self { actions_only: true, ..Self::default() }
    }

    /// A call of the extension is live and Flex's buttons are ours.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// The mute state that Flex shows.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.call.muted)
    }

    /// The live call's SID.
    #[cfg(test)]
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.live.as_ref().map(|live| live.call.sid.as_str())
    }

    /// The phase and mute state that Flex shows.
    #[must_use]
    pub fn shown(&self) -> Option<(CallPhase, bool)> {
        self.live.as_ref().map(|live| (live.call.phase, live.call.muted))
    }

    /// The proxy was dispatched; did the store take it?
    pub fn installed(&mut self, took: bool, out: &mut Vec<Command>) {
        let Some(live) = &mut self.live else { return };
        live.place = if took { Place::Store } else { Place::Nowhere };
        if !took {
            self.take_actions(out);
        }
    }

    fn take_actions(&mut self, out: &mut Vec<Command>) {
        if !self.actions_taken {
            self.actions_taken = true;
            out.push(Command::TakeOverActions);
        }
    }

    /// Makes the proxy what `wanted` is. `heartbeat`: also look whether somebody took it out of the store.
    pub fn step(
        &mut self,
        wanted: Option<CallProxy>,
        in_store: ActiveCall,
        heartbeat: bool,
        out: &mut Vec<Command>,
    ) {
        if let Some(live) = &self.live
            && wanted.as_ref().is_none_or(|call| call.sid != live.call.sid)
        {
            self.live = None;
            out.push(Command::RemoveCall);
        }
        let Some(wanted) = wanted else { return };
        match &mut self.live {
            None if in_store == ActiveCall::Foreign => {} // Flex's own call: hands off.
            None if self.actions_only => {
                self.live = Some(Live { call: wanted, place: Place::Nowhere });
                self.take_actions(out);
            }
            None => {
                self.live = Some(Live { call: wanted.clone(), place: Place::Ordered });
                out.push(Command::InstallCall(wanted));
            }
            Some(live) => {
                if live.call.phase != wanted.phase {
                    live.call.phase = wanted.phase;
                    out.push(Command::ShowPhase(wanted.phase));
                }
                if live.call.muted != wanted.muted {
                    live.call.muted = wanted.muted;
                    out.push(Command::ShowMute(wanted.muted));
                }
                if heartbeat && live.place == Place::Store && in_store == ActiveCall::None {
                    live.place = Place::Ordered;
                    out.push(Command::InstallCall(live.call.clone()));
                }
            }
        }
    }
}
