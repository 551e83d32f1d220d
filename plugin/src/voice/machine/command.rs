//! What the plugin may have done.

use kernel::AccountSid;
use protocol::CallPhase;
use protocol::page::ToExtension;

use super::view::StatusLine;

/// What is to be done. The shell carries these out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Post to the extension, where [`lifeline::channel::ChannelChoice`] says.
    Post(ToExtension),
    /// Post FLEX_TOKEN with the token that Flex's store holds at that moment.
    PostToken(AccountSid),
    /// Put Flex's current token for this account into the port that the CONFIGURE before it offered, if it did: after F5 the
    /// extension then knows in one step whose page this is. Never in the window, where every script would read it.
    OfferToken(AccountSid),
    /// Put this into the port that the extension has taken, and never in the window: it is a secret.
    PostPrivately(ToExtension),
    /// Tell whoever asked that the extension did not show the window of a video session.
    VideoRefused,
    /// Set the worker attribute `contact_uri`, keeping all others. Answer with [`super::Event::ContactUriSet`].
    SetContactUri {
        /// What to set.
        uri: String,
        /// What [`super::contact::PREVIOUS`] is to be from now on; `None`: it is to go.
        previous: Option<String>,
        /// The other attributes as JSON, where they are known better than from what Flex holds now.
        others: Option<String>,
    },
    /// Invoke Flex's `SetActivity` with this SID.
    SetActivity(String),
    /// Keep the SID of the activity to go back to, in this browser and for this worker, or forget it.
    Remember(Option<String>),
    /// Put a call-like object into Flex's store (`PHONE_ADD_CALL`). Answer with [`super::Event::CallInstalled`].
    InstallCall(CallProxy),
    /// Our call's mute state is now this; redraw (`PHONE_TOGGLE_MUTE`).
    ShowMute(bool),
    /// Our call's phase is now this.
    ShowPhase(CallPhase),
    /// Our call is over: take it out of Flex's store (`PHONE_REMOVE_CALL`) if it is there.
    RemoveCall,
    /// Replace the actions that act on the store's call ([`super::Control`]), because the store does not take ours. Ordered once;
    /// from then on [`super::Machine::takes_over`] says for each use whether it is for us.
    TakeOverActions,
    /// Show a short notification.
    Notify(Severity, String),
    /// Say this in the console, for who looks after the agent.
    Console(String),
    /// Take what was notified away before its time.
    Dismiss,
    /// Show this in the header; `None`: nothing.
    ShowStatus(Option<Box<StatusLine>>),
}

/// The proxy of the extension's call in Flex's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallProxy {
    /// `parameters.CallSid`: the agent leg.
    pub sid: String,
    /// `parameters.From`: the caller.
    pub from: Option<String>,
    /// Whether the microphone is muted.
    pub muted: bool,
    /// The phase, for `status()`.
    pub phase: CallPhase,
}

/// How a notification looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// All is well.
    Info,
    /// The agent should do something.
    Warning,
}
