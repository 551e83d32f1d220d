//! What only Flex knows of the live call: whether the customer is on hold. The extension shows it, so it is told.

use kernel::{CallSid, Timestamp};
use protocol::CallView;
use protocol::page::CallContext;

use super::VoiceTask;

/// The message that tells it.
pub const MESSAGE: &str = "VOICE_CLIENT_EXTENSION_CALL_CONTEXT";

/// Between two repeats while the extension does not say it back, in milliseconds.
pub const REPEAT_MS: u64 = 2_000;

/// How often the same is said.
pub const ATTEMPTS: u32 = 5;

/// Tells the extension.
#[derive(Clone, Debug, Default)]
pub struct HoldTeller {
    said: Option<(CallSid, bool)>,
    attempts: u32,
    not_before: Option<Timestamp>,
    deaf: bool,
}

impl HoldTeller {
    /// The extension does not know the message.
    pub const fn not_understood(&mut self) {
        self.deaf = true;
    }

    /// What to tell now. `call`: what the extension says of its call.
    pub fn step(
        &mut self,
        call: Option<&CallView>,
        task: Option<&VoiceTask>,
        now: Timestamp,
    ) -> Option<CallContext> {
        let (call, task) = (call?, task?);
        let on_hold = task.on_hold?;
        let other = task.worker_call_sid.as_deref().is_some_and(|sid| sid != call.sid.as_str());
        // Nothing said yet means not on hold.
        if call.on_hold.unwrap_or(false) == on_hold {
            self.said = None;
            return None;
        }
        if self.deaf || other {
            return None;
        }
        let what = (call.sid.clone(), on_hold);
        if self.said.as_ref() != Some(&what) {
            (self.said, self.attempts, self.not_before) = (Some(what), 0, None);
        }
        if self.attempts >= ATTEMPTS || self.not_before.is_some_and(|until| now < until) {
            return None;
        }
        self.attempts += 1;
        self.not_before = Some(now.plus(REPEAT_MS));
        Some(CallContext { call_sid: call.sid.clone(), on_hold })
    }
}
