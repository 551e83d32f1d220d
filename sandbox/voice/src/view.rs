//! Puts together what the machine decided and what the media session measured.

use std::time::Instant;

use crate::api::types::{AgentToCustomer, CallView, CustomerToAgent, WindowView, WindowsView};
use crate::machine::event::CallFacts;
use crate::media::audio;
use crate::media::session::Facts;
use crate::media::stats::{self, Scope, Window};
use sandbox_kit::clock::Clock;

/// Times that only the shell knows, because they are those of frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// When `invite` was handed to the first socket.
    pub invite: Option<Instant>,
    /// When the answer was handed to the client's socket.
    pub answer_sdp: Option<Instant>,
}

/// One call as a view. The session's facts are absent before it has media.
pub(crate) fn call(
    clock: Clock,
    call: CallFacts,
    times: Times,
    media: Option<&Facts>,
    now: Instant,
) -> CallView {
    let since_start = |at: Instant| stats::millis(at.saturating_duration_since(clock.origin()));
    let first = media.and_then(|facts| facts.arrivals.first()).map(|arrival| arrival.at);
    CallView {
        state: call.state,
        identity: call.identity,
        from: call.from,
        created_ms: clock.since_start(call.created),
        invite_ms: times.invite.map(since_start),
        answer_sdp_ms: times.answer_sdp.map(since_start),
        first_agent_rtp_ms: first.map(since_start),
        answer_ms: times
            .invite
            .zip(first)
            .map(|(invite, first)| stats::millis(first.saturating_duration_since(invite))),
        ended_ms: call.ended.map(|(at, ..)| clock.since_start(at)),
        ended_by: call.ended.map(|(_, by, _)| by),
        end_reason: call.ended.map(|(.., reason)| reason),
        socket: call.socket.map(|socket| socket.0),
        agent_to_customer: media.map(|facts| from_agent(clock, facts, now)).unwrap_or_default(),
        customer_to_agent: media.map(|facts| to_agent(facts, now)).unwrap_or_default(),
        dtmf: media.map(|facts| facts.keys.clone()).unwrap_or_default(),
        ice: media.map_or_else(|| "new".to_owned(), |facts| facts.ice.clone()),
        codec: media.and_then(|facts| facts.codec.clone()),
        peer: media.and_then(|facts| facts.peer).map(|peer| peer.to_string()),
        line: call.line,
        recording: media.is_some_and(|facts| facts.is_recording && facts.over.is_none()),
        call_sid: call.call_sid,
    }
}

/// The windows of a call and what lies outside them.
pub(crate) fn windows(clock: Clock, facts: &Facts, now: Instant) -> WindowsView {
    let since_start = |at: Instant| stats::millis(at.saturating_duration_since(clock.origin()));
    let until = alive_until(facts, now);
    let figures = |name: &str, window: Option<&Window>, scope: Scope<'_>| WindowView {
        name: name.to_owned(),
        start_ms: window.map(|w| since_start(w.start)),
        end_ms: window.and_then(|w| w.end).map(since_start),
        agent_to_customer: stats::from_agent(&facts.arrivals, until, scope),
        customer_to_agent: stats::to_agent(&facts.sent, &facts.reports, until, scope),
    };
    WindowsView {
        windows: facts.windows.iter().map(|w| figures(&w.name, Some(w), Scope::In(w))).collect(),
        outside: figures("outside", None, Scope::Outside(&facts.windows)),
    }
}

/// Silence up to now counts as a gap while there is media; afterwards it is only the end of the call.
fn alive_until(facts: &Facts, now: Instant) -> Option<Instant> {
    (facts.over.is_none()).then_some(now)
}

fn from_agent(clock: Clock, facts: &Facts, now: Instant) -> AgentToCustomer {
    let ear: Vec<i16> = facts.ear.iter().copied().collect();
    let figures = stats::from_agent(&facts.arrivals, alive_until(facts, now), Scope::Whole);
    AgentToCustomer {
        packets: figures.packets,
        lost: u64::try_from(figures.lost).unwrap_or(0),
        out_of_order: stats::out_of_order(&facts.arrivals),
        duplicates: facts.duplicates,
        max_gap_ms: figures.max_gap_ms,
        bytes: facts.bytes,
        rms: (audio::rms(&ear) * 10.0).round() / 10.0,
        tone_hz: audio::loudest_hz(&ear),
        quiet_since_ms: facts
            .quiet_since
            .map(|at| stats::millis(at.saturating_duration_since(clock.origin()))),
    }
}

fn to_agent(facts: &Facts, now: Instant) -> CustomerToAgent {
    let until = alive_until(facts, now);
    let gap = stats::max_gap(facts.sent.iter().copied(), until, Scope::Whole);
    let newest = facts.reports.last();
    CustomerToAgent {
        packets: facts.sent.len() as u64,
        lost: newest.map_or(0, |report| report.lost),
        max_gap_ms: stats::millis(gap),
        rtcp_reports: facts.reports.len() as u64,
        rtcp_jitter_ms: newest.map_or(0.0, |report| report.jitter_ms),
        rtcp_fraction_lost_max: facts.reports.iter().map(|report| report.fraction).fold(0.0, f64::max),
    }
}
