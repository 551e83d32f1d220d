//! When a new version takes over, and that it finds the pages that are open.

mod rig;

use rig::*;
use serde_json::{Value, json};
use worker_wasm::machine::{Command, Event};

fn update_is_ready(rig: &mut Rig) {
    rig.happens(Event::UpdateAvailable { version: "2.0.0".into() });
}

fn applies(rig: &mut Rig) -> usize {
    rig.take().iter().filter(|command| **command == Command::ApplyUpdate).count()
}

fn policy_becomes(rig: &mut Rig, values: Value) {
    rig.happens(Event::PolicyChanged { policy: values.into() });
}

#[test]
fn an_update_is_applied_at_once_when_no_call_is_live_and_only_once() {
    let mut rig = Rig::registered();
    update_is_ready(&mut rig);
    update_is_ready(&mut rig);
    rig.passes(10_000);
    assert_eq!(applies(&mut rig), 1);
}

#[test]
fn an_update_waits_for_the_end_of_the_call_and_is_applied_right_after_it() {
    let mut rig = Rig::on_call();
    update_is_ready(&mut rig);
    rig.passes(60_000);
    assert_eq!(applies(&mut rig), 0);
    rig.ended(CA, None);
    assert_eq!(applies(&mut rig), 1);
}

#[test]
fn a_call_that_is_only_on_offer_holds_an_update_back_too() {
    let mut rig = Rig::registered();
    rig.incoming(CA);
    update_is_ready(&mut rig);
    assert_eq!(applies(&mut rig), 0);
}

#[test]
fn a_waiting_update_is_not_forgotten_when_the_worker_is_killed_during_the_call() {
    let mut rig = Rig::on_call();
    update_is_ready(&mut rig);
    rig.is_killed();
    rig.offscreen_opens(Some(held(CA, protocol::CallPhase::Open)));
    assert_eq!(applies(&mut rig), 0);
    rig.ended(CA, None);
    assert_eq!(applies(&mut rig), 1);
}

#[test]
fn policy_may_put_an_update_off_until_flex_is_closed_or_the_browser_is_started_again() {
    let mut rig = Rig::registered();
    policy_becomes(&mut rig, json!({"applyUpdates": "atBrowserStart"}));
    update_is_ready(&mut rig);
    assert_eq!(applies(&mut rig), 0);
    policy_becomes(&mut rig, json!({"applyUpdates": "whenFlexIsClosed"}));
    assert_eq!(applies(&mut rig), 0);
    rig.closes(PAGE);
    assert_eq!(applies(&mut rig), 1, "the page is gone");
}

#[test]
fn a_version_that_starts_cold_enters_the_open_pages_and_one_that_was_merely_killed_does_not() {
    let rig = Rig::started();
    assert!(rig.did(|command| *command == Command::EnterOpenPages));
    let mut rig = Rig::registered();
    rig.is_killed();
    assert!(!rig.did(|command| *command == Command::EnterOpenPages));
}
