//! Faults: what goes wrong on purpose.

use kernel::{CallSid, Identity, Timestamp};

use super::{Command, Machine, MediaOrder, SocketId};
use crate::api::types::{LossDirection, VoiceEventKind, VoiceFault};
use crate::machine::socket::{Held, Socket};
use crate::token::TokenError;
use crate::wire::{ServerMessage, WireError};

/// A fault that has not ended.
#[derive(Debug)]
pub(super) struct Fault {
    pub fault: VoiceFault,
    pub until: Option<Timestamp>,
}

impl Fault {
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Machine {
    pub(super) fn begin_fault(&mut self, id: u64, fault: VoiceFault, now: Timestamp) {
        self.end_fault(id, now);
        self.emit(VoiceEventKind::FaultBegan { id, fault: fault.clone() });
        let lasting = |ms: Option<u64>| Fault { fault: fault.clone(), until: ms.map(|ms| now.plus(ms)) };
        match &fault {
            VoiceFault::SignallingDrop { identity } => {
                for socket in self.sockets_of(identity.as_ref()) {
                    self.out.push(Command::Abort(socket));
                }
                self.emit(VoiceEventKind::FaultEnded { id });
            }
            VoiceFault::SignallingFreeze { identity, ms, .. } => {
                for socket in self.sockets_of(identity.as_ref()) {
                    if let Some(state) = self.sockets.get_mut(&socket) {
                        state.frozen = true;
                    }
                }
                self.faults.insert(id, lasting(*ms));
            }
            VoiceFault::RegistrationForgotten { identity, ms } => {
                for socket in self.sockets_of(identity.as_ref()) {
                    self.forget(socket);
                }
                self.faults.insert(id, lasting(*ms));
            }
            VoiceFault::ClaimRefused { .. } => {
                self.faults.insert(id, lasting(None));
            }
            VoiceFault::SignallingRefuse { ms } => {
                self.faults.insert(id, lasting(*ms));
            }
            VoiceFault::GatewayError { identity, code, message, close } => {
                for socket in self.sockets_of(identity.as_ref()) {
                    let error = WireError { code: *code, message: message.clone() };
                    self.send_error(socket, error, None, None);
                    if *close {
                        self.send(socket, ServerMessage::Close {});
                    }
                }
                self.emit(VoiceEventKind::FaultEnded { id });
            }
            VoiceFault::MediaLoss { ms, .. } => {
                self.faults.insert(id, lasting(*ms));
                self.order_loss_everywhere();
            }
            VoiceFault::TokenTtl { .. } => {
                self.faults.insert(id, lasting(None));
            }
            VoiceFault::TokenExpired { identity } => {
                for socket in self.sockets_of(identity.as_ref()) {
                    if let Some(grant) = self.sockets.get_mut(&socket).and_then(|s| s.grant.as_mut()) {
                        grant.expires_s = now.as_millis() / 1000;
                        self.send_error(socket, TokenError::Expired.to_wire(), None, None);
                    }
                }
                self.emit(VoiceEventKind::FaultEnded { id });
            }
        }
    }

    pub(super) fn end_fault(&mut self, id: u64, now: Timestamp) {
        let Some(ended) = self.faults.remove(&id) else { return };
        self.emit(VoiceEventKind::FaultEnded { id });
        match ended.fault {
            VoiceFault::SignallingFreeze { .. } => self.thaw(now),
            VoiceFault::RegistrationForgotten { .. } => self.remember(),
            VoiceFault::MediaLoss { .. } => self.order_loss_everywhere(),
            _ => {}
        }
    }

    fn forget(&mut self, socket: SocketId) {
        let Some(state) = self.sockets.get_mut(&socket) else { return };
        state.forgotten = true;
        let was_registered = std::mem::take(&mut state.registered);
        if let Some(identity) = state.identity().cloned().filter(|_| was_registered) {
            self.emit(VoiceEventKind::Unregistered { socket: socket.0, identity });
        }
    }

    /// Lets `register` be answered again, unless another fault covers the socket.
    fn remember(&mut self) {
        for state in self.sockets.values_mut() {
            state.forgotten &= self.faults.values().any(|f| {
                matches!(&f.fault, VoiceFault::RegistrationForgotten { identity, .. }
                         if identity.is_none() || identity.as_ref() == state.identity())
            });
        }
    }

    /// The error with which the next claim is to be refused, if there is one.
    pub(super) fn take_claim_refusal(&mut self) -> Option<WireError> {
        let (id, error) = self.faults.iter().find_map(|(id, f)| match &f.fault {
            VoiceFault::ClaimRefused { code, message } => {
                Some((*id, WireError { code: *code, message: message.clone() }))
            }
            _ => None,
        })?;
        self.faults.remove(&id);
        self.emit(VoiceEventKind::FaultEnded { id });
        Some(error)
    }

    /// True while a fault lets new sockets hear nothing.
    pub(super) fn freezes_new_sockets(&self) -> bool {
        self.faults
            .values()
            .any(|f| matches!(f.fault, VoiceFault::SignallingFreeze { new_sockets: true, .. }))
    }

    /// Lets flow what was held back, unless another freeze covers the socket.
    fn thaw(&mut self, now: Timestamp) {
        for socket in self.sockets_of(None) {
            let Some(state) = self.sockets.get_mut(&socket) else { continue };
            let still = self.faults.values().any(|f| {
                matches!(&f.fault, VoiceFault::SignallingFreeze { identity: i, .. }
                         if i.is_none() || i.as_ref() == state.identity())
            });
            if still || !state.frozen {
                continue;
            }
            state.frozen = false;
            for held in std::mem::take(&mut state.held) {
                match held {
                    Held::In(text) => self.received(socket, text, now),
                    Held::Out(message) => self.send(socket, message),
                }
            }
        }
    }

    pub(super) fn take_token_ttl(&mut self) -> Option<u64> {
        let (id, seconds) = self.faults.iter().find_map(|(id, f)| match f.fault {
            VoiceFault::TokenTtl { seconds } => Some((*id, seconds)),
            _ => None,
        })?;
        self.faults.remove(&id);
        self.emit(VoiceEventKind::FaultEnded { id });
        Some(seconds)
    }

    fn order_loss_everywhere(&mut self) {
        for call_sid in
            self.calls.iter().filter(|(_, c)| c.is_answered()).map(|(s, _)| s.clone()).collect::<Vec<_>>()
        {
            self.order_loss(&call_sid);
        }
    }

    /// Tells the media session the worst of what the faults ask for.
    pub(super) fn order_loss(&mut self, call_sid: &CallSid) {
        let (mut to_agent, mut from_agent) = (0, 0);
        for fault in self.faults.values() {
            if let VoiceFault::MediaLoss { call_sid: which, direction, percent, .. } = &fault.fault
                && which.as_ref().is_none_or(|which| which == call_sid)
            {
                if matches!(direction, LossDirection::Both | LossDirection::ToAgent) {
                    to_agent = to_agent.max((*percent).min(100));
                }
                if matches!(direction, LossDirection::Both | LossDirection::FromAgent) {
                    from_agent = from_agent.max((*percent).min(100));
                }
            }
        }
        self.order(call_sid, MediaOrder::Loss { to_agent, from_agent });
    }

    fn sockets_of(&self, identity: Option<&Identity>) -> Vec<SocketId> {
        let of = |socket: &Socket| identity.is_none() || socket.identity() == identity;
        self.sockets.iter().filter(|(_, s)| of(s)).map(|(id, _)| *id).collect()
    }
}
