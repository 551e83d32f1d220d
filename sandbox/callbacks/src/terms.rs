//! How long a product waits for an answer, and when it tries again.
//!
//! Source: <https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides>, and each product's own page.

use crate::callback::{Failure, Product, Reply};

/// Which ends of a try are worth another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryOn {
    pub client_error: bool,
    pub server_error: bool,
    pub connect: bool,
    pub read: bool,
}

impl RetryOn {
    const CONNECT: Self = Self { client_error: false, server_error: false, connect: true, read: false };
    const ALL: Self = Self { client_error: true, server_error: true, connect: true, read: true };
    const NOTHING: Self = Self { client_error: false, server_error: false, connect: false, read: false };

    fn parse(list: &str) -> Self {
        list.split(',').fold(Self::NOTHING, |on, one| match one.trim() {
            "4xx" => Self { client_error: true, ..on },
            "5xx" => Self { server_error: true, ..on },
            "ct" => Self { connect: true, ..on },
            "rt" => Self { read: true, ..on },
            "all" => Self::ALL,
            _ => on,
        })
    }

    pub fn covers(self, end: &Result<Reply, Failure>) -> bool {
        match end {
            Ok(reply) => match reply.status {
                400..500 => self.client_error,
                500..600 => self.server_error,
                _ => false,
            },
            Err(Failure::Connect) => self.connect,
            Err(Failure::Timeout | Failure::Broken) => self.read,
        }
    }
}

/// The terms of one URL of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub connect_ms: u64,
    pub read_ms: u64,
    pub total_ms: u64,
    pub retries: u32,
    pub retry_on: RetryOn,
}

impl Terms {
    /// A product's terms, changed by what stands in the fragment of this URL, where the product allows that.
    pub fn of(product: Product, url: &str) -> Self {
        let terms = match product {
            Product::Twiml | Product::StatusCallback => Self::patient(15_000, 1),
            Product::Assignment => Self::patient(5_000, 0),
            // Inferred: that TaskRouter does not repeat its events.
            Product::TaskrouterEvent => Self::patient(15_000, 0),
            Product::Studio => Self::patient(10_000, 0),
            // One try, and a fragment that says otherwise means nothing to Conversations.
            Product::Conversations => return Self::patient(5_000, 0),
        };
        let fragment = url.split_once('#').map_or("", |(_, fragment)| fragment);
        fragment.split('&').fold(terms, Self::overridden)
    }

    /// No answer within the time, and second tries only when nobody listened.
    const fn patient(total_ms: u64, retries: u32) -> Self {
        Self { connect_ms: 5_000, read_ms: total_ms, total_ms, retries, retry_on: RetryOn::CONNECT }
    }

    /// Inferred: what is out of its range or cannot be read changes nothing.
    fn overridden(self, one: &str) -> Self {
        let Some((name, value)) = one.split_once('=') else { return self };
        let number = |low: u64, high: u64| value.parse().ok().filter(|n| (low..=high).contains(n));
        match name {
            "ct" => Self { connect_ms: number(100, 10_000).unwrap_or(self.connect_ms), ..self },
            "rt" => Self { read_ms: number(100, 15_000).unwrap_or(self.read_ms), ..self },
            "tt" => Self { total_ms: number(100, 15_000).unwrap_or(self.total_ms), ..self },
            "rc" => {
                let retries = number(0, 5).and_then(|count| u32::try_from(count).ok());
                Self { retries: retries.unwrap_or(self.retries), ..self }
            }
            "rp" => Self { retry_on: RetryOn::parse(value), ..self },
            // Which of Twilio's regions it leaves from, and TLS's server name: nothing that a laptop has.
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16) -> Result<Reply, Failure> {
        Ok(Reply { status, content_type: None, body: Vec::new() })
    }

    #[test]
    fn each_product_waits_as_long_as_it_is_documented_to() {
        let waits = |product| {
            let terms = Terms::of(product, "http://127.0.0.1/x");
            (terms.total_ms, terms.retries)
        };
        assert_eq!(waits(Product::Twiml), (15_000, 1));
        assert_eq!(waits(Product::StatusCallback), (15_000, 1));
        assert_eq!(waits(Product::Assignment), (5_000, 0));
        assert_eq!(waits(Product::TaskrouterEvent), (15_000, 0));
        assert_eq!(waits(Product::Conversations), (5_000, 0));
        assert_eq!(waits(Product::Studio), (10_000, 0));
    }

    #[test]
    fn the_fragment_overrides_and_nonsense_in_it_does_not() {
        let terms =
            Terms::of(Product::Twiml, "http://127.0.0.1/x#ct=200&rt=300&tt=400&rc=5&rp=4xx,rt&e=dublin");
        assert_eq!((terms.connect_ms, terms.read_ms, terms.total_ms, terms.retries), (200, 300, 400, 5));
        assert!(terms.retry_on.covers(&reply(404)) && terms.retry_on.covers(&Err(Failure::Timeout)));
        assert!(!terms.retry_on.covers(&reply(500)) && !terms.retry_on.covers(&Err(Failure::Connect)));
        let plain = Terms::of(Product::Twiml, "http://127.0.0.1/x");
        let nonsense = "http://127.0.0.1/x#ct=1&rt=99999&tt=-1&rc=6&sni&top";
        assert_eq!(Terms::of(Product::Twiml, nonsense), plain);
        let all = Terms::of(Product::Twiml, "http://127.0.0.1/x#rp=all");
        assert!(all.retry_on.covers(&reply(503)) && !all.retry_on.covers(&reply(200)));
    }

    #[test]
    fn conversations_take_no_overrides() {
        let plain = Terms::of(Product::Conversations, "http://127.0.0.1/x");
        assert_eq!(Terms::of(Product::Conversations, "http://127.0.0.1/x#rc=5&rp=all&rt=100"), plain);
    }
}
