//! What one client's address may cost Twilio in questions about Flex tokens that nobody vouches for: pure, no clock.
//!
//! Behind one address there may be a whole contact centre, and among its people one who tries out tokens, or fifty stale
//! tabs that do so without malice. So an address whose allowance of refusals is used up is not shut out. From then on its
//! unknown tokens *share* a small part of the questions to Twilio, and what they have to bring for it is patience: a token
//! is asked about when it comes again. An agent's does, as it was told to; tokens that are made up by the hundred would
//! each have to be sent again and again. The less of the share is left, the oftener a token must have come, so that the
//! last of it is for those who wait longest. A question that turns out to be about a good token costs the share nothing.

use std::{collections::HashMap, net::IpAddr, num::NonZeroU32, time::Duration};

use service_kit::{
    cache::{Key, TwoGenerationCache},
    limits::Rate,
};

/// After so long, whoever waits for the share should come again.
pub const COME_AGAIN: Duration = Duration::from_secs(2);

/// So many refusals beyond its allowance are held against an address: of questions that are asked at once, none knows yet
/// what comes of the others.
pub const MOST_OWED: u32 = 100;

/// For how long it is remembered, at least, that a token was here, unless there are too many.
pub const RETURNING: Duration = Duration::from_secs(60);

/// What an address may have refused: a rate per minute, and a burst of twice as many.
#[must_use]
pub const fn refusals(per_minute: NonZeroU32) -> Rate {
    Rate { per_minute, burst: per_minute.saturating_mul(times(2)) }
}

/// What the unknown tokens of an address share whose allowance of refusals is used up: five a second where ten refusals
/// a minute are allowed, sixty at once.
#[must_use]
pub const fn share(per_minute: NonZeroU32) -> Rate {
    Rate { per_minute: per_minute.saturating_mul(times(30)), burst: per_minute.saturating_mul(times(6)) }
}

const fn times(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// Through which of our doors somebody comes: each has counters of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// `/v1/voice/token`.
    VoiceToken,
    /// `/generateToken`, at which any web page can make a browser ask.
    GenerateToken,
    /// `/v1/history`.
    History,
    /// `/v1/video/tasks`, at which agents ask.
    Video,
    /// What the page of video asks: there it is about codes and seats.
    VideoPage,
}

/// What counts as one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// An address or a network.
    pub network: IpAddr,
    /// Where it asks.
    pub door: Door,
}

/// What is used of a rate: empty again at this time (GCRA's "theoretical arrival time").
#[derive(Clone, Copy, Debug, Default)]
struct Used(Duration);

impl Used {
    /// How many more are allowed.
    fn left(self, rate: Rate, now: Duration) -> u32 {
        let full = now + rate.interval() * rate.burst.get();
        let left = full.saturating_sub(self.0.max(now)).as_nanos() / rate.interval().as_nanos().max(1);
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Until when there is more than allowed.
    fn wait(self, rate: Rate, now: Duration) -> Duration {
        self.0.saturating_sub(now + rate.interval() * rate.burst.get())
    }

    fn add(&mut self, rate: Rate, now: Duration) {
        let most = now + rate.interval() * rate.burst.get().saturating_add(MOST_OWED);
        self.0 = (self.0.max(now) + rate.interval()).min(most);
    }

    fn give_back(&mut self, rate: Rate) {
        self.0 = self.0.saturating_sub(rate.interval());
    }
}

/// The counters of all sites. Time is time since any fixed moment.
#[derive(Debug)]
pub struct Sites {
    refusals: Rate,
    share: Rate,
    used: HashMap<Site, [Used; 2]>,
    /// How often a token has come again that had to wait. By site and token, one key for both.
    returning: TwoGenerationCache<u32>,
}

impl Sites {
    /// With these rates for each site.
    #[must_use]
    pub fn new(refusals: Rate, share: Rate) -> Self {
        Self { refusals, share, used: HashMap::new(), returning: TwoGenerationCache::new(RETURNING) }
    }

    /// Until when the site has had more refused than it may; zero when it has not. And whether it has had any at all.
    #[must_use]
    pub fn refusals(&self, site: Site, now: Duration) -> (Duration, bool) {
        let [refusals, _] = self.used.get(&site).copied().unwrap_or_default();
        (refusals.wait(self.refusals, now), refusals.0 > now)
    }

    /// A token of the site's was refused.
    pub fn refused(&mut self, site: Site, now: Duration) {
        self.used.entry(site).or_default()[0].add(self.refusals, now);
    }

    /// An agent of the site's has a token: the site may have one more refused.
    pub fn served(&mut self, site: Site) {
        if let Some([refusals, _]) = self.used.get_mut(&site) {
            refusals.give_back(self.refusals);
        }
    }

    /// True when Twilio may be asked about this token at the cost of the site's share. Whoever is told no should come again.
    pub fn take_share(&mut self, site: Site, token: &Key, now: Duration) -> bool {
        let key = waiting(site, token);
        let came_again = self.returning.get(&key).map_or(0, |times| times.saturating_add(1));
        self.returning.insert(key, came_again, now);
        let [_, used] = self.used.entry(site).or_default();
        let is_its_turn = is_its_turn(used.left(self.share, now), self.share, came_again);
        if is_its_turn {
            used.add(self.share, now);
        }
        is_its_turn
    }

    /// The question was about no bad token.
    pub fn give_back_share(&mut self, site: Site) {
        if let Some([_, used]) = self.used.get_mut(&site) {
            used.give_back(self.share);
        }
    }

    /// Forgets whoever could start afresh anyway. To be called every minute or so, or memory grows.
    pub fn forget_old(&mut self, now: Duration) {
        self.used.retain(|_, used| used.iter().any(|used| used.0 > now));
        self.used.shrink_to_fit();
        self.returning.forget_old(now);
    }

    /// So many sites are counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// True when none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }
}

/// A token that has `come_again` so often may use the share while so much is `left`: of sixty, the first time while there
/// are fifteen, the fourth while there are six.
fn is_its_turn(left: u32, share: Rate, came_again: u32) -> bool {
    let patience = u64::from(left) * u64::from(came_again.saturating_add(1));
    left > 0 && came_again > 0 && 2 * patience >= u64::from(share.burst.get())
}

/// One key for a site and a token: the token's own, which is a hash, with the site mixed in.
fn waiting(site: Site, token: &Key) -> Key {
    let mut key = *token;
    let network = match site.network {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    key.iter_mut().zip(network).for_each(|(byte, network)| *byte ^= network);
    key[31] ^= match site.door {
        Door::VoiceToken => 0,
        Door::GenerateToken => 1,
        Door::History => 2,
        Door::Video => 3,
        Door::VideoPage => 4,
    };
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn sites() -> Sites {
        let ten = times(10);
        Sites::new(refusals(ten), share(ten))
    }

    const SITE: Site =
        Site { network: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), door: Door::VoiceToken };

    fn token(number: u64) -> Key {
        let mut key = Key::default();
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn a_token_has_its_turn_when_it_comes_again_and_never_at_first_sight() {
        let mut sites = sites();
        for number in 0..1_000 {
            assert!(!sites.take_share(SITE, &token(number), s(0)), "{number}");
        }
        assert!(sites.take_share(SITE, &token(7), s(2)));
        let elsewhere = Site { network: "2001:db8::".parse().unwrap(), ..SITE };
        let [older, history] = [Door::GenerateToken, Door::History].map(|door| Site { door, ..SITE });
        for other in [elsewhere, older, history] {
            assert!(!sites.take_share(other, &token(8), s(2)), "it was here, and not there");
        }
    }

    #[test]
    fn the_last_of_the_share_is_for_those_who_have_waited_longest() {
        let mut sites = sites();
        let mut came = |number: u64, times: u64, at: Duration| {
            (0..times).any(|_| sites.take_share(SITE, &token(number), at))
        };
        let once_more = (0..100).filter(|number| came(*number, 2, s(0))).count();
        assert_eq!(once_more, 46, "as long as there are fifteen");
        assert!(!came(1_000, 2, s(0)));
        assert!(came(1_000, 1, s(0)), "the third time");
        let rest = (2_000..3_000).filter(|number| came(*number, 60, s(0))).count();
        assert!((1..=14).contains(&rest), "{rest}");
        assert!(!came(4_000, 60, s(0)), "and then there is nothing left");
        assert!(came(4_000, 1, ms(400)), "until a moment later");
    }

    #[test]
    fn a_question_about_a_good_token_costs_the_share_nothing() {
        let mut sites = sites();
        for number in 0..10_000 {
            sites.take_share(SITE, &token(number), s(0));
            assert!(sites.take_share(SITE, &token(number), s(0)), "{number}");
            sites.give_back_share(SITE);
        }
    }

    /// Whatever is sent, and however often: the allowance and the share are all that Twilio hears of it.
    #[test]
    fn what_one_address_costs_twilio_is_bounded_however_it_goes_about_it() {
        for often in 1..20 {
            let (mut sites, mut asked, mut number) = (sites(), 0_u32, 0_u64);
            let minutes = 5;
            for at in (0..minutes * 60_000).step_by(10) {
                let now = ms(at);
                number += 1;
                let token = token(number / often);
                if sites.refusals(SITE, now).0.is_zero() {
                    sites.refused(SITE, now);
                    asked += 1;
                } else if sites.take_share(SITE, &token, now) {
                    asked += 1;
                }
            }
            let minutes = u32::try_from(minutes).unwrap();
            assert!(asked <= (21 + 10 * minutes) + (60 + 300 * minutes), "{often}: {asked}");
            assert!(
                often > 1 || asked <= 21 + 10 * minutes,
                "tokens that never come again have no part: {asked}"
            );
        }
    }
}
