//! How much each address may have at once of what is scarce: pure, no clock and no I/O.
//!
//! What counts is what keeps us waiting, and not what is in work, which ends by itself. Who has more of that than a share
//! loses what has kept waiting for the longest, and not what is new. So an address that holds on to all that it can get
//! meets only itself; and an honest request from behind the same address, which is done within milliseconds, is served
//! meanwhile.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use crate::limits::network;

/// However small the whole is, one address may have this many.
const LEAST: usize = 8;

/// What somebody has of a share, to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    network: IpAddr,
    number: u64,
}

/// What each address has; one IPv6 network of 64 bits counts as one address.
#[derive(Debug)]
pub struct Shares<T> {
    each: usize,
    held: HashMap<IpAddr, BTreeMap<u64, T>>,
    next: u64,
}

impl<T> Shares<T> {
    /// Each address may have `percent` of `all`.
    #[must_use]
    pub fn new(all: u32, percent: u32) -> Self {
        let each = u64::from(all) * u64::from(percent) / 100;
        Self { each: usize::try_from(each).unwrap_or(usize::MAX).max(LEAST), held: HashMap::new(), next: 0 }
    }

    /// Gives `address` one more. Where a share of what it has keeps waiting already, what has done so for the longest is
    /// taken away and returned; `since` says since when something waits, or whatever else puts them in order, or that it is
    /// in work.
    pub fn take<S: Ord>(
        &mut self,
        address: IpAddr,
        one: T,
        since: impl Fn(&T) -> Option<S>,
    ) -> (Ticket, Option<T>) {
        let network = network(address);
        let held = self.held.entry(network).or_default();
        let mut taken_away = None;
        if held.len() >= self.each {
            let waiting = || held.iter().filter_map(|(number, one)| Some((since(one)?, *number)));
            let oldest = if waiting().count() >= self.each { waiting().min() } else { None };
            taken_away = oldest.and_then(|(_, number)| held.remove(&number));
        }
        let number = self.next;
        self.next += 1;
        held.insert(number, one);
        (Ticket { network, number }, taken_away)
    }

    /// Takes back what was given, if it was not taken away before.
    pub fn give_back(&mut self, ticket: Ticket) {
        let Some(held) = self.held.get_mut(&ticket.network) else { return };
        held.remove(&ticket.number);
        if held.is_empty() {
            self.held.remove(&ticket.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Waits since the moment that it is.
    fn since(one: &u64) -> Option<u64> {
        Some(*one)
    }

    #[test]
    fn a_share_is_a_part_of_the_whole_but_always_a_few() {
        for (all, percent, each) in [
            (2048, 25, 512),
            (512, 25, 128),
            (100, 100, 100),
            (4, 25, 8),
            (1, 1, 8),
            (u32::MAX, 100, 4_294_967_295),
        ] {
            assert_eq!(Shares::<()>::new(all, percent).each, each, "{percent} % of {all}");
        }
    }

    #[test]
    fn over_its_share_an_address_loses_what_has_kept_waiting_for_the_longest_and_nobody_else_does() {
        let mut shares = Shares::new(8, 100);
        let (greedy, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for moment in [70, 50, 60, 10, 80, 90, 20, 95] {
            assert_eq!(shares.take(greedy, moment, since).1, None);
        }
        assert_eq!(shares.take(greedy, 100, since).1, Some(10));
        let (ticket, taken_away) = shares.take(greedy, 110, since);
        assert_eq!(taken_away, Some(20));
        assert_eq!(shares.take(other, 120, since).1, None, "another address is unaffected");
        shares.give_back(ticket);
        assert_eq!(shares.take(greedy, 130, since).1, None, "one was given back");
        assert_eq!(shares.take(greedy, 140, since).1, Some(50));
    }

    #[test]
    fn what_is_in_work_counts_for_nothing_and_is_not_taken_away() {
        let mut shares = Shares::new(8, 100);
        let client = address("192.0.2.1");
        let all_in_work = |_: &u64| None::<u64>;
        for moment in 0..100 {
            assert_eq!(shares.take(client, moment, all_in_work).1, None);
        }
        let all_but_some = |one: &u64| (*one >= 93).then_some(*one);
        assert_eq!(shares.take(client, 100, all_but_some).1, None, "seven waited");
        assert_eq!(shares.take(client, 101, all_but_some).1, Some(93), "the oldest of eight");
    }

    #[test]
    fn an_ipv6_network_shares_and_a_mapped_ipv4_address_is_its_own() {
        let mut shares = Shares::new(8, 100);
        for last in 0..8 {
            shares.take(address(&format!("2001:db8::{last}")), last, since);
        }
        assert_eq!(shares.take(address("2001:db8::9:9:9:9"), 8, since).1, Some(0));
        assert_eq!(shares.take(address("2001:db8:0:1::1"), 9, since).1, None);
        for last in 0..8 {
            shares.take(address("::ffff:192.0.2.1"), last, since);
        }
        assert_eq!(shares.take(address("192.0.2.1"), 8, since).1, Some(0));
    }

    proptest! {
        /// Whoever comes and goes: nobody has more than a share, nobody loses anything to somebody else, and what was given
        /// back takes no memory.
        #[test]
        fn nobody_has_more_than_a_share_whoever_comes_and_goes(
            steps in prop::collection::vec((0..4_u8, any::<bool>(), any::<prop::sample::Index>()), 0..200),
        ) {
            let mut shares = Shares::new(8, 100);
            let mut out: Vec<(u8, Ticket, u64)> = Vec::new();
            for (moment, (who, comes, which)) in (0_u64..).zip(steps) {
                if comes || out.is_empty() {
                    let (ticket, taken_away) =
                        shares.take(IpAddr::from([192, 0, 2, who]), moment, since);
                    if let Some(lost) = taken_away {
                        let oldest = out.iter().filter(|(whose, ..)| *whose == who).map(|(.., at)| *at).min();
                        prop_assert_eq!(Some(lost), oldest);
                        out.retain(|(.., at)| *at != lost);
                    }
                    out.push((who, ticket, moment));
                } else {
                    let (_, ticket, _) = out.swap_remove(which.index(out.len()));
                    shares.give_back(ticket);
                    shares.give_back(ticket);
                }
                let here: BTreeSet<u8> = out.iter().map(|(who, ..)| *who).collect();
                prop_assert_eq!(shares.held.len(), here.len());
                for who in here {
                    let has = out.iter().filter(|(whose, ..)| *whose == who).count();
                    prop_assert!(has <= 8);
                    prop_assert_eq!(shares.held[&IpAddr::from([192, 0, 2, who])].len(), has);
                }
            }
        }
    }
}
