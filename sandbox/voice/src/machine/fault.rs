//! Faults: what goes wrong on purpose, and whom and what it concerns. What it does is the machine's.

use std::collections::BTreeMap;

use kernel::{CallSid, Identity};

use crate::api::types::{ActiveFault, LossDirection, VoiceFault};
use crate::wire::WireError;

/// The faults that have not ended, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<u64, VoiceFault>);

impl Faults {
    pub fn add(&mut self, id: u64, fault: VoiceFault) {
        self.0.insert(id, fault);
    }

    pub fn remove(&mut self, id: u64) -> Option<VoiceFault> {
        self.0.remove(&id)
    }

    pub fn ids(&self) -> Vec<u64> {
        self.0.keys().copied().collect()
    }

    pub fn list(&self) -> Vec<ActiveFault> {
        self.0.iter().map(|(id, fault)| ActiveFault { id: *id, fault: fault.clone() }).collect()
    }

    /// New sockets are refused.
    pub fn refuse_sockets(&self) -> bool {
        self.0.values().any(|fault| matches!(fault, VoiceFault::SignallingRefuse { .. }))
    }

    /// New sockets hear nothing.
    pub fn freeze_new_sockets(&self) -> bool {
        self.0.values().any(|fault| matches!(fault, VoiceFault::SignallingFreeze { new_sockets: true, .. }))
    }

    /// A freeze covers the sockets of this identity.
    pub fn freeze(&self, whose: Option<&Identity>) -> bool {
        self.0.values().any(|fault| {
            matches!(fault, VoiceFault::SignallingFreeze { identity, .. } if covers(identity.as_ref(), whose))
        })
    }

    /// Registrations of this identity are forgotten.
    pub fn forget(&self, whose: Option<&Identity>) -> bool {
        self.0.values().any(|fault| {
            matches!(fault, VoiceFault::RegistrationForgotten { identity, .. } if covers(identity.as_ref(), whose))
        })
    }

    /// Takes out the fault that refuses the next claim: its number, and the error.
    pub fn take_claim_refusal(&mut self) -> Option<(u64, WireError)> {
        let found = self.0.iter().find_map(|(id, fault)| match fault {
            VoiceFault::ClaimRefused { code, message } => {
                Some((*id, WireError { code: *code, message: message.clone() }))
            }
            _ => None,
        })?;
        self.0.remove(&found.0);
        Some(found)
    }

    /// Takes out the fault that says how long the next token lives: its number, and the seconds.
    pub fn take_token_ttl(&mut self) -> Option<(u64, u64)> {
        let found = self.0.iter().find_map(|(id, fault)| match fault {
            VoiceFault::TokenTtl { seconds } => Some((*id, *seconds)),
            _ => None,
        })?;
        self.0.remove(&found.0);
        Some(found)
    }

    /// How many of a hundred packets of a call are lost, to the agent and from the agent: the worst of what is asked for.
    pub fn loss(&self, call_sid: &CallSid) -> (u8, u8) {
        let (mut to_agent, mut from_agent) = (0, 0);
        for fault in self.0.values() {
            if let VoiceFault::MediaLoss { call_sid: which, direction, percent, .. } = fault
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
        (to_agent, from_agent)
    }
}

/// Whether a fault that names one identity or all concerns this one.
fn covers(named: Option<&Identity>, whose: Option<&Identity>) -> bool {
    named.is_none() || named == whose
}

/// For how long a fault lasts; until it is ended if it does not say.
pub(super) fn lasts_ms(fault: &VoiceFault) -> Option<u64> {
    match fault {
        VoiceFault::SignallingFreeze { ms, .. }
        | VoiceFault::RegistrationForgotten { ms, .. }
        | VoiceFault::SignallingRefuse { ms }
        | VoiceFault::MediaLoss { ms, .. } => *ms,
        VoiceFault::SignallingDrop { .. }
        | VoiceFault::ClaimRefused { .. }
        | VoiceFault::GatewayError { .. }
        | VoiceFault::TokenTtl { .. }
        | VoiceFault::TokenExpired { .. } => None,
    }
}
