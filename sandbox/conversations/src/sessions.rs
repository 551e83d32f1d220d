//! The Twilsock connections: who they are, and when their tokens end.

use std::collections::BTreeMap;

use kernel::Timestamp;
use serde_json::{Value, json};

use crate::sync::SocketId;
use crate::token::Bearer;

/// How long before its end a client is told that its token is about to expire; of a shorter life, half of it.
///
/// Inferred: the three minutes. What the client does with it was seen.
const WARNING_MS: u64 = 180_000;

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct Sessions(BTreeMap<SocketId, Session>);

#[derive(Debug, Default)]
struct Session {
    bearer: Option<Bearer>,
    /// When to say that the token is about to expire; none once it was said.
    warn_at: Option<Timestamp>,
    contexts: Vec<String>,
}

/// What a client is to be told of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    AboutToExpire,
    Expired,
}

impl Sessions {
    pub(crate) fn open(&mut self, socket: SocketId) {
        self.0.insert(socket, Session::default());
    }

    pub(crate) fn close(&mut self, socket: SocketId) -> Option<String> {
        self.0.remove(&socket)?.bearer.map(|bearer| bearer.identity)
    }

    /// The client has shown a good token.
    pub(crate) fn authenticate(&mut self, socket: SocketId, bearer: Bearer, now: Timestamp) {
        let Some(session) = self.0.get_mut(&socket) else { return };
        let left = now.until(bearer.expires);
        session.warn_at = Some(now.plus(left.saturating_sub(WARNING_MS.min(left / 2))));
        session.bearer = Some(bearer);
    }

    /// Who a connection is.
    pub(crate) fn identity(&self, socket: SocketId) -> Option<&str> {
        self.0.get(&socket)?.bearer.as_ref().map(|bearer| bearer.identity.as_str())
    }

    /// The connections of somebody.
    pub(crate) fn of(&self, identity: &str) -> Vec<SocketId> {
        let of =
            |session: &Session| session.bearer.as_ref().is_some_and(|bearer| bearer.identity == identity);
        self.0.iter().filter(|(_, session)| of(session)).map(|(socket, _)| *socket).collect()
    }

    pub(crate) fn add_context(&mut self, socket: SocketId, context: &str) {
        if let Some(session) = self.0.get_mut(&socket)
            && !session.contexts.iter().any(|known| known == context)
        {
            session.contexts.push(context.to_owned());
        }
    }

    pub(crate) fn remove_context(&mut self, socket: SocketId, context: &str) {
        if let Some(session) = self.0.get_mut(&socket) {
            session.contexts.retain(|known| known != context);
        }
    }

    /// The context that a notification names.
    pub(crate) fn context(&self, socket: SocketId) -> &str {
        self.0.get(&socket).and_then(|session| session.contexts.first()).map_or("none", String::as_str)
    }

    /// Whom to tell what about their tokens. A connection whose token has expired is nobody's then.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<(SocketId, Due)> {
        let mut due = Vec::new();
        for (socket, session) in &mut self.0 {
            if session.bearer.as_ref().is_some_and(|bearer| bearer.expires <= now) {
                session.bearer = None;
                session.warn_at = None;
                due.push((*socket, Due::Expired));
            } else if session.warn_at.is_some_and(|at| at <= now) {
                session.warn_at = None;
                due.push((*socket, Due::AboutToExpire));
            }
        }
        due
    }

    /// When [`Self::due`] has something.
    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        let of = |session: &Session| {
            sansio::earliest([session.warn_at, session.bearer.as_ref().map(|bearer| bearer.expires)])
        };
        sansio::earliest(self.0.values().map(of))
    }

    /// For the switchboard.
    pub(crate) fn summary(&self) -> Value {
        let sessions = self.0.iter().map(|(socket, session)| {
            let identity = session.bearer.as_ref().map(|bearer| bearer.identity.as_str());
            json!({ "socket": socket, "identity": identity })
        });
        sessions.collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn until(ms: u64) -> Bearer {
        Bearer { identity: "ada".to_owned(), expires: START.plus(ms) }
    }

    #[test]
    fn a_client_is_warned_once_and_let_go_when_its_token_ends() {
        let mut sessions = Sessions::default();
        sessions.open(1);
        sessions.authenticate(1, until(3_600_000), START);
        assert_eq!(sessions.poll_timeout(), Some(START.plus(3_420_000)));
        assert_eq!(sessions.due(START.plus(3_419_999)), []);
        assert_eq!(sessions.due(START.plus(3_420_000)), [(1, Due::AboutToExpire)]);
        assert_eq!(sessions.due(START.plus(3_599_999)), []);
        assert_eq!(sessions.due(START.plus(3_600_000)), [(1, Due::Expired)]);
        assert_eq!((sessions.identity(1), sessions.poll_timeout()), (None, None));
    }

    #[test]
    fn a_newer_token_in_time_is_all_that_it_takes() {
        let mut sessions = Sessions::default();
        sessions.open(1);
        sessions.authenticate(1, until(10_000), START);
        assert_eq!(sessions.due(START.plus(5_000)), [(1, Due::AboutToExpire)]);
        sessions.authenticate(1, until(20_000), START.plus(6_000));
        assert_eq!(sessions.due(START.plus(10_000)), []);
        assert_eq!(sessions.due(START.plus(13_000)), [(1, Due::AboutToExpire)]);
    }

    #[test]
    fn somebody_may_have_several_connections() {
        let mut sessions = Sessions::default();
        for socket in [1, 2, 3] {
            sessions.open(socket);
        }
        sessions.authenticate(1, until(1), START);
        sessions.authenticate(3, until(1), START);
        assert_eq!(sessions.of("ada"), [1, 3]);
        assert_eq!(sessions.close(1).as_deref(), Some("ada"));
        assert_eq!(sessions.of("ada"), [3]);
    }
}
