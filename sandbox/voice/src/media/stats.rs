//! Figures from packet records. Every figure is computed from when packets arrived or left, so a window's figures are
//! those of exactly its packets.

use std::time::{Duration, Instant};

use crate::api::types::WindowFigures;

/// One RTP packet from the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When the socket gave it.
    pub at: Instant,
    /// Counts the streams (SSRCs): sequence numbers of different streams cannot be compared.
    pub epoch: u32,
    /// The sequence number, extended beyond 16 bits.
    pub seq: u64,
}

/// One RTCP reception report from the agent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// When it came.
    pub at: Instant,
    /// Cumulative number of packets lost; may be negative when there are duplicates.
    pub lost: i64,
    /// Fraction lost since the report before, 0 to 1.
    pub fraction: f64,
    /// Interarrival jitter, milliseconds.
    pub jitter_ms: f64,
}

/// A stretch of time. Open at the end while it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub name: String,
    pub start: Instant,
    pub end: Option<Instant>,
}

impl Window {
    /// True if the time from `from` to `to` has an instant in common with the window.
    #[must_use]
    pub fn touches(&self, from: Instant, to: Instant) -> bool {
        to >= self.start && self.end.is_none_or(|end| from <= end)
    }
}

/// Which stretches of a call count.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// All of it.
    Whole,
    /// What touches the window.
    In(&'a Window),
    /// What touches none of the windows.
    Outside(&'a [Window]),
}

impl Scope<'_> {
    fn covers(&self, from: Instant, to: Instant) -> bool {
        match self {
            Self::Whole => true,
            Self::In(window) => window.touches(from, to),
            Self::Outside(windows) => !windows.iter().any(|window| window.touches(from, to)),
        }
    }
}

/// Sixteen-bit milliseconds are not enough, and more than a tenth of one means nothing: one decimal.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// The longest time without a packet, between neighbours and from the last one until `until`, if that is given.
#[must_use]
pub fn max_gap(
    times: impl IntoIterator<Item = Instant>,
    until: Option<Instant>,
    scope: Scope<'_>,
) -> Duration {
    let mut longest = Duration::ZERO;
    let mut before = None;
    for at in times.into_iter().chain(until) {
        if let Some(before) = before.replace(at)
            && scope.covers(before, at)
        {
            longest = longest.max(at.saturating_duration_since(before));
        }
    }
    longest
}

/// Sequence numbers that never came. A missing number belongs to the time between the arrivals of its neighbours.
#[must_use]
pub fn lost(arrivals: &[Arrival], scope: Scope<'_>) -> u64 {
    let mut by_seq: Vec<_> = arrivals.to_vec();
    by_seq.sort_by_key(|a| (a.epoch, a.seq));
    by_seq
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] if a.epoch == b.epoch && scope.covers(a.at.min(b.at), a.at.max(b.at)) => {
                Some(b.seq.saturating_sub(a.seq + 1))
            }
            _ => None,
        })
        .sum()
}

/// Packets that came after a later one of the same stream.
#[must_use]
pub fn out_of_order(arrivals: &[Arrival]) -> u64 {
    let mut highest: Option<(u32, u64)> = None;
    let mut count = 0;
    for arrival in arrivals {
        let this = (arrival.epoch, arrival.seq);
        match highest {
            Some(highest) if this < highest => count += 1,
            _ => highest = Some(this),
        }
    }
    count
}

/// The agent's packets in a scope.
#[must_use]
pub fn from_agent(arrivals: &[Arrival], until: Option<Instant>, scope: Scope<'_>) -> WindowFigures {
    WindowFigures {
        packets: count(arrivals.iter().map(|a| a.at), scope),
        lost: i64::try_from(lost(arrivals, scope)).unwrap_or(i64::MAX),
        max_gap_ms: millis(max_gap(arrivals.iter().map(|a| a.at), until, scope)),
    }
}

/// The customer's packets in a scope. What was lost is the growth of the agent's cumulative count: for a window
/// between the report before it and the first after it; outside, all growth that no window has.
#[must_use]
pub fn to_agent(
    sent: &[Instant],
    reports: &[Report],
    until: Option<Instant>,
    scope: Scope<'_>,
) -> WindowFigures {
    let mut growth = 0;
    let mut before: Option<&Report> = None;
    for report in reports {
        let since = before.map_or_else(|| sent.first().copied().unwrap_or(report.at), |b| b.at);
        if scope.covers(since, report.at) {
            growth += report.lost - before.map_or(0, |b| b.lost);
        }
        before = Some(report);
    }
    WindowFigures {
        packets: count(sent.iter().copied(), scope),
        lost: growth,
        max_gap_ms: millis(max_gap(sent.iter().copied(), until, scope)),
    }
}

fn count(times: impl IntoIterator<Item = Instant>, scope: Scope<'_>) -> u64 {
    times.into_iter().fold(0, |n, at| n + u64::from(scope.covers(at, at)))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an arbitrary origin for instants")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(origin: Instant, ms: u64) -> Instant {
        origin + Duration::from_millis(ms)
    }

    fn arrivals(origin: Instant, records: &[(u64, u64)]) -> Vec<Arrival> {
        records.iter().map(|(ms, seq)| Arrival { at: at(origin, *ms), epoch: 0, seq: *seq }).collect()
    }

    fn window(origin: Instant, start: u64, end: Option<u64>) -> Window {
        Window { name: "w".into(), start: at(origin, start), end: end.map(|end| at(origin, end)) }
    }

    #[test]
    fn a_gap_and_its_lost_packets_belong_to_the_window_they_touch() {
        let origin = Instant::now();
        // Steady, except 100 ms and four packets missing from 40 to 140.
        let records = arrivals(origin, &[(0, 1), (20, 2), (40, 3), (140, 8), (160, 9), (180, 10)]);
        let window = window(origin, 100, Some(150));
        let inside = from_agent(&records, None, Scope::In(&window));
        assert_eq!((inside.packets, inside.lost), (1, 4));
        assert!((inside.max_gap_ms - 100.0).abs() < 0.01);
        let outside = from_agent(&records, None, Scope::Outside(std::slice::from_ref(&window)));
        assert_eq!((outside.packets, outside.lost), (5, 0));
        assert!((outside.max_gap_ms - 20.0).abs() < 0.01);
    }

    #[test]
    fn silence_up_to_now_counts_while_the_call_lives() {
        let origin = Instant::now();
        let records = arrivals(origin, &[(0, 1), (20, 2)]);
        let open = window(origin, 500, None);
        let figures = from_agent(&records, Some(at(origin, 1020)), Scope::In(&open));
        assert!((figures.max_gap_ms - 1000.0).abs() < 0.01);
        assert!(from_agent(&records, None, Scope::In(&open)).max_gap_ms.abs() < 0.01);
    }

    #[test]
    fn packets_out_of_order_are_not_lost() {
        let origin = Instant::now();
        let records = arrivals(origin, &[(0, 1), (20, 3), (21, 2), (40, 4)]);
        assert_eq!((lost(&records, Scope::Whole), out_of_order(&records)), (0, 1));
    }

    #[test]
    fn a_new_stream_is_not_a_loss() {
        let origin = Instant::now();
        let mut records = arrivals(origin, &[(0, 1), (20, 2), (40, 60_000)]);
        records[2].epoch = 1;
        assert_eq!((lost(&records, Scope::Whole), out_of_order(&records)), (0, 0));
    }

    #[test]
    fn what_the_agent_reports_as_lost_is_put_where_it_grew() {
        let origin = Instant::now();
        let report = |ms, lost| Report { at: at(origin, ms), lost, fraction: 0.0, jitter_ms: 0.0 };
        let reports = [report(1000, 1), report(2000, 1), report(3000, 4)];
        let sent: Vec<_> = (0..150).map(|n| at(origin, n * 20)).collect();
        let window = window(origin, 2500, Some(2600));
        assert_eq!(to_agent(&sent, &reports, None, Scope::In(&window)).lost, 3);
        assert_eq!(to_agent(&sent, &reports, None, Scope::Outside(&[window])).lost, 1);
        assert_eq!(to_agent(&sent, &reports, None, Scope::Whole).lost, 4);
    }

    proptest! {
        #[test]
        fn windows_and_the_rest_add_up(keep in proptest::collection::vec(any::<bool>(), 2..120), start in 0u64..2400, length in 0u64..1000) {
            let origin = Instant::now();
            let records: Vec<_> = (0u64..).zip(&keep).filter(|(_, keep)| **keep).map(|(n, _)| (n * 20, n)).collect();
            let records = arrivals(origin, &records);
            let window = window(origin, start, Some(start + length));
            let whole = from_agent(&records, None, Scope::Whole);
            let inside = from_agent(&records, None, Scope::In(&window));
            let outside = from_agent(&records, None, Scope::Outside(std::slice::from_ref(&window)));
            prop_assert_eq!(whole.packets, inside.packets + outside.packets);
            prop_assert_eq!(whole.lost, inside.lost + outside.lost);
            prop_assert!((whole.max_gap_ms - inside.max_gap_ms.max(outside.max_gap_ms)).abs() < 0.01);
            let first_to_last = keep.iter().rposition(|k| *k).unwrap_or(0) - keep.iter().position(|k| *k).unwrap_or(0);
            if !records.is_empty() {
                prop_assert_eq!(whole.packets + u64::try_from(whole.lost).unwrap(), first_to_last as u64 + 1);
            }
        }
    }
}
