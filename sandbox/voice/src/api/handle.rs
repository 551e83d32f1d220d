//! The handle on the gateway.

use kernel::{CallSid, DtmfDigits};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::types::{
    CallView, Config, Line, NewCall, VoiceError, VoiceEvent, VoiceFault, VoiceView, WindowsView,
};
use crate::shell::{self, Input};
use sandbox_kit::clock::Clock;

/// The handle. Clones refer to the same gateway, which runs until the last one is dropped.
#[derive(Clone, Debug)]
pub struct Voice {
    input: mpsc::UnboundedSender<Input>,
    events: broadcast::Sender<VoiceEvent>,
    clock: Clock,
}

impl Voice {
    /// Starts the gateway on the current tokio runtime. Nothing listens until [`Voice::router`] is served.
    #[must_use]
    pub fn start(config: Config) -> Self {
        let (events, _) = broadcast::channel(4096);
        let clock = config.clock;
        let input = shell::start(config, events.clone());
        Self { input, events, clock }
    }

    /// `GET /signal`, the WebSocket that the Voice SDK opens on `voice-js.<edge>.twilio.com`.
    pub fn router(&self) -> axum::Router {
        shell::router(self.input.clone())
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<VoiceEvent> {
        self.events.subscribe()
    }

    /// The clock of all times in events and views.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Calls a client.
    ///
    /// A call to an identity without a registered socket is made and ends at once
    /// ([`EndReason::NotRegistered`](super::types::EndReason::NotRegistered)).
    ///
    /// # Errors
    /// [`VoiceError::DuplicateSid`] if the SID was used before.
    pub async fn call(&self, call: NewCall) -> Result<CallSid, VoiceError> {
        self.ask(|reply| Input::Call(call, reply)).await?
    }

    /// The customer hangs up, or gives up while it rings.
    ///
    /// # Errors
    /// If there is no such call or it is over.
    pub async fn hang_up(&self, call: &CallSid) -> Result<(), VoiceError> {
        self.ask(|reply| Input::HangUp(call.clone(), reply)).await?
    }

    /// The customer presses keys; the agent's client hears them as RFC 4733 events. `w` is half a second of waiting.
    ///
    /// # Errors
    /// If there is no such call or it has no media.
    pub async fn send_dtmf(&self, call: &CallSid, digits: DtmfDigits) -> Result<(), VoiceError> {
        self.ask(|reply| Input::Dtmf(call.clone(), digits, reply)).await?
    }

    /// Changes who hears whom.
    ///
    /// # Errors
    /// If there is no such call or it is over.
    pub async fn set_line(&self, call: &CallSid, line: Line) -> Result<(), VoiceError> {
        self.ask(|reply| Input::Line(call.clone(), line, reply)).await?
    }

    /// Opens (or with `end` closes) a named window in which packets are counted separately.
    ///
    /// # Errors
    /// [`VoiceError::Window`] if the name is open already, or not open.
    pub async fn mark(&self, call: &CallSid, name: &str, end: bool) -> Result<(), VoiceError> {
        self.ask(|reply| Input::Mark(call.clone(), name.to_owned(), end, reply)).await?
    }

    /// The windows of a call.
    ///
    /// # Errors
    /// If there is no such call or it has no media.
    pub async fn windows(&self, call: &CallSid) -> Result<WindowsView, VoiceError> {
        self.ask(|reply| Input::Windows(call.clone(), reply)).await?
    }

    /// Starts or stops recording. A second start continues the same recording.
    ///
    /// # Errors
    /// If there is no such call or it has no media.
    pub async fn record(&self, call: &CallSid, on: bool) -> Result<(), VoiceError> {
        self.ask(|reply| Input::Record(call.clone(), on, reply)).await?
    }

    /// The recording so far as a stereo WAV at 8 kHz: left the agent, right the customer.
    ///
    /// # Errors
    /// [`VoiceError::NoRecording`] if recording was never started.
    pub async fn recording(&self, call: &CallSid) -> Result<Vec<u8>, VoiceError> {
        self.ask(|reply| Input::Recording(call.clone(), reply)).await?
    }

    /// One call.
    ///
    /// # Errors
    /// If there is no such call.
    pub async fn call_view(&self, call: &CallSid) -> Result<CallView, VoiceError> {
        self.ask(|reply| Input::CallView(call.clone(), reply)).await?
    }

    /// Everything at this moment.
    ///
    /// # Errors
    /// [`VoiceError::Stopped`].
    pub async fn view(&self) -> Result<VoiceView, VoiceError> {
        self.ask(Input::View).await
    }

    /// Begins a fault. The number is the caller's choice, must be new, and ends it.
    ///
    /// # Errors
    /// [`VoiceError::Stopped`].
    pub async fn fault(&self, id: u64, fault: VoiceFault) -> Result<(), VoiceError> {
        self.ask(|reply| Input::Fault(id, fault, reply)).await
    }

    /// Ends a fault; says whether there was one.
    ///
    /// # Errors
    /// [`VoiceError::Stopped`].
    pub async fn clear_fault(&self, id: u64) -> Result<bool, VoiceError> {
        self.ask(|reply| Input::ClearFault(id, reply)).await
    }

    /// Ends every call and every fault and forgets ended calls. Sockets stay open.
    ///
    /// # Errors
    /// [`VoiceError::Stopped`].
    pub async fn reset(&self) -> Result<(), VoiceError> {
        self.ask(Input::Reset).await
    }

    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Result<T, VoiceError> {
        let (reply, answer) = oneshot::channel();
        self.input.send(input(reply)).ok().ok_or(VoiceError::Stopped)?;
        answer.await.ok().ok_or(VoiceError::Stopped)
    }
}
