//! The gateway's decisions: events in, commands out. No clock, no I/O, no async; random only from its own seed.
//!
//! Calls are keyed by their SID and a reconnect token, not by a socket: the worker's socket rings, the offscreen
//! document's takes the call, and either may be lost and come back.

mod call;
pub mod event;
mod fault;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use kernel::{AccountSid, CallSid, DtmfDigits, Identity, Secret, Timestamp};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sansio::Timers;

use self::call::{Call, Pending, Purpose, Stage};
use self::event::{CallFacts, Command, Event, MediaOrder, SocketFacts, SocketId};
use self::fault::Faults;
use self::socket::{Held, Socket};
use crate::api::types::{
    ActiveFault, EndReason, EndedBy, Line, NewCall, VoiceError, VoiceEventKind, VoiceFault,
};
use crate::token::{Judge, TokenError};
use crate::wire::{ClientMessage, HEARTBEAT, ServerMessage, TokenInfo, WireError, form_encode};

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The end of a fault.
    Fault(u64),
    /// The next heartbeat of a socket.
    Heartbeat(SocketId),
    /// The end of a call that nobody answers, or for whose lost socket no other comes.
    Call(CallSid),
}
pub struct Machine {
    account: AccountSid,
    judge: Judge,
    heartbeat_ms: u64,
    random: StdRng,
    sockets: BTreeMap<SocketId, Socket>,
    calls: BTreeMap<CallSid, Call>,
    faults: Faults,
    timers: Timers<Timer, Timestamp>,
    tickets: u64,
    out: Vec<Command>,
}

impl Machine {
    /// An empty gateway. The same seed and the same events give the same commands.
    #[must_use]
    pub fn new(account: AccountSid, judge: Judge, heartbeat_ms: u64, seed: [u8; 32]) -> Self {
        Self {
            account,
            judge,
            heartbeat_ms: heartbeat_ms.max(1),
            random: StdRng::from_seed(seed),
            sockets: BTreeMap::new(),
            calls: BTreeMap::new(),
            faults: Faults::default(),
            timers: Timers::default(),
            tickets: 0,
            out: Vec::new(),
        }
    }

    /// False while a fault refuses new sockets.
    #[must_use]
    pub fn admits(&self) -> bool {
        !self.faults.refuse_sockets()
    }

    /// All calls, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<CallFacts> {
        let mut facts: Vec<_> = self.calls.iter().map(|(sid, call)| call.facts(sid.clone())).collect();
        facts.sort_by(|a, b| (a.created, &a.call_sid).cmp(&(b.created, &b.call_sid)));
        facts
    }

    #[must_use]
    pub fn call_facts(&self, call_sid: &CallSid) -> Option<CallFacts> {
        self.calls.get(call_sid).map(|call| call.facts(call_sid.clone()))
    }

    /// All open sockets.
    #[must_use]
    pub fn sockets(&self) -> Vec<SocketFacts> {
        self.sockets
            .iter()
            .map(|(id, s)| SocketFacts {
                socket: *id,
                identity: s.identity().cloned(),
                registered: s.registered,
                origin: s.origin.clone(),
                opened: s.opened,
                frozen: s.frozen,
            })
            .collect()
    }

    /// All faults that have not ended.
    #[must_use]
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.faults.list()
    }

    // ---- what is asked for ----------------------------------------------------------------------------------------

    fn request(&mut self, event: Event, now: Timestamp) -> Result<(), VoiceError> {
        match event {
            Event::SocketOpened { socket, origin } => self.socket_opened(socket, origin, now),
            Event::Received { socket, text } => self.received(socket, text, now),
            Event::SocketClosed { socket, code } => self.socket_closed(socket, code, now),
            Event::MediaOffered { call_sid, sdp } => self.media_offered(&call_sid, sdp, now),
            Event::MediaAnswered { call_sid, ticket, sdp } => {
                self.media_answered(&call_sid, ticket, sdp, now)
            }
            Event::Call(new) => self.call(new, now)?,
            Event::HangUp(call_sid) => {
                let answered = self.live_call(&call_sid)?.is_answered();
                let reason = if answered { EndReason::Hangup } else { EndReason::Canceled };
                self.end(&call_sid, EndedBy::Customer, reason, None, now);
            }
            Event::Dtmf(call_sid, digits) => self.dtmf(&call_sid, digits)?,
            Event::Line(call_sid, line) => {
                self.live_call(&call_sid)?.line = line;
                self.order(&call_sid, MediaOrder::Line(line));
            }
            Event::FaultBegins { id, fault } => self.begin_fault(id, fault, now),
            Event::FaultEnds(id) => self.end_fault(id, now),
            Event::Reset => {
                for id in self.faults.ids() {
                    self.end_fault(id, now);
                }
                for call_sid in self.calls.keys().cloned().collect::<Vec<_>>() {
                    self.end(&call_sid, EndedBy::Gateway, EndReason::Reset, None, now);
                }
                self.calls.clear();
            }
        }
        Ok(())
    }

    fn call(&mut self, new: NewCall, now: Timestamp) -> Result<(), VoiceError> {
        let call_sid = new.sid.clone().unwrap_or_else(|| self.new_call_sid());
        if self.calls.contains_key(&call_sid) {
            return Err(VoiceError::DuplicateSid);
        }
        let call = Call {
            temporary: None,
            identity: new.to,
            from: new.from,
            params: new.params,
            stage: Stage::Preparing { ring_ms: new.ring_ms },
            token: self.new_token(),
            previous_token: None,
            answer_sdp: String::new(),
            pending: None,
            keep_ms: 0,
            created: now,
            line: Line::default(),
        };
        self.calls.insert(call_sid.clone(), call);
        self.order(&call_sid, MediaOrder::Offer);
        self.out.push(Command::Called(call_sid));
        Ok(())
    }

    fn dtmf(&mut self, call_sid: &CallSid, digits: DtmfDigits) -> Result<(), VoiceError> {
        if !self.live_call(call_sid)?.is_answered() {
            return Err(VoiceError::NotAnswered);
        }
        self.order(call_sid, MediaOrder::Dtmf(digits));
        Ok(())
    }

    // ---- what the client says -------------------------------------------------------------------------------------

    fn received(&mut self, socket: SocketId, text: String, now: Timestamp) {
        let Some(state) = self.sockets.get_mut(&socket) else { return };
        if state.frozen {
            state.held.push(Held::In(text));
            return;
        }
        if text == HEARTBEAT {
            return;
        }
        match serde_json::from_str::<ClientMessage>(&text) {
            Ok(message) => self.message(socket, message, now),
            Err(error) => {
                // Only the kind of problem and its place: the text may hold a token.
                let problem = format!(
                    "{:?} error at line {}, column {}",
                    error.classify(),
                    error.line(),
                    error.column()
                );
                self.emit(VoiceEventKind::Unreadable { socket: socket.0, problem });
            }
        }
    }

    fn message(&mut self, socket: SocketId, message: ClientMessage, now: Timestamp) {
        match message {
            ClientMessage::Listen { token, reconnect_timeout } => {
                self.listen(socket, &token, reconnect_timeout, now)
            }
            ClientMessage::Register { media } => self.register(socket, media.audio, now),
            ClientMessage::Invite { callsid, sdp, reconnect: Some(token), .. } => {
                self.take_call(socket, &callsid, sdp, &token);
            }
            ClientMessage::Invite { callsid, sdp, reconnect: None, twilio } => {
                self.outgoing_call(socket, callsid, sdp, twilio.params.as_deref().unwrap_or(""), now);
            }
            ClientMessage::Answer { callsid, sdp } => self.accept_here(socket, &callsid, sdp),
            ClientMessage::Hangup { callsid, .. } => {
                if let Some(call_sid) = self.call_that_socket_may_end(socket, &callsid) {
                    self.end(&call_sid, EndedBy::Agent, EndReason::Hangup, Some(socket), now);
                }
            }
            ClientMessage::Reject { callsid } => {
                // Inferred: one client's reject ends the call for all of the identity's sockets, as the SDK's
                // documentation says that it "will cause a hangup to be issued to the dialing party".
                let ringing =
                    self.find_call(&callsid).filter(|sid| self.calls.get(sid).is_some_and(Call::is_ringing));
                if let Some(call_sid) = ringing.filter(|sid| self.same_identity(socket, sid)) {
                    self.end(&call_sid, EndedBy::Agent, EndReason::Rejected, Some(socket), now);
                }
            }
            ClientMessage::Reinvite { callsid, sdp } => self.reinvite(socket, &callsid, sdp),
            ClientMessage::Dtmf { callsid, dtmf } => {
                if let Some(call_sid) = self.call_held_by(socket, &callsid) {
                    self.emit(VoiceEventKind::DtmfSignalled { call_sid, digits: dtmf });
                }
            }
            ClientMessage::Message { callsid, content, contenttype, voiceeventsid, .. } => {
                if let Some(call_sid) = self.call_held_by(socket, &callsid) {
                    let bytes = content.as_str().map_or_else(|| content.to_string().len(), str::len);
                    self.send(socket, ServerMessage::Ack { acktype: "message", callsid, voiceeventsid });
                    self.emit(VoiceEventKind::MessageReceived { call_sid, content_type: contenttype, bytes });
                } else {
                    let error = WireError::call_not_found();
                    self.send_error(socket, error, Some(callsid), Some(voiceeventsid));
                }
            }
        }
    }

    fn listen(&mut self, socket: SocketId, token: &Secret, reconnect_timeout: u64, now: Timestamp) {
        let checked = (self.judge)(token, now);
        let mut grant = match checked {
            Ok(grant) => grant,
            Err(error) => return self.send_error(socket, error.to_wire(), None, None),
        };
        if let Some((id, seconds)) = self.faults.take_token_ttl() {
            self.fault_ended(id);
            grant.expires_s = now.as_millis() / 1000 + seconds;
        }
        let ttl = grant.expires_s.saturating_sub(now.as_millis() / 1000);
        let identity = grant.identity.clone();
        let Some(state) = self.sockets.get_mut(&socket) else { return };
        // Inferred: what Twilio does with a token of another identity on an open socket.
        let changed = state.identity().is_some_and(|before| *before != identity);
        // A socket belongs to one identity as long as it lives: registrations and calls depend on it.
        if changed {
            return self.send_error(socket, TokenError::Forbidden.to_wire(), None, None);
        }
        state.grant = Some(grant);
        state.keep_ms = reconnect_timeout.min(30) * 1000;
        self.send(
            socket,
            ServerMessage::Connected {
                edge: "ashburn",
                region: "US_EAST_VIRGINIA",
                home: "us1",
                gateway: "sandbox",
                token: TokenInfo { identity: identity.clone(), ttl },
            },
        );
        self.emit(VoiceEventKind::Connected { socket: socket.0, identity, ttl });
    }

    fn register(&mut self, socket: SocketId, wanted: bool, now: Timestamp) {
        let Some(state) = self.sockets.get_mut(&socket) else { return };
        if state.forgotten {
            return;
        }
        let was = state.registered;
        // Inferred: a refused renewal ends the registration, and a token without incoming.allow gets 31201. That
        // registering without an accepted token gets 31204 is in the SDK's changelog (2.18.5).
        let refused = match &state.grant {
            None => Some(TokenError::Invalid),
            Some(_) if !wanted => None,
            Some(grant) if grant.expires_s <= now.as_millis() / 1000 => Some(TokenError::Expired),
            Some(grant) if !grant.incoming => Some(TokenError::Forbidden),
            Some(_) => None,
        };
        state.registered = wanted && refused.is_none();
        let identity = state.identity().cloned();
        match refused {
            Some(error) => self.send_error(socket, error.to_wire(), None, None),
            None if wanted => self.send(socket, ServerMessage::Ready {}),
            None => self.send(socket, ServerMessage::Offline {}),
        }
        let is = wanted && refused.is_none();
        if let Some(identity) = identity.filter(|_| is != was) {
            self.emit(if is {
                VoiceEventKind::Registered { socket: socket.0, identity }
            } else {
                VoiceEventKind::Unregistered { socket: socket.0, identity }
            });
        }
    }

    /// `invite` with a reconnect token: takes a ringing call, or takes up one whose socket was lost.
    ///
    /// Inferred: 31404 alike for a call that is gone, for a wrong token, and for a socket of another identity.
    fn take_call(&mut self, socket: SocketId, callsid: &str, sdp: String, token: &Secret) {
        let found = self.find_call(callsid).filter(|sid| self.same_identity(socket, sid));
        let right = found.filter(|sid| {
            let lost = self
                .calls
                .get(sid)
                .and_then(Call::holder)
                .is_some_and(|holder| !self.sockets.contains_key(&holder));
            self.calls.get(sid).is_some_and(|call| call.accepts(token, socket, lost))
        });
        let Some(call_sid) = right else {
            let error = Some(WireError::call_not_found());
            return self.send(socket, ServerMessage::Hangup { callsid: callsid.to_owned(), error });
        };
        if let Some((id, refusal)) = self.faults.take_claim_refusal() {
            self.fault_ended(id);
            let error = Some(refusal);
            return self.send(socket, ServerMessage::Hangup { callsid: callsid.to_owned(), error });
        }
        let fresh = self.new_token();
        let ticket = self.new_ticket();
        let Some(call) = self.calls.get_mut(&call_sid) else { return };
        call.rotate(fresh);
        if call.is_ringing() {
            call.stage = Stage::Answering { socket };
            call.pending = Some(Pending { ticket, socket, purpose: Purpose::Take });
            self.timers.disarm(Timer::Call(call_sid.clone()));
            self.order(&call_sid, MediaOrder::TakeOffer { ticket, sdp });
            return;
        }
        // A live call: only the signalling moves. Renegotiating here would break media, because the SDK ignores the
        // SDP of this answer.
        let waiting = call.pending.as_mut().map(|pending| pending.socket = socket).is_some();
        match &mut call.stage {
            Stage::Answering { socket: holder } | Stage::Answered { socket: holder } => *holder = socket,
            Stage::Preparing { .. } | Stage::Ringing { .. } | Stage::Ended { .. } => {}
        }
        if !waiting {
            let (sdp, reconnect) = (call.answer_sdp.clone(), call.token.clone());
            self.send(socket, ServerMessage::Answer { callsid: call_sid.clone(), sdp, reconnect });
        }
        self.timers.disarm(Timer::Call(call_sid.clone()));
        self.emit(VoiceEventKind::CallReattached { call_sid, socket: socket.0 });
    }

    fn outgoing_call(
        &mut self,
        socket: SocketId,
        temporary: String,
        sdp: String,
        params: &str,
        now: Timestamp,
    ) {
        let grant = self.sockets.get(&socket).and_then(|s| s.grant.clone());
        let Some(grant) = grant.filter(|grant| grant.outgoing) else {
            let error = Some(TokenError::Forbidden.to_wire());
            return self.send(socket, ServerMessage::Hangup { callsid: temporary, error });
        };
        let call_sid = self.new_call_sid();
        let ticket = self.new_ticket();
        let call = Call {
            temporary: Some(temporary),
            from: grant.identity.contact_uri(),
            identity: grant.identity,
            params: BTreeMap::from([("request".to_owned(), params.to_owned())]),
            stage: Stage::Answering { socket },
            token: self.new_token(),
            previous_token: None,
            answer_sdp: String::new(),
            pending: Some(Pending { ticket, socket, purpose: Purpose::Take }),
            keep_ms: 0,
            created: now,
            line: Line::default(),
        };
        self.calls.insert(call_sid.clone(), call);
        self.send(socket, ServerMessage::Ringing { callsid: call_sid.clone() });
        self.order(&call_sid, MediaOrder::TakeOffer { ticket, sdp });
    }

    /// `answer`: the call is accepted on a socket that rang.
    fn accept_here(&mut self, socket: SocketId, callsid: &str, sdp: String) {
        let rang = |call: &Call| matches!(&call.stage, Stage::Ringing { rung, .. } if rung.contains(&socket));
        let found = self.find_call(callsid).filter(|sid| self.calls.get(sid).is_some_and(rang));
        let Some(call_sid) = found else {
            let error = Some(WireError::call_not_found());
            return self.send(socket, ServerMessage::Hangup { callsid: callsid.to_owned(), error });
        };
        let ticket = self.new_ticket();
        if let Some(call) = self.calls.get_mut(&call_sid) {
            call.stage = Stage::Answering { socket };
            call.pending = Some(Pending { ticket, socket, purpose: Purpose::AcceptHere });
        }
        self.timers.disarm(Timer::Call(call_sid.clone()));
        self.order(&call_sid, MediaOrder::TakeAnswer { ticket, sdp });
    }

    fn reinvite(&mut self, socket: SocketId, callsid: &str, sdp: String) {
        let Some(call_sid) = self.call_held_by(socket, callsid) else {
            let error = Some(WireError::call_not_found());
            return self.send(socket, ServerMessage::Hangup { callsid: callsid.to_owned(), error });
        };
        let ticket = self.new_ticket();
        if let Some(call) = self.calls.get_mut(&call_sid) {
            call.pending = Some(Pending { ticket, socket, purpose: Purpose::Restart });
        }
        self.order(&call_sid, MediaOrder::TakeOffer { ticket, sdp });
    }

    // ---- what the media session says ------------------------------------------------------------------------------

    fn media_offered(&mut self, call_sid: &CallSid, sdp: Result<String, String>, now: Timestamp) {
        let Some(call) = self.calls.get(call_sid) else { return };
        let Stage::Preparing { ring_ms } = call.stage else { return };
        let Ok(sdp) = sdp else {
            return self.end(call_sid, EndedBy::Gateway, EndReason::MediaFailed, None, now);
        };
        let rung: BTreeSet<_> = self.registered_sockets(&call.identity.clone()).collect();
        let Some(call) = self.calls.get_mut(call_sid) else { return };
        if rung.is_empty() {
            // Inferred: Twilio fails a call to a client that is not registered at once (SIP 480), it does not wait
            // for a registration.
            return self.end(call_sid, EndedBy::Gateway, EndReason::NotRegistered, None, now);
        }
        call.stage = Stage::Ringing { rung: rung.clone() };
        self.timers.arm(Timer::Call(call_sid.clone()), now.plus(ring_ms));
        let (identity, from, token) = (call.identity.clone(), call.from.clone(), call.token.clone());
        let mut parameters = BTreeMap::from([
            ("CallSid".to_owned(), call_sid.to_string()),
            ("From".to_owned(), from.clone()),
            ("To".to_owned(), identity.contact_uri()),
            ("AccountSid".to_owned(), self.account.to_string()),
            ("ApiVersion".to_owned(), "2010-04-01".to_owned()),
        ]);
        if !call.params.is_empty() {
            parameters.insert("Params".to_owned(), form_encode(&call.params));
        }
        for socket in &rung {
            let message = ServerMessage::Invite {
                callsid: call_sid.clone(),
                sdp: sdp.clone(),
                reconnect: token.clone(),
                parameters: parameters.clone(),
            };
            self.send(*socket, message);
        }
        self.emit(VoiceEventKind::CallRinging {
            call_sid: call_sid.clone(),
            identity,
            from,
            sockets: rung.len(),
        });
    }

    fn media_answered(
        &mut self,
        call_sid: &CallSid,
        ticket: u64,
        sdp: Result<String, String>,
        now: Timestamp,
    ) {
        let Some(call) = self.calls.get_mut(call_sid) else { return };
        let Some(pending) = call.pending.take_if(|pending| pending.ticket == ticket) else { return };
        let socket = pending.socket;
        let sdp = match sdp {
            Ok(sdp) => sdp,
            // Inferred: bad SDP in an ICE restart leaves the call as it was, with 31000; a bad offer ends it.
            Err(_) if pending.purpose == Purpose::Restart => {
                let error = WireError { code: 31000, message: "Could not apply the offer".into() };
                return self.send_error(socket, error, Some(call_sid.to_string()), None);
            }
            Err(_) => return self.end(call_sid, EndedBy::Gateway, EndReason::MediaFailed, None, now),
        };
        if pending.purpose != Purpose::AcceptHere {
            call.answer_sdp.clone_from(&sdp);
            let reconnect = call.token.clone();
            self.send(socket, ServerMessage::Answer { callsid: call_sid.clone(), sdp, reconnect });
        }
        if pending.purpose == Purpose::Restart {
            return self.emit(VoiceEventKind::CallRenegotiated { call_sid: call_sid.clone() });
        }
        let Some(call) = self.calls.get_mut(call_sid) else { return };
        let identity = call.identity.clone();
        call.stage = Stage::Answered { socket };
        // Every other socket that rang stops ringing; the one that holds the call must never see a `cancel`.
        if call.temporary.is_none() {
            self.cancel_elsewhere(call_sid, &identity, Some(socket));
        }
        self.order_loss(call_sid);
        self.emit(VoiceEventKind::CallAnswered { call_sid: call_sid.clone(), identity, socket: socket.0 });
        if !self.sockets.contains_key(&socket) {
            self.call_lost_its_socket(call_sid, now);
        }
    }

    // ---- sockets and time -----------------------------------------------------------------------------------------

    fn socket_opened(&mut self, socket: SocketId, origin: Option<String>, now: Timestamp) {
        self.emit(VoiceEventKind::SocketOpened { socket: socket.0, origin: origin.clone() });
        self.sockets.insert(socket, Socket::new(origin, self.faults.freeze_new_sockets(), now));
        self.timers.arm(Timer::Heartbeat(socket), now.plus(self.heartbeat_ms));
    }

    fn socket_closed(&mut self, socket: SocketId, code: Option<u16>, now: Timestamp) {
        let Some(state) = self.sockets.remove(&socket) else { return };
        self.timers.disarm(Timer::Heartbeat(socket));
        let identity = state.identity().cloned();
        if let Some(identity) = identity.clone().filter(|_| state.registered) {
            self.emit(VoiceEventKind::Unregistered { socket: socket.0, identity });
        }
        self.emit(VoiceEventKind::SocketClosed { socket: socket.0, identity, code });
        let held: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| call.holder() == Some(socket))
            .map(|(sid, _)| sid.clone())
            .collect();
        for call_sid in held {
            if let Some(call) = self.calls.get_mut(&call_sid) {
                call.keep_ms = state.keep_ms;
            }
            self.call_lost_its_socket(&call_sid, now);
        }
    }

    fn call_lost_its_socket(&mut self, call_sid: &CallSid, now: Timestamp) {
        let Some(call) = self.calls.get(call_sid) else { return };
        if !call.is_answered() {
            return;
        }
        let keep_ms = call.keep_ms;
        self.timers.arm(Timer::Call(call_sid.clone()), now.plus(keep_ms));
        self.emit(VoiceEventKind::CallSocketLost { call_sid: call_sid.clone(), keep_ms });
    }

    fn time_passed(&mut self, now: Timestamp) {
        while let Some((timer, _)) = self.timers.take_due(now) {
            match timer {
                Timer::Fault(id) => self.end_fault(id, now),
                // What a freeze holds back comes when it ends.
                Timer::Heartbeat(socket) => {
                    if self.sockets.get(&socket).is_some_and(|state| !state.frozen) {
                        self.out.push(Command::Heartbeat(socket));
                        self.timers.arm(Timer::Heartbeat(socket), now.plus(self.heartbeat_ms));
                    }
                }
                Timer::Call(call_sid) => {
                    // Inferred: with `reconnectTimeout` 0 Twilio ends the call as soon as the socket is gone.
                    let ringing = self.calls.get(&call_sid).is_some_and(Call::is_ringing);
                    let reason = if ringing { EndReason::NoAnswer } else { EndReason::SignallingLost };
                    self.end(&call_sid, EndedBy::Gateway, reason, None, now);
                }
            }
        }
    }

    // ---- faults ---------------------------------------------------------------------------------------------------

    fn begin_fault(&mut self, id: u64, fault: VoiceFault, now: Timestamp) {
        self.end_fault(id, now);
        self.emit(VoiceEventKind::FaultBegan { id, fault: fault.clone() });
        match &fault {
            VoiceFault::SignallingDrop { identity } => {
                for socket in self.sockets_of(identity.as_ref()) {
                    self.out.push(Command::Abort(socket));
                }
                return self.fault_ended(id);
            }
            VoiceFault::GatewayError { identity, code, message, close } => {
                for socket in self.sockets_of(identity.as_ref()) {
                    let error = WireError { code: *code, message: message.clone() };
                    self.send_error(socket, error, None, None);
                    if *close {
                        self.send(socket, ServerMessage::Close {});
                    }
                }
                return self.fault_ended(id);
            }
            VoiceFault::TokenExpired { identity } => {
                for socket in self.sockets_of(identity.as_ref()) {
                    if let Some(grant) = self.sockets.get_mut(&socket).and_then(|s| s.grant.as_mut()) {
                        grant.expires_s = now.as_millis() / 1000;
                        self.send_error(socket, TokenError::Expired.to_wire(), None, None);
                    }
                }
                return self.fault_ended(id);
            }
            VoiceFault::SignallingFreeze { identity, .. } => {
                for socket in self.sockets_of(identity.as_ref()) {
                    if let Some(state) = self.sockets.get_mut(&socket) {
                        state.frozen = true;
                    }
                }
            }
            VoiceFault::RegistrationForgotten { identity, .. } => {
                for socket in self.sockets_of(identity.as_ref()) {
                    self.forget(socket);
                }
            }
            VoiceFault::ClaimRefused { .. }
            | VoiceFault::SignallingRefuse { .. }
            | VoiceFault::MediaLoss { .. }
            | VoiceFault::TokenTtl { .. } => {}
        }
        if let Some(ms) = fault::lasts_ms(&fault) {
            self.timers.arm(Timer::Fault(id), now.plus(ms));
        }
        let changes_loss = matches!(fault, VoiceFault::MediaLoss { .. });
        self.faults.add(id, fault);
        if changes_loss {
            self.order_loss_everywhere();
        }
    }

    fn end_fault(&mut self, id: u64, now: Timestamp) {
        let Some(fault) = self.faults.remove(id) else { return };
        self.fault_ended(id);
        match fault {
            VoiceFault::SignallingFreeze { .. } => self.thaw(now),
            VoiceFault::RegistrationForgotten { .. } => {
                for state in self.sockets.values_mut() {
                    state.forgotten &= self.faults.forget(state.identity());
                }
            }
            VoiceFault::MediaLoss { .. } => self.order_loss_everywhere(),
            _ => {}
        }
    }

    fn fault_ended(&mut self, id: u64) {
        self.timers.disarm(Timer::Fault(id));
        self.emit(VoiceEventKind::FaultEnded { id });
    }

    fn forget(&mut self, socket: SocketId) {
        let Some(state) = self.sockets.get_mut(&socket) else { return };
        state.forgotten = true;
        let was_registered = std::mem::take(&mut state.registered);
        if let Some(identity) = state.identity().cloned().filter(|_| was_registered) {
            self.emit(VoiceEventKind::Unregistered { socket: socket.0, identity });
        }
    }

    /// Lets flow what was held back, unless another freeze covers the socket.
    fn thaw(&mut self, now: Timestamp) {
        for socket in self.sockets_of(None) {
            let Some(state) = self.sockets.get_mut(&socket) else { continue };
            if !state.frozen || self.faults.freeze(state.identity()) {
                continue;
            }
            state.frozen = false;
            let held = std::mem::take(&mut state.held);
            self.timers.arm_once(Timer::Heartbeat(socket), now);
            for frame in held {
                match frame {
                    Held::In(text) => self.received(socket, text, now),
                    Held::Out(message) => self.send(socket, message),
                }
            }
        }
    }

    fn order_loss_everywhere(&mut self) {
        for call_sid in
            self.calls.iter().filter(|(_, c)| c.is_answered()).map(|(s, _)| s.clone()).collect::<Vec<_>>()
        {
            self.order_loss(&call_sid);
        }
    }

    /// Tells the media session the worst of what the faults ask for.
    fn order_loss(&mut self, call_sid: &CallSid) {
        let (to_agent, from_agent) = self.faults.loss(call_sid);
        self.order(call_sid, MediaOrder::Loss { to_agent, from_agent });
    }

    fn sockets_of(&self, identity: Option<&Identity>) -> Vec<SocketId> {
        let of = |socket: &Socket| identity.is_none() || socket.identity() == identity;
        self.sockets.iter().filter(|(_, s)| of(s)).map(|(id, _)| *id).collect()
    }

    // ---- shared steps ---------------------------------------------------------------------------------------------

    /// Ends a call and tells everybody except the socket that ended it.
    fn end(
        &mut self,
        call_sid: &CallSid,
        by: EndedBy,
        reason: EndReason,
        told: Option<SocketId>,
        now: Timestamp,
    ) {
        let Some(call) = self.calls.get_mut(call_sid) else { return };
        if matches!(call.stage, Stage::Ended { .. }) {
            return;
        }
        let was_ringing = call.is_ringing();
        let holder = call.holder();
        let (identity, name) =
            (call.identity.clone(), call.temporary.clone().unwrap_or_else(|| call_sid.to_string()));
        call.stage = Stage::Ended { at: now, by, reason, holder };
        call.pending = None;
        self.timers.disarm(Timer::Call(call_sid.clone()));
        if let Some(socket) = holder.filter(|socket| Some(*socket) != told) {
            let error = (reason == EndReason::MediaFailed)
                .then(|| WireError { code: 31000, message: "The media session could not be made".into() });
            // An outgoing call that the client has not heard of by its SID is told by its temporary name too.
            if name != call_sid.as_str() {
                self.send(socket, ServerMessage::Hangup { callsid: name, error: error.clone() });
            }
            self.send(socket, ServerMessage::Hangup { callsid: call_sid.to_string(), error });
        }
        if was_ringing {
            self.cancel_elsewhere(call_sid, &identity, told);
        } else if holder.is_some() && reason == EndReason::MediaFailed {
            self.cancel_elsewhere(call_sid, &identity, holder);
        }
        self.order(call_sid, MediaOrder::Stop);
        self.emit(VoiceEventKind::CallEnded { call_sid: call_sid.clone(), identity, by, reason });
    }

    /// `cancel` to every registered socket of the identity except one: those that rang, and those that took the
    /// place of one that rang.
    fn cancel_elsewhere(&mut self, call_sid: &CallSid, identity: &Identity, except: Option<SocketId>) {
        let others: Vec<_> = self.registered_sockets(identity).filter(|s| Some(*s) != except).collect();
        for socket in others {
            self.send(socket, ServerMessage::Cancel { callsid: call_sid.clone() });
        }
    }

    fn registered_sockets(&self, identity: &Identity) -> impl Iterator<Item = SocketId> + use<> {
        let matching: Vec<_> = self
            .sockets
            .iter()
            .filter(|(_, s)| s.registered && s.identity() == Some(identity))
            .map(|(id, _)| *id)
            .collect();
        matching.into_iter()
    }

    fn find_call(&self, name: &str) -> Option<CallSid> {
        self.calls
            .iter()
            .find(|(sid, call)| sid.as_str() == name || call.temporary.as_deref() == Some(name))
            .map(|(sid, _)| sid.clone())
    }

    fn live_call(&mut self, call_sid: &CallSid) -> Result<&mut Call, VoiceError> {
        let call = self.calls.get_mut(call_sid).ok_or(VoiceError::NoSuchCall)?;
        if matches!(call.stage, Stage::Ended { .. }) { Err(VoiceError::CallOver) } else { Ok(call) }
    }

    fn same_identity(&self, socket: SocketId, call_sid: &CallSid) -> bool {
        let whose = self.sockets.get(&socket).and_then(Socket::identity);
        whose.is_some() && whose == self.calls.get(call_sid).map(|call| &call.identity)
    }

    fn call_held_by(&self, socket: SocketId, name: &str) -> Option<CallSid> {
        self.find_call(name).filter(|sid| self.calls.get(sid).and_then(Call::holder) == Some(socket))
    }

    /// A client may end the call it holds, one that rings at it, and one whose holder is gone: the SDK sends a
    /// hang-up that it could not deliver as soon as a new socket is open, before it takes the call up again.
    fn call_that_socket_may_end(&self, socket: SocketId, name: &str) -> Option<CallSid> {
        self.find_call(name).filter(|sid| self.same_identity(socket, sid)).filter(|sid| {
            self.calls.get(sid).is_some_and(|call| match call.holder() {
                Some(holder) => holder == socket || !self.sockets.contains_key(&holder),
                None => call.is_ringing(),
            })
        })
    }

    fn order(&mut self, call_sid: &CallSid, order: MediaOrder) {
        self.out.push(Command::Media(call_sid.clone(), order));
    }

    fn emit(&mut self, kind: VoiceEventKind) {
        self.out.push(Command::Emit(kind));
    }

    fn send(&mut self, socket: SocketId, message: ServerMessage) {
        match self.sockets.get_mut(&socket) {
            Some(state) if state.frozen => state.held.push(Held::Out(message)),
            Some(_) => self.out.push(Command::Send(socket, message)),
            None => {}
        }
    }

    fn send_error(
        &mut self,
        socket: SocketId,
        error: WireError,
        callsid: Option<String>,
        event: Option<String>,
    ) {
        let identity = self.sockets.get(&socket).and_then(Socket::identity).cloned();
        self.emit(VoiceEventKind::ErrorSent { socket: socket.0, identity, code: error.code });
        self.send(socket, ServerMessage::Error { error, callsid, voiceeventsid: event });
    }

    fn new_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    fn new_token(&mut self) -> Secret {
        Secret::new(format!("rt-{:032x}", self.random.random::<u128>()))
    }

    fn new_call_sid(&mut self) -> CallSid {
        let mut hex = format!("CA{:032x}", self.random.random::<u128>());
        loop {
            if let Ok(sid) = CallSid::new(hex)
                && !self.calls.contains_key(&sid)
            {
                return sid;
            }
            hex = format!("CA{:032x}", self.random.random::<u128>());
        }
    }
}

impl sansio::Machine for Machine {
    type Time = Timestamp;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        if let Err(error) = self.request(event, now) {
            self.out.push(Command::Refuse(error));
        }
        self.handle_timeout(now)
    }

    fn handle_timeout(&mut self, now: Timestamp) -> Vec<Command> {
        self.time_passed(now);
        std::mem::take(&mut self.out)
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}
