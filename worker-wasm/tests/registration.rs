//! Being available, and being honest about it.

mod rig;

use protocol::{Status, offscreen::FromOffscreen};
use rig::*;
use worker_wasm::machine::{Command, DeviceEvent};

fn probes(rig: &Rig) -> usize {
    rig.commands.iter().filter(|command| matches!(command, Command::ProbeDevice { .. })).count()
}

fn confirms(rig: &mut Rig) {
    rig.device_says(DeviceEvent::Confirmed { edge: Some("ashburn".into()) });
}

fn rebuilt(rig: &Rig) -> bool {
    rig.did(|command| matches!(command, Command::DestroyDevice { .. }))
        && rig.did(|command| matches!(command, Command::CreateDevice { .. }))
}

/// Registered, with an SDK that passes on the gateway's answers.
fn watched() -> Rig {
    let mut rig = Rig::registered();
    confirms(&mut rig);
    rig.take();
    rig
}

#[test]
fn a_gateway_that_answers_is_asked_every_ten_seconds_and_nothing_else_happens() {
    let mut rig = watched();
    for second in 1..=300 {
        rig.passes(1_000);
        if probes(&rig) > 0 {
            assert_eq!(second % 10, 0);
            rig.take();
            confirms(&mut rig);
        }
        assert!(rig.state().registered);
        assert!(!rebuilt(&rig));
    }
}

#[test]
fn a_registration_that_the_gateway_does_not_confirm_is_found_and_rebuilt_within_30_seconds() {
    let mut rig = watched();
    rig.passes(17_900);
    assert!(rig.state().registered);
    rig.passes(200);
    assert_eq!(rig.state().status, Status::Reconnecting);
    assert!(!rig.heartbeats(PAGE).is_empty());
    rig.passes(1_000);
    assert!(rig.heartbeats(PAGE).iter().any(|beat| !beat.state.registered && beat.error == Some(true)));
    rig.passes(2_000);
    assert!(rebuilt(&rig), "21 s after the gateway's last word");
    rig.is_registered();
    assert!(rig.state().registered);
}

#[test]
fn an_answer_that_comes_after_all_is_good_enough() {
    let mut rig = watched();
    rig.passes(18_001);
    assert!(!rig.state().registered);
    confirms(&mut rig);
    assert!(rig.state().registered);
    rig.passes(9_000);
    assert!(!rebuilt(&rig));
}

#[test]
fn a_laptop_that_slept_asks_once_more_before_it_distrusts_the_registration() {
    let mut rig = watched();
    rig.passes(12_000);
    rig.take();
    rig.now = rig.now.plus(HOUR);
    rig.wakes();
    assert_eq!(probes(&rig), 1);
    assert!(!rebuilt(&rig));
    rig.take();
    rig.passes(9_000);
    assert!(!rig.state().registered, "and then it does");
}

#[test]
fn thousands_who_lose_the_gateway_in_one_moment_do_not_come_back_in_one() {
    let mut moments = std::collections::BTreeSet::new();
    for earlier in 0..40 {
        let mut rig = watched();
        // Another history, another place in the sequence of jitter.
        for _ in 0..earlier {
            rig.passes(18_000);
            rig.take();
            rig.passes(3_000);
            rig.is_registered();
            confirms(&mut rig);
        }
        rig.passes(18_000);
        rig.take();
        let lost = rig.now;
        while !rebuilt(&rig) {
            rig.passes(50);
        }
        moments.insert(rig.now.since(lost));
    }
    assert!(moments.len() > 10, "{moments:?}");
    assert!(moments.iter().all(|millis| *millis <= 2_050), "{moments:?}");
}

#[test]
fn a_call_in_progress_does_not_notice_that_the_registration_is_rebuilt() {
    let mut rig = watched();
    let offer = rig.incoming(CA);
    rig.offscreen_says(FromOffscreen::Call { call: held(CA, protocol::CallPhase::Open) });
    rig.offer_gone(offer);
    rig.take();
    rig.passes(21_000);
    assert!(rebuilt(&rig));
    assert!(rig.state().call.is_some());
    assert!(rig.to_offscreen().is_empty(), "{:?}", rig.to_offscreen());
}

#[test]
fn an_sdk_that_does_not_pass_on_the_answers_is_believed() {
    let mut rig = Rig::registered();
    rig.passes(HOUR / 2);
    assert!(rig.state().registered);
    assert_eq!(probes(&rig), 0);
    assert!(!rebuilt(&rig));
}

#[test]
fn a_gateway_that_closes_the_connection_is_registered_with_again_within_three_seconds_and_not_by_all_in_one_moment()
 {
    let mut moments = std::collections::BTreeSet::new();
    for earlier in 0..40 {
        let mut rig = watched();
        // Another history, another place in the sequence of jitter.
        for _ in 0..earlier {
            rig.passes(9_000);
            confirms(&mut rig);
            rig.passes(60_000);
            rig.is_registered();
            rig.take();
        }
        rig.passes(60_000);
        rig.is_registered();
        rig.device_says(DeviceEvent::Unregistered);
        rig.device_says(DeviceEvent::Closed);
        assert!(!rig.state().registered);
        rig.take();
        let lost = rig.now;
        while !rebuilt(&rig) {
            rig.passes(50);
        }
        moments.insert(rig.now.since(lost));
        rig.is_registered();
        assert!(rig.state().registered && rig.state().problem.is_none());
    }
    assert!(moments.len() > 10, "{moments:?}");
    assert!(moments.iter().all(|millis| *millis <= 2_050), "{moments:?}");
}

#[test]
fn a_gateway_that_closes_every_registration_is_asked_at_growing_intervals_and_forgiven_when_one_has_stood() {
    for confirms_first in [true, false] {
        let mut rig = Rig::registered();
        let mut connections = 0;
        let start = rig.now;
        while rig.now.since(start) < HOUR / 6 {
            if confirms_first {
                rig.is_registered();
            }
            rig.device_says(DeviceEvent::Unregistered);
            rig.device_says(DeviceEvent::Error { code: None });
            rig.device_says(DeviceEvent::Closed);
            rig.take();
            while !rebuilt(&rig) {
                rig.passes(250);
            }
            connections += 1;
        }
        assert!((10..25).contains(&connections), "{connections} connections in ten minutes");
        rig.is_registered();
        rig.passes(60_000);
        rig.device_says(DeviceEvent::Closed);
        rig.take();
        rig.passes(2_000);
        assert!(rebuilt(&rig), "as at the first time");
    }
}
