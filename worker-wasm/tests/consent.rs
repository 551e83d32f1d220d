//! No Flex token goes to a token service that neither policy nor the agent has agreed to.

#![expect(clippy::unwrap_used, reason = "a test's tools may panic")]

mod rig;

use kernel::AccountSid;
use protocol::{ProblemCode, popup::FromPopup};
use rig::*;
use serde_json::json;
use worker_wasm::machine::{Badge, Command, Event};

const EVIL: &str = "https://evil.test/steal";

fn answer(url: &str, allow: bool) -> FromPopup {
    FromPopup::Consent { account_sid: AccountSid::new(AC).unwrap(), token_url: url.parse().unwrap(), allow }
}

/// A page has named a token service that nobody agreed to.
fn asking() -> Rig {
    let mut rig = Rig::unasked();
    rig.popup_opens();
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    rig
}

#[test]
fn an_unknown_token_service_is_shown_to_the_agent_and_the_page_is_told_to_wait() {
    let rig = asking();
    let shown = rig.shown().unwrap();
    let asked = shown.consent.as_ref().unwrap();
    assert_eq!((asked.account_sid.as_str(), asked.token_url.as_str()), (AC, URL));
    assert_eq!(asked.page_origin, FLEX_ORIGIN);
    assert_eq!(shown.client.problem.as_ref().unwrap().code, ProblemCode::ConsentNeeded);
    assert_eq!(rig.error(PAGE), Some(ProblemCode::ConsentNeeded));
    assert_eq!(rig.configureds(PAGE), 0);
    assert!(rig.did(|command| *command == Command::Badge(Badge::Problem)));
    assert_eq!(rig.saved.as_ref().unwrap().config, None, "nothing is pinned by a mere question");
}

#[test]
fn before_the_answer_no_flex_token_is_taken_let_alone_sent() {
    let mut rig = asking();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    assert_eq!(rig.error(PAGE), Some(ProblemCode::NotConfigured));
    rig.passes(HOUR);
    assert!(!rig.fetched());
    assert_eq!(rig.saved.as_ref().unwrap().flex, None);
}

#[test]
fn yes_is_all_it_takes_the_worker_itself_says_configured_and_the_plugin_sends_its_token() {
    let mut rig = asking();
    rig.popup_says(answer(URL, true));
    assert_eq!(rig.configureds(PAGE), 1);
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    assert!(rig.fetched());
    let shown = rig.shown().unwrap();
    assert!(shown.consent.is_none() && shown.client.problem.is_none());
}

#[test]
fn yes_is_remembered_on_disk_so_an_agent_is_asked_once_ever() {
    let mut rig = asking();
    rig.popup_says(answer(URL, true));
    rig.saved = None;
    rig.is_killed();
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    assert_eq!(rig.configureds(PAGE), 1);
    // Neither another account's tokens nor another service are covered by it.
    let mut rig2 = Rig::unasked();
    rig2.preferences = rig.preferences.clone();
    rig2.is_killed();
    rig2.page_opens(PAGE);
    rig2.configure(PAGE, OTHER_AC, URL, "ext_");
    assert_eq!(rig2.error(PAGE), Some(ProblemCode::ConsentNeeded));
    rig2.configure(PAGE, AC, EVIL, "ext_");
    assert_eq!(rig2.configureds(PAGE), 0);
}

#[test]
fn no_holds_until_restart_and_then_the_agent_is_asked_again() {
    let mut rig = asking();
    rig.popup_says(answer(URL, false));
    let last = rig.to_page(PAGE).into_iter().next_back().unwrap();
    assert!(
        matches!(last, protocol::page::ToPage::ConfigRejected { payload: Some(problem) } if problem.code == ProblemCode::ConsentDeclined)
    );
    rig.is_killed();
    rig.popup_opens();
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    assert_eq!(rig.shown().unwrap().consent, None);
    rig.popup_says(FromPopup::Restart);
    assert!(rig.did(|command| *command == Command::ClosePort { port: PAGE }));
    rig.page_opens(PAGE_2);
    rig.configure(PAGE_2, AC, URL, "ext_");
    assert!(rig.shown().unwrap().consent.is_some());
    assert!(rig.preferences.agreements.is_empty());
}

#[test]
fn an_answer_to_another_question_than_the_one_that_stands_is_not_taken() {
    let mut rig = asking();
    // The page changes its wish under the agent's finger.
    rig.configure(PAGE, AC, EVIL, "ext_");
    rig.popup_says(answer(URL, true));
    assert!(rig.refusal().is_some());
    assert_eq!(rig.configureds(PAGE), 0);
    assert!(rig.preferences.agreements.is_empty());
    let mut rig = Rig::started();
    rig.popup_opens();
    rig.popup_says(answer(EVIL, true));
    assert!(rig.refusal().is_some(), "nobody asked");
    assert!(!rig.preferences.agreements.iter().any(|agreed| agreed.token_url.as_str() == EVIL));
}

#[test]
fn where_policy_names_the_token_service_nobody_is_asked() {
    let mut rig = Rig::unasked();
    rig.happens(Event::PolicyChanged { policy: json!({"tokenServiceUrls": [URL]}).into() });
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    assert_eq!(rig.configureds(PAGE), 1);
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    assert!(rig.fetched());
}

#[test]
fn a_policy_that_comes_while_the_agent_is_being_asked_answers_for_them() {
    let mut rig = asking();
    rig.happens(Event::PolicyChanged { policy: json!({"tokenServiceUrls": [URL]}).into() });
    assert_eq!(rig.configureds(PAGE), 1);
    assert_eq!(rig.shown().unwrap().consent, None);
}

#[test]
fn a_token_service_that_policy_no_longer_vouches_for_gets_no_further_flex_token() {
    let mut rig = Rig::unasked();
    rig.happens(Event::PolicyChanged { policy: json!({"tokenServiceUrls": [URL]}).into() });
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.voice_token("canary-voice-1", 3_600);
    rig.take();
    rig.happens(Event::PolicyChanged { policy: json!({}).into() });
    rig.passes(2 * HOUR);
    assert!(!rig.fetched());
    assert!(rig.did(|command| *command == Command::ClosePort { port: PAGE }), "so that it says hello again");
    rig.page_opens(PAGE_2);
    rig.configure(PAGE_2, AC, URL, "ext_");
    assert_eq!(rig.error(PAGE_2), Some(ProblemCode::ConsentNeeded));
}

#[test]
fn two_pages_with_one_wish_are_answered_by_one_click() {
    let mut rig = asking();
    rig.page_opens(PAGE_2);
    rig.configure(PAGE_2, AC, URL, "ext_");
    rig.popup_says(answer(URL, true));
    assert_eq!((rig.configureds(PAGE), rig.configureds(PAGE_2)), (1, 1));
}
