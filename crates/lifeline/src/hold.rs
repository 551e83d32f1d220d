//! What only the page knows of the live call: whether the customer is on hold. The extension shows it, so it is told.

use kernel::Monotonic;
use protocol::CallView;
use protocol::page::CallContext;

use crate::repeat::Repeated;

/// The message that tells it.
pub const MESSAGE: &str = "VOICE_CLIENT_EXTENSION_CALL_CONTEXT";

/// How often the same is said.
pub const ATTEMPTS: u32 = 5;

/// What the page knows of the customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The agent leg of the call that it is known of, where the page knows that.
    pub call_sid: Option<String>,
    /// Whether the customer is on hold.
    pub on_hold: bool,
}

/// Tells the extension.
#[derive(Clone, Debug)]
pub struct HoldNotice {
    said: Repeated<CallContext>,
    /// The extension does not know the message.
    unknown: bool,
}

impl Default for HoldNotice {
    fn default() -> Self {
        Self { said: Repeated::at_most(ATTEMPTS), unknown: false }
    }
}

impl HoldNotice {
    /// The extension does not know the message.
    pub const fn not_understood(&mut self) {
        self.unknown = true;
    }

    /// What to tell now. `call`: what the extension says of its call.
    pub fn due(
        &mut self,
        call: Option<&CallView>,
        held: Option<&Held>,
        now: Monotonic,
    ) -> Option<CallContext> {
        let (call, held) = (call?, held?);
        // Nothing said yet means not on hold.
        if call.on_hold.unwrap_or(false) == held.on_hold {
            self.said.forget();
            return None;
        }
        let other = held.call_sid.as_deref().is_some_and(|sid| sid != call.sid.as_str());
        if self.unknown || other {
            return None;
        }
        let what = CallContext { call_sid: call.sid.clone(), on_hold: held.on_hold };
        self.said.is_due(&what, now).then_some(what)
    }

    /// When it may be said again.
    #[must_use]
    pub fn next(&self) -> Option<Monotonic> {
        self.said.next()
    }
}
