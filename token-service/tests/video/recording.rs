//! Nothing is recorded before everybody has agreed, and the answer is kept.

use protocol::video::{Joined, Recording};
use serde_json::json;

use crate::{
    rig::{Rig, code, error, read},
    support::capture_log,
};

#[tokio::test]
async fn it_is_recorded_when_all_have_agreed_and_met_and_each_answer_stands_in_the_log() {
    let rig = Rig::with_task(&["--video-recording", "ask"]).await;
    let opened = rig.open(1).await;
    let code = code(&opened);
    assert_eq!(rig.look(&code).await.recording, Recording::Asking);
    let agent = rig.join(&opened.agent_link).await.seat;
    rig.pulse(&agent, true).await;
    assert_eq!(error(&rig.page("join", json!({"code": code})).await), "409 consent_needed");
    let log = capture_log();
    log.text();
    let joined: Joined = read(&rig.page("join", json!({"code": code, "consent": true})).await);
    let text = log.text();
    let line = text.lines().find(|line| line.contains("consent to recording")).unwrap();
    for part in ["given", "customer", "session", "at_ms"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(rig.world().room().rules.is_empty(), "not before they have met");
    let pulsed = rig.pulse(&joined.seat, true).await;
    assert_eq!((pulsed.recording, rig.world().room().rules.clone()), (Recording::On, vec![true]));
    rig.pulse(&joined.seat, true).await;
    assert_eq!(rig.world().room().rules, [true], "said once");
}

#[tokio::test]
async fn who_refuses_is_not_let_in_before_recording_has_stopped() {
    let rig = Rig::with_task(&["--video-recording", "ask", "--video-max-guests", "1"]).await;
    let opened = rig.open(1).await;
    let code = code(&opened);
    let agent = rig.join(&opened.agent_link).await.seat;
    rig.pulse(&agent, true).await;
    let customer: Joined = read(&rig.page("join", json!({"code": code, "consent": true})).await);
    rig.pulse(&customer.seat, true).await;
    let guest: Joined = read(&rig.page("join", json!({"code": code, "consent": false})).await);
    let id = rig.pulse(&agent, true).await.others_waiting[0].id.clone();
    rig.world().faults = vec![("/v1/Rooms", 503)];
    rig.page("admit", json!({"seat": agent, "waiting": id, "admit": true})).await;
    let answer = rig.page("pulse", json!({"seat": guest.seat})).await;
    assert_eq!(error(&answer), "503 upstream_unavailable", "it could not be stopped");
    rig.world().faults.clear();
    rig.later(2);
    let pulsed = rig.pulse(&guest.seat, false).await;
    assert!(pulsed.admission.is_some());
    assert_eq!((pulsed.recording, rig.world().room().rules.clone()), (Recording::Refused, vec![true, false]));
}

#[tokio::test]
async fn where_the_customer_refuses_nothing_is_ever_recorded() {
    let rig = Rig::with_task(&["--video-recording", "ask"]).await;
    let opened = rig.open(1).await;
    let agent = rig.join(&opened.agent_link).await.seat;
    rig.pulse(&agent, true).await;
    let code = code(&opened);
    let customer: Joined = read(&rig.page("join", json!({"code": code, "consent": false})).await);
    for seat in [&customer.seat, &agent] {
        assert_eq!(rig.pulse(seat, true).await.recording, Recording::Refused);
    }
    assert!(rig.world().room().rules.is_empty());
}
