//! The handle of the video side.

use axum::Router;
use serde_json::Value;
use tokio::sync::{broadcast, oneshot};

use crate::config::{Config, LogEvent};
use crate::machine::fault::VideoFault;
use crate::shell::{self, Input, Shared};
use sandbox_kit::clock::Clock;

/// How many events may wait for whoever listens.
const EVENTS: usize = 4096;

/// The video side. Clones are handles to the same; it ends with the last of them.
#[derive(Clone)]
pub struct Video {
    shared: Shared,
    events: broadcast::Sender<LogEvent>,
}

impl Video {
    /// Starts it, on the runtime of whoever calls.
    #[must_use]
    pub fn start(config: Config) -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        let shared = shell::start(config, Clock::start(), events.clone());
        Self { shared, events }
    }

    /// Whether this host is played here: REST, signalling in any region, and telemetry.
    #[must_use]
    pub fn serves(host: &str) -> bool {
        host == "video.twilio.com"
            || host.ends_with(".vss.twilio.com")
            || (host.starts_with("sdkgw.") && host.ends_with(".twilio.com"))
    }

    /// All that is behind those hosts.
    pub fn router(&self) -> Router {
        shell::router(self.shared.clone())
    }

    /// What happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<LogEvent> {
        self.events.subscribe()
    }

    /// Begins a fault under a number of the caller's.
    pub async fn fault(&self, id: u64, fault: VideoFault) {
        self.ask(|reply| Input::Fault(id, fault, reply)).await.unwrap_or_default();
    }

    /// Ends a fault: whether there was one.
    pub async fn clear_fault(&self, id: u64) -> bool {
        self.ask(|reply| Input::ClearFault(id, reply)).await.unwrap_or_default()
    }

    /// Ends all faults.
    pub async fn clear_faults(&self) {
        self.ask(Input::ClearFaults).await.unwrap_or_default();
    }

    /// Whether clients may make rooms by joining them, as in Twilio's console.
    pub async fn set_ad_hoc(&self, on: bool) {
        self.ask(|reply| Input::AdHoc(on, reply)).await.unwrap_or_default();
    }

    /// Ends all rooms and faults.
    pub async fn reset(&self) {
        self.ask(Input::Reset).await.unwrap_or_default();
    }

    /// All rooms, who is in them, and what goes to whom; and the faults.
    pub async fn view(&self) -> Value {
        self.ask(Input::View).await.unwrap_or_default()
    }

    /// Asks the one task; nothing, if it is gone.
    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.shared.inputs.send(input(reply)).ok()?;
        answer.await.ok()
    }
}
