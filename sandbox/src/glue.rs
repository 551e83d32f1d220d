//! Where Flex and voice meet: Flex's commands become calls, and what becomes of a call is told to Flex.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use kernel::{AccountSid, CallSid, Identity, Secret};
use sandbox_callbacks::{Courier, Method, Product, Record, Signer, Targets};
use sandbox_flex::{FlexCloud, LegCommand, LegEnd, account};
use sandbox_video::Video;
use sandbox_voice::{Clock, Config, EndReason, Line, NewCall, Voice, VoiceError, VoiceEvent, VoiceEventKind};
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};
use twilio::{ApiKey, ApiKeySid};

use crate::log::Log;

/// Calls that Flex asked for.
#[derive(Clone, Default)]
pub(crate) struct Legs(Arc<Mutex<BTreeSet<CallSid>>>);

impl Legs {
    /// True if Flex asked for this call, so that Flex must be told what the customer does.
    pub(crate) fn contain(&self, call_sid: &CallSid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(call_sid)
    }

    fn add(&self, call_sid: CallSid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(call_sid);
    }
}

/// Starts the voice side for the sandbox's account. Flex UI's own client shows its Flex token; Flex knows whose it is.
pub(crate) fn start_voice(clock: Clock, flex: &FlexCloud) -> anyhow::Result<Voice> {
    let key = ApiKey::new(ApiKeySid::new(account::API_KEY_SID)?, Secret::new(account::API_KEY_SECRET));
    let mut config = Config::new(AccountSid::new(account::ACCOUNT_SID)?, key);
    config.clock = clock;
    let flex = flex.clone();
    config.flex_tokens = Some(Arc::new(move |token| {
        flex.identity_of_flex_token(token.expose()).and_then(|id| Identity::new(id).ok())
    }));
    Ok(Voice::start(config))
}

/// Starts the video side for the sandbox's account. A room's status callbacks arrive in their order.
pub(crate) fn start_video(courier: Courier) -> anyhow::Result<Video> {
    let (callbacks, mut wanted) = mpsc::unbounded_channel::<sandbox_video::Callback>();
    tokio::spawn(async move {
        while let Some(callback) = wanted.recv().await {
            let field = |name| callback.fields.iter().find(|(known, _)| *known == name);
            let value = |name| field(name).map(|(_, value)| value.clone()).unwrap_or_default();
            let (queue, kind) = (value("RoomSid"), value("StatusCallbackEvent"));
            courier.post(
                &queue,
                sandbox_callbacks::Callback {
                    product: Product::StatusCallback,
                    kind,
                    url: callback.url,
                    fallback_url: None,
                    method: match callback.method {
                        sandbox_video::Method::Get => Method::Get,
                        sandbox_video::Method::Post => Method::Post,
                    },
                    params: callback
                        .fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                },
            );
        }
    });
    Ok(Video::start(sandbox_video::Config {
        account: AccountSid::new(account::ACCOUNT_SID)?,
        auth_token: Secret::new(account::AUTH_TOKEN),
        api_keys: [
            (account::VIDEO_API_KEY_SID, account::VIDEO_API_KEY_SECRET),
            (account::API_KEY_SID, account::API_KEY_SECRET),
        ]
        .into_iter()
        .map(|(sid, secret)| Ok(ApiKey::new(ApiKeySid::new(sid)?, Secret::new(secret))))
        .collect::<anyhow::Result<_>>()?,
        callbacks: Some(callbacks),
    }))
}

/// Starts what tells developers' servers of the account's doings. The token service's host stands for the token service.
pub(crate) fn start_courier(token_host: &str, token_service_url: &str) -> Courier {
    let mut targets = Targets::default();
    targets.alias(token_host, token_service_url);
    Courier::start(sandbox_callbacks::Config {
        signer: Signer::AuthToken(Secret::new(account::AUTH_TOKEN)),
        targets,
    })
}

/// Puts into the log what developers' servers were told. What they were told in words stays out of it.
pub(crate) async fn follow_callbacks(mut records: broadcast::Receiver<Record>, log: Log) {
    loop {
        match records.recv().await {
            Ok(record) => log.add("callbacks", record.outcome, None, json!(record)),
            Err(broadcast::error::RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "callbacks came faster than they were taken");
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Carries out what Flex wants done with telephones.
pub(crate) async fn obey_flex(
    mut commands: mpsc::UnboundedReceiver<LegCommand>,
    flex: FlexCloud,
    voice: Voice,
    legs: Legs,
    log: Log,
) {
    while let Some(command) = commands.recv().await {
        match command {
            LegCommand::CallWorker { call_sid, to, parameters, from, .. } => {
                legs.add(call_sid.clone());
                let call =
                    NewCall { sid: Some(call_sid.clone()), params: parameters, ..NewCall::new(to, from) };
                if let Err(error) = voice.call(call).await {
                    tracing::warn!(%call_sid, %error, "the agent cannot be called");
                    flex.agent_leg_ended(&call_sid, LegEnd::Failed);
                }
            }
            LegCommand::EndLeg { call_sid } => match voice.hang_up(&call_sid).await {
                Ok(()) | Err(VoiceError::CallOver) => {}
                Err(error) => tracing::warn!(%call_sid, %error, "the leg cannot be ended"),
            },
            LegCommand::SetLine { call_sid, line } => {
                log.add("flex", "line", Some(&call_sid), json!({ "line": line }));
                match voice.set_line(&call_sid, voice_line(line)).await {
                    Ok(()) | Err(VoiceError::CallOver) => {}
                    Err(error) => tracing::warn!(%call_sid, %error, "the line cannot be changed"),
                }
            }
        }
    }
}

fn voice_line(line: sandbox_flex::Line) -> Line {
    match line {
        // On the supervisor's leg, the far end is then the colleague.
        sandbox_flex::Line::Talking | sandbox_flex::Line::Coaching => Line::Talking,
        sandbox_flex::Line::Held => Line::Held,
        sandbox_flex::Line::Ringing => Line::Ringing,
        sandbox_flex::Line::Listening => Line::Listening,
    }
}

/// Tells Flex and the log what happened on the voice side.
pub(crate) async fn follow_voice(mut events: broadcast::Receiver<VoiceEvent>, flex: FlexCloud, log: Log) {
    loop {
        match events.recv().await {
            Ok(event) => {
                tell_flex(&event.kind, &flex);
                log_voice(&event, &log);
            }
            Err(broadcast::error::RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "voice events came faster than they were taken");
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Puts what happened on the Flex side into the log.
pub(crate) async fn follow_flex(mut events: broadcast::Receiver<sandbox_flex::LogEvent>, log: Log) {
    loop {
        match events.recv().await {
            Ok(event) => {
                let call_sid = event.call_sid.and_then(|sid| CallSid::new(sid).ok());
                log.add(event.source, &event.kind, call_sid.as_ref(), event.data);
            }
            Err(broadcast::error::RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "Flex events came faster than they were taken");
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Tells a developer's server what becomes of tasks, where the workspace has an `EventCallbackUrl`. What becomes of a task is
/// told beside what becomes of its reservation, in Twilio's words.
pub(crate) async fn tell_of_tasks(
    mut events: broadcast::Receiver<sandbox_flex::LogEvent>,
    flex: FlexCloud,
    courier: Courier,
) {
    loop {
        match events.recv().await {
            Ok(event) => {
                let Some(task) = event.data["task_sid"].as_str() else { continue };
                let more = match event.kind.as_str() {
                    "reservation.wrapup" => Some("task.wrapup"),
                    "reservation.completed" => Some("task.completed"),
                    "task.created" | "task.canceled" => None,
                    kind if kind.starts_with("reservation.") => None,
                    _ => continue,
                };
                for kind in [event.kind.as_str()].into_iter().chain(more) {
                    tell_of_task(kind, task, &flex, &courier);
                }
            }
            Err(broadcast::error::RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "Flex events came faster than they were taken");
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Source: <https://www.twilio.com/docs/taskrouter/api/event#event-types>. Fields that nobody here reads are left out.
fn tell_of_task(kind: &str, task: &str, flex: &FlexCloud, courier: &Courier) {
    let Some(callback) = flex.event_callback() else { return };
    if !callback.filter.is_empty() && !callback.filter.iter().any(|wanted| wanted == kind) {
        return;
    }
    let (status, attributes) = flex.task_in_events(task).unwrap_or_default();
    let params = [
        ("EventType", kind),
        ("AccountSid", account::ACCOUNT_SID),
        ("WorkspaceSid", account::WORKSPACE_SID),
        ("TaskSid", task),
        ("TaskAssignmentStatus", status),
        ("TaskAttributes", &attributes),
    ];
    courier.post(
        task,
        sandbox_callbacks::Callback {
            product: Product::TaskrouterEvent,
            kind: kind.to_owned(),
            url: callback.url,
            fallback_url: None,
            method: Method::Post,
            params: params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        },
    );
}

/// Puts what happened in rooms into the log.
pub(crate) async fn follow_video(mut events: broadcast::Receiver<sandbox_video::LogEvent>, log: Log) {
    loop {
        match events.recv().await {
            Ok(event) => {
                let mut tagged = serde_json::to_value(&event.event).unwrap_or_default();
                let kind = tagged["type"].as_str().unwrap_or_default().to_owned();
                log.add_at(event.at, "video", &kind, None, tagged["data"].take());
            }
            Err(broadcast::error::RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "video events came faster than they were taken");
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

fn tell_flex(event: &VoiceEventKind, flex: &FlexCloud) {
    match event {
        VoiceEventKind::CallAnswered { call_sid, .. } => flex.agent_leg_answered(call_sid),
        VoiceEventKind::CallEnded { call_sid, reason, .. } => {
            let how = match reason {
                EndReason::Hangup | EndReason::SignallingLost | EndReason::Reset => LegEnd::Completed,
                EndReason::Rejected => LegEnd::Busy,
                EndReason::NoAnswer | EndReason::Canceled => LegEnd::NoAnswer,
                EndReason::NotRegistered | EndReason::MediaFailed => LegEnd::Failed,
            };
            flex.agent_leg_ended(call_sid, how);
        }
        _ => {}
    }
}

fn log_voice(event: &VoiceEvent, log: &Log) {
    let source = match event.kind {
        VoiceEventKind::Ice { .. }
        | VoiceEventKind::FirstAgentPacket { .. }
        | VoiceEventKind::PeerClosed { .. }
        | VoiceEventKind::DtmfHeard { .. } => "media",
        VoiceEventKind::FaultBegan { .. } | VoiceEventKind::FaultEnded { .. } => "switchboard",
        _ => "voice",
    };
    let mut tagged = serde_json::to_value(event).unwrap_or_default();
    let kind = tagged["type"].as_str().unwrap_or_default().to_owned();
    let mut data = tagged["data"].take();
    if let Value::Object(fields) = &mut data {
        fields.remove("call_sid"); // it has its own place
    }
    log.add_at(event.at, source, &kind, event.kind.call_sid().map(CallSid::as_str), data);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use sandbox_flex::Settings;

    use super::*;

    #[tokio::test]
    async fn a_leg_that_flex_orders_is_called_and_its_end_is_logged_and_told() {
        let clock = Clock::start();
        let log = Log::new(clock);
        let (flex, _orders) = FlexCloud::start(Settings::default());
        let voice = start_voice(clock, &flex).unwrap();
        let legs = Legs::default();
        let (sender, commands) = mpsc::unbounded_channel();
        tokio::spawn(follow_voice(voice.subscribe(), flex.clone(), log.clone()));
        tokio::spawn(obey_flex(commands, flex, voice.clone(), legs.clone(), log.clone()));
        let call_sid = CallSid::new(format!("CA{}", "7".repeat(32))).unwrap();
        let order = LegCommand::CallWorker {
            call_sid: call_sid.clone(),
            to: Identity::new(account::EXTENSION_IDENTITY).unwrap(),
            parameters: BTreeMap::new(),
            from: "+15550100".into(),
            task_sid: "WT".into(),
            reservation_sid: "WR".into(),
        };
        sender.send(order).unwrap();
        let (past, mut live) = log.follow(0);
        let ended = async {
            let mut past = past.into_iter();
            loop {
                let entry = match past.next() {
                    Some(entry) => entry,
                    None => live.recv().await.unwrap(),
                };
                if entry.kind == "call_ended" {
                    return entry;
                }
            }
        };
        let entry = tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
        assert_eq!(entry.call_sid.as_deref(), Some(call_sid.as_str()));
        assert_eq!((entry.source, &entry.data["reason"]), ("voice", &json!("not_registered")));
        assert!(legs.contain(&call_sid));
    }
}
