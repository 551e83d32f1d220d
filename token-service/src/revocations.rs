//! Whom an operator has shut out, and until when: pure, no clock.

use std::{collections::BTreeMap, fmt};

use kernel::{Identity, Timestamp};
use serde::{Deserialize, Serialize};
use twilio::WorkerSid;

/// How long somebody is shut out unless the operator says otherwise, in minutes: a day, in which they can be shut out of
/// Flex itself.
pub const DEFAULT_MINUTES: u32 = 24 * 60;

/// The longest, in minutes: thirty days.
pub const MAX_MINUTES: u32 = 30 * 24 * 60;

/// So many at a time, or whoever can revoke could fill the memory.
pub const MAX_REVOCATIONS: usize = 10_000;

/// Who is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// The voice client, as in the log and in the answer with the token: `ext_ann`.
    Identity(Identity),
    /// The TaskRouter worker.
    WorkerSid(WorkerSid),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(identity) => write!(f, "identity {identity}"),
            Self::WorkerSid(worker) => write!(f, "worker {worker}"),
        }
    }
}

/// Where the operator's port has the list.
pub const REVOCATIONS_PATH: &str = "/v1/revocations";

/// What an operator orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Who is meant: `"identity"` or `"worker_sid"`.
    #[serde(flatten)]
    pub name: Name,
    /// For how long; a day when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
}

/// Which instances know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// All that share the Redis.
    AllReplicas,
    /// This one alone: there is no Redis, or it does not answer.
    ThisReplica,
}

/// Who is shut out.
#[derive(Debug, Default)]
pub struct Revocations(BTreeMap<Name, Timestamp>);

/// No more can be shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_REVOCATIONS} are revoked already")]
pub struct TooMany;

impl Revocations {
    /// Shuts somebody out, or changes until when.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn revoke(&mut self, name: Name, until: Timestamp) -> Result<(), TooMany> {
        if self.0.len() >= MAX_REVOCATIONS && !self.0.contains_key(&name) {
            return Err(TooMany);
        }
        self.0.insert(name, until);
        Ok(())
    }

    /// Lets somebody in again; false when they were not shut out.
    pub fn restore(&mut self, name: &Name) -> bool {
        self.0.remove(name).is_some()
    }

    /// Until when one of these is shut out; none when none is.
    #[must_use]
    pub fn until(&self, names: &[Name], now: Timestamp) -> Option<Timestamp> {
        names.iter().filter_map(|name| self.0.get(name)).filter(|until| now < **until).max().copied()
    }

    /// True when nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, Timestamp)> {
        self.0.iter().map(|(name, until)| (name, *until))
    }

    /// Forgets whose time is over. To be called every minute or so, or memory grows.
    pub fn forget_old(&mut self, now: Timestamp) {
        self.0.retain(|_name, until| now < *until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: usize) -> Name {
        Name::Identity(Identity::new(format!("ext_a{number}")).unwrap())
    }

    const AT: fn(u64) -> Timestamp = Timestamp::from_millis;

    #[test]
    fn somebody_is_shut_out_by_either_name_until_the_time_is_over_or_they_are_let_in_again() {
        let worker = Name::WorkerSid(WorkerSid::new(format!("WK{}", "3".repeat(32))).unwrap());
        for name in [identity(1), worker.clone()] {
            let names = [identity(1), worker.clone()];
            let mut revocations = Revocations::default();
            assert_eq!(revocations.until(&names, AT(0)), None);
            revocations.revoke(name.clone(), AT(10)).unwrap();
            assert_eq!(revocations.until(&names, AT(9)), Some(AT(10)));
            assert_eq!(revocations.until(&names, AT(10)), None);
            assert_eq!(revocations.until(&[identity(2)], AT(0)), None, "somebody else");
            revocations.revoke(name.clone(), AT(20)).unwrap();
            revocations.forget_old(AT(10));
            assert_eq!(revocations.until(&names, AT(10)), Some(AT(20)), "the newer time counts");
            assert!(revocations.restore(&name) && !revocations.restore(&name));
            assert_eq!(revocations.until(&names, AT(0)), None);
        }
    }

    #[test]
    fn only_so_many_are_shut_out_at_a_time() {
        let mut revocations = Revocations::default();
        for number in 0..MAX_REVOCATIONS {
            revocations.revoke(identity(number), AT(10)).unwrap();
        }
        assert_eq!(revocations.revoke(identity(MAX_REVOCATIONS), AT(10)), Err(TooMany));
        assert_eq!(revocations.revoke(identity(0), AT(20)), Ok(()));
        revocations.forget_old(AT(10));
        assert_eq!(revocations.iter().count(), 1);
    }

    #[test]
    fn a_name_is_written_as_the_operator_writes_it() {
        let text = r#"{"identity":"ext_a1"}"#;
        assert_eq!(serde_json::to_string(&identity(1)).unwrap(), text);
        assert_eq!(serde_json::from_str::<Name>(text).unwrap(), identity(1));
        assert!(serde_json::from_str::<Name>(r#"{"worker_sid":"ext_a1"}"#).is_err());
    }
}
