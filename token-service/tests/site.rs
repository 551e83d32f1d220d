//! A contact centre behind one address, in which somebody tries out tokens. The real service, all layers; only time is
//! not real.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod support;

use std::time::Duration;

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use support::{TestService, builder, hours, invalid, valid, with_header};
use wiremock::{Mock, Respond, ResponseTemplate, matchers::any};

/// Vouches for `good-NAME`, and for nothing else.
struct Knows;

impl Respond for Knows {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        let said = match asked["token"].as_str().unwrap().strip_prefix("good-") {
            Some(name) => valid(name, hours(8)),
            None => invalid(),
        };
        ResponseTemplate::new(200).set_body_json(said)
    }
}

async fn start(flags: &[&str]) -> TestService {
    let service = TestService::start(flags).await;
    service.iam.reset().await;
    Mock::given(any()).respond_with(Knows).mount(&service.iam).await;
    service
}

fn bearer(token: &str) -> Request<Body> {
    with_header("authorization", Some(&format!("Bearer {token}")))
}

/// `GET /generateToken`, as the older extension asks.
fn legacy(token: &str) -> Request<Body> {
    Request::get(format!("/generateToken?Token={token}&VoiceClientPrefix=ext_")).body(Body::empty()).unwrap()
}

/// What the one at the site sends who means harm: a hundred tokens a second.
#[derive(Clone, Copy, Debug)]
enum Junk {
    /// Each made up anew.
    New,
    /// Each sent again after two seconds, as an agent's extension does.
    Twice,
    /// Of a hundred stale tabs, each of which asks every second.
    StaleTabs,
}

impl Junk {
    fn token(self, number: u64) -> String {
        let which = match self {
            Self::New => number,
            Self::Twice if number % 400 >= 200 => number - 200,
            Self::Twice => number,
            Self::StaleTabs => number % 100,
        };
        format!("junk-{which}")
    }
}

/// How an honest client asks again that was sent away.
#[derive(Clone, Copy, Debug)]
enum Patience {
    /// As the extension: its own pause, which is another for each, but no shorter than what `Retry-After` says.
    Extension,
    /// To the second when `Retry-After` says.
    RetryAfter,
    /// Every two seconds, whatever it is told.
    EveryTwoSeconds,
}

/// An agent.
struct Agent {
    token: String,
    asks_at: u64,
    pause: u64,
    served_at: Option<u64>,
}

impl Agent {
    fn is_sent_away(&mut self, patience: Patience, now: u64, retry_after: u64, random: u64) {
        let wait = match patience {
            Patience::Extension => {
                // The rule of the extension's machine (`decorrelated_ms`).
                let most = (self.pause * 3).clamp(2_000, 60_000);
                self.pause = 1_000 + random % (most - 1_000 + 1);
                self.pause.max(retry_after * 1_000)
            }
            Patience::RetryAfter => retry_after * 1_000,
            Patience::EveryTwoSeconds => 2_000,
        };
        self.asks_at = now + wait;
    }
}

/// Twenty agents come when the junk has been going on for a while. Returns when each was served, in milliseconds.
async fn twenty_agents(junk: Junk, patience: Patience) -> Vec<Option<u64>> {
    const BEFORE: u64 = 4_000;
    let service = start(&["--validation-cache-seconds", "30"]).await;
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut agents: Vec<Agent> = (0..20)
        .map(|number| Agent {
            token: format!("good-agent{number}"),
            // Within a second, as after an outage.
            asks_at: BEFORE + number * 50,
            pause: 0,
            served_at: None,
        })
        .collect();
    for now in (0..BEFORE + 15_000).step_by(10) {
        let sent = service.send(bearer(&junk.token(now / 10))).await;
        assert!([401, 429].contains(&sent.status.as_u16()), "{}", sent.body);
        for agent in agents.iter_mut().filter(|agent| agent.served_at.is_none() && agent.asks_at <= now) {
            let answer = service.send(bearer(&agent.token)).await;
            if answer.status == 200 {
                agent.served_at = Some(now - BEFORE);
            } else {
                assert_eq!(answer.error(), "429 rate_limited");
                let retry_after = answer.header("retry-after").unwrap().parse().unwrap();
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                agent.is_sent_away(patience, now, retry_after, random);
            }
        }
        if agents.iter().all(|agent| agent.served_at.is_some()) {
            break;
        }
        service.clock.advance(Duration::from_millis(10));
    }
    // What the junk cost Twilio: the allowance, and no more than the share.
    let asked = service.asked().await;
    assert!(asked <= 20 + (21 + 20 + 4) + 60 + 19 * 5, "{junk:?} {patience:?}: {asked} questions");
    agents.into_iter().map(|agent| agent.served_at).collect()
}

#[tokio::test]
async fn twenty_agents_behind_the_address_of_a_hundred_junk_tokens_a_second_are_all_served_within_fifteen_seconds()
 {
    for junk in [Junk::New, Junk::Twice, Junk::StaleTabs] {
        for patience in [Patience::Extension, Patience::RetryAfter, Patience::EveryTwoSeconds] {
            let served = twenty_agents(junk, patience).await;
            assert!(served.iter().all(Option::is_some), "{junk:?} {patience:?}: {served:?}");
        }
    }
}

#[tokio::test]
async fn a_remembered_answer_and_a_token_that_was_good_before_pass_whatever_others_do_at_the_address() {
    let service = start(&["--validation-cache-seconds", "30"]).await;
    assert_eq!(service.send(bearer("good-ann")).await.status, 200);
    for number in 0..30 {
        service.send(bearer(&format!("junk-{number}"))).await;
    }
    let asked = service.asked().await;
    assert_eq!(service.send(bearer("good-ann")).await.status, 200, "remembered");
    assert_eq!(service.asked().await, asked);
    assert_eq!(service.send(bearer("junk-0")).await.error(), "401 invalid_flex_token", "remembered too");
    service.clock.advance(Duration::from_secs(31));
    for number in 100..130 {
        service.send(bearer(&format!("junk-{number}"))).await;
    }
    let asked = service.asked().await;
    assert_eq!(
        service.send(bearer("good-ann")).await.status,
        200,
        "asked about, as one that was good before"
    );
    assert_eq!(service.asked().await, asked + 1);
    assert_eq!(service.send(bearer("good-bob")).await.error(), "429 rate_limited", "unknown");
    service.clock.advance(Duration::from_secs(2));
    assert_eq!(service.send(bearer("good-bob")).await.status, 200, "it came again");
}

#[tokio::test]
async fn a_token_that_was_good_before_passes_once_and_then_counts_as_any_other() {
    let service = start(&["--validation-cache-seconds", "0"]).await;
    assert_eq!(service.send(bearer("good-ann")).await.status, 200);
    for number in 0..30 {
        service.send(bearer(&format!("junk-{number}"))).await;
    }
    service.twilio_says(200, invalid()).await;
    assert_eq!(service.send(bearer("good-ann")).await.error(), "401 invalid_flex_token");
    assert_eq!(service.send(bearer("good-ann")).await.error(), "429 rate_limited");
    service.clock.advance(Duration::from_secs(2));
    assert_eq!(
        service.send(bearer("good-ann")).await.error(),
        "429 rate_limited",
        "one that was just refused has no share"
    );
    assert_eq!(service.asked().await, 1);
}

#[tokio::test]
async fn junk_at_the_older_extensions_door_does_not_touch_the_other() {
    let service = start(&["--legacy-generate-token"]).await;
    let mut limited = 0;
    for number in 0..100 {
        limited += u16::from(service.send(legacy(&format!("junk-{number}"))).await.status == 429);
    }
    assert_eq!(limited, 79);
    for number in 0..20 {
        let answer = service.send(bearer(&format!("junk-{number}-b"))).await;
        assert_eq!(answer.error(), "401 invalid_flex_token", "{number}");
    }
    assert_eq!(service.send(bearer("good-ann")).await.status, 200);
    assert_eq!(service.send(legacy("good-bob")).await.status, 429);
    service.clock.advance(Duration::from_secs(2));
    assert_eq!(service.send(legacy("good-bob")).await.status, 200, "it came again");
}

#[tokio::test]
async fn forms_links_and_pictures_of_other_sites_do_not_reach_the_older_extensions_door() {
    let service = start(&["--legacy-generate-token"]).await;
    let from = |site: &str, mode: &str| {
        let mut request = legacy("good-ann");
        for (name, value) in [("sec-fetch-site", site), ("sec-fetch-mode", mode)] {
            request
                .headers_mut()
                .insert(axum::http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        request
    };
    for site in ["cross-site", "same-site", "nonsense"] {
        for mode in ["no-cors", "navigate", "websocket", ""] {
            let answer = service.send(from(site, mode)).await;
            assert_eq!(answer.status, 403, "{site} {mode}");
        }
    }
    assert_eq!(service.asked().await, 0);
    for (site, mode) in
        [("none", "cors"), ("cross-site", "cors"), ("same-origin", "no-cors"), ("none", "navigate")]
    {
        assert_eq!(service.send(from(site, mode)).await.status, 200, "{site} {mode}");
    }
}

#[tokio::test]
async fn what_is_not_understood_costs_neither_twilio_nor_the_address_anything() {
    let service = start(&[]).await;
    for _ in 0..100 {
        let answer =
            service.send(builder().body(json!({"account_sid": 1}).to_string().into()).unwrap()).await;
        assert_eq!(answer.status, 400);
        assert_eq!(service.send(bearer(&"x".repeat(9_000))).await.error(), "400 malformed_request");
    }
    assert_eq!(service.asked().await, 0);
    assert_eq!(service.send(bearer("good-ann")).await.status, 200);
}
