//! What ends, and what goes on: tasks, rooms, and a Twilio that does not answer.

use kernel::AccountSid;
use protocol::video::{EndReason, VideoPhase};
use serde_json::{Value, json};
use twilio::TaskSid;

use crate::{
    cloud::sid,
    rig::{Rig, code, error, path},
    support::ACCOUNT,
};

#[tokio::test]
async fn the_agents_end_completes_the_room_and_every_page_hears_it() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    rig.later(10);
    let pulsed = rig.page("end", json!({"seat": met.agent})).await;
    assert_eq!(pulsed.json()["ended"], "agent");
    assert!(!rig.world().room().is_open);
    for seat in [&met.agent, &met.customer] {
        let pulsed = rig.pulse(seat, true).await;
        assert_eq!(
            (pulsed.ended, pulsed.admission, pulsed.seconds),
            (Some(EndReason::Agent), None, Some(10))
        );
    }
    assert_eq!(rig.look(&met.code).await.ended, Some(EndReason::Agent));
    assert_eq!(error(&rig.page("join", json!({"code": met.code})).await), "409 ended");
    assert_eq!(rig.status(1).await.phase, VideoPhase::Ended);
    // The chat goes on, and so may video: with a link of its own and another room.
    let again = rig.open(1).await;
    assert_ne!(code(&again), met.code);
    rig.join(&code(&again)).await;
    let rooms = rig.world().rooms.clone();
    assert_eq!((rooms.len(), rooms[1].is_open), (2, true));
    assert_ne!(rooms[0].name, rooms[1].name, "a token of the first opens nothing of the second");
}

#[tokio::test]
async fn the_end_in_flex_ends_it_too() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    assert_eq!(rig.end(1, "agent").await.ended, Some(EndReason::Agent));
    assert!(!rig.world().room().is_open);
    assert_eq!(rig.pulse(&met.customer, true).await.ended, Some(EndReason::Agent));
}

#[tokio::test]
async fn a_task_that_is_over_ends_the_session_within_half_a_minute_of_pulses() {
    for status in ["wrapping", "completed", "canceled"] {
        let rig = Rig::with_task(&[]).await;
        let met = rig.met().await;
        rig.world().set(&sid("WT", 1), status, "completed");
        assert_eq!(rig.pulse(&met.customer, true).await.ended, None);
        rig.later(30);
        assert_eq!(rig.pulse(&met.customer, true).await.ended, Some(EndReason::TaskOver), "{status}");
        assert!(!rig.world().room().is_open);
    }
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    rig.world().tasks.clear();
    rig.later(30);
    assert_eq!(rig.pulse(&met.agent, true).await.ended, Some(EndReason::TaskOver), "gone");
}

#[tokio::test]
async fn a_tap_after_the_task_is_over_says_so_at_once() {
    let rig = Rig::with_task(&[]).await;
    let code = code(&rig.open(1).await);
    rig.world().set(&sid("WT", 1), "canceled", "canceled");
    rig.later(3);
    assert_eq!(error(&rig.page("join", json!({"code": code})).await), "409 ended");
    assert!(rig.world().rooms.is_empty());
}

#[tokio::test]
async fn the_page_of_the_agent_is_trusted_about_its_own_task_and_a_task_that_is_gone_ends_as_well() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    // TaskRouter still says assigned.
    assert_eq!(rig.end(1, "task_over").await.ended, Some(EndReason::TaskOver));
    assert_eq!(rig.pulse(&met.customer, true).await.ended, Some(EndReason::TaskOver));

    let rig = Rig::with_task(&[]).await;
    rig.met().await;
    rig.world().tasks.clear();
    rig.later(20);
    assert_eq!(rig.end(1, "task_over").await.ended, Some(EndReason::TaskOver));
    let answer = rig.agent("POST", &path(7, "/end"), json!({"reason": "task_over"})).await;
    assert_eq!(error(&answer), "404 not_found", "never theirs");
}

#[tokio::test]
async fn word_of_a_task_from_twilio_is_checked_and_ends_the_session_at_once() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    let account = AccountSid::new(ACCOUNT).unwrap();
    let sessions = rig.service.state.service.sessions_of(&account).unwrap();
    let task = TaskSid::new(sid("WT", 1)).unwrap();
    sessions.task_event(&task).await.unwrap();
    assert_eq!(rig.pulse(&met.customer, true).await.ended, None, "it lives");
    rig.world().set(&sid("WT", 1), "completed", "completed");
    for _ in 0..2 {
        sessions.task_event(&task).await.unwrap();
        assert_eq!(rig.pulse(&met.customer, true).await.ended, Some(EndReason::TaskOver));
    }
    sessions.task_event(&TaskSid::new(sid("WT", 9)).unwrap()).await.unwrap();
}

#[tokio::test]
async fn the_longest_time_ends_it() {
    let rig = Rig::with_task(&["--video-max-minutes", "10"]).await;
    let met = rig.met().await;
    for _ in 0..119 {
        rig.later(5);
        assert_eq!(rig.pulse(&met.agent, true).await.ended, None);
    }
    rig.later(5);
    assert_eq!(rig.pulse(&met.customer, true).await.ended, Some(EndReason::Duration));
    assert!(!rig.world().room().is_open);
}

#[tokio::test]
async fn a_room_that_ended_while_the_task_lives_is_made_anew_under_the_same_link() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    let first = rig.world().room().clone();
    // By somebody else, or because nobody was in it.
    rig.world().room().is_open = false;
    let back = rig.come_back(&met.code, &met.customer).await;
    let second = rig.world().room().clone();
    assert_ne!(second.sid, first.sid);
    assert_eq!((&back.admission.unwrap().room, &second.name), (&first.name, &first.name));
    // The other page is on its way in by a pulse.
    rig.later(10);
    assert!(rig.pulse(&met.agent, false).await.admission.is_some());
    assert_eq!(rig.world().rooms.len(), 2, "one room for both");

    let account = AccountSid::new(ACCOUNT).unwrap();
    let sessions = rig.service.state.service.sessions_of(&account).unwrap();
    sessions.room_event(&second.name, &first.sid, true).await.unwrap();
    rig.pulse(&met.customer, true).await;
    assert!(rig.pulse(&met.agent, false).await.admission.is_some());
    assert_eq!(rig.world().rooms.len(), 2, "late word of the first room changes nothing");
    rig.world().room().is_open = false;
    sessions.room_event(&second.name, &second.sid, true).await.unwrap();
    assert_eq!(rig.status(1).await.phase, VideoPhase::Away);
    assert!(rig.pulse(&met.customer, false).await.admission.is_some());
    assert_eq!(rig.world().rooms.len(), 3);
    for (name, room) in [("", second.sid.as_str()), ("CH1-s", ""), (&second.name, "RM1")] {
        sessions.room_event(name, room, true).await.unwrap();
    }
}

#[tokio::test]
async fn a_room_of_that_name_that_another_made_is_taken() {
    let rig = Rig::with_task(&[]).await;
    let opened = rig.open(1).await;
    rig.join(&opened.agent_link).await;
    // As if this replica had not heard of it.
    let name = rig.world().room().name.clone();
    let account = AccountSid::new(ACCOUNT).unwrap();
    let sessions = rig.service.state.service.sessions_of(&account).unwrap();
    let room = rig.world().room().sid.clone();
    sessions.room_event(&name, &room, true).await.unwrap();
    assert!(rig.join(&code(&opened)).await.admission.is_some());
    assert_eq!(rig.world().rooms.len(), 1);
}

#[tokio::test]
async fn while_twilio_cannot_be_asked_nothing_ends_and_nobody_is_let_in_by_halves() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    rig.world().faults = vec![("/v1/Workspaces", 503)];
    for _ in 0..4 {
        rig.later(31);
        assert_eq!(rig.pulse(&met.customer, true).await.ended, None);
    }
    assert_eq!(error(&rig.agent("POST", &path(1, ""), json!({})).await), "503 upstream_unavailable");
    assert_eq!(error(&rig.agent("GET", &path(1, ""), Value::Null).await), "503 upstream_unavailable");
    rig.world().faults.clear();
    rig.later(60);
    rig.pulse(&met.customer, true).await;
    assert_eq!(rig.status(1).await.ended, None);

    let rig = Rig::with_task(&[]).await;
    let opened = rig.open(1).await;
    rig.world().faults = vec![("/v1/Rooms", 503)];
    assert_eq!(error(&rig.page("join", json!({"code": code(&opened)})).await), "503 upstream_unavailable");
    let answer = rig.page("join", json!({"code": opened.agent_link})).await;
    assert_eq!(error(&answer), "503 upstream_unavailable");
    rig.world().faults.clear();
    rig.later(2);
    assert!(rig.join(&code(&opened)).await.admission.is_some(), "the tap that failed has taken nothing");
    assert!(rig.join(&opened.agent_link).await.admission.is_some());
}

#[tokio::test]
async fn a_room_that_could_not_be_completed_is_completed_later() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    rig.world().faults = vec![("/v1/Rooms", 503)];
    assert_eq!(rig.end(1, "agent").await.ended, Some(EndReason::Agent), "over for every page all the same");
    assert!(rig.world().room().is_open);
    rig.world().faults.clear();
    rig.later(10);
    assert_eq!(rig.pulse(&met.customer, true).await.ended, Some(EndReason::Agent));
    assert!(!rig.world().room().is_open);
}

#[tokio::test]
async fn a_key_that_may_not_do_what_it_should_is_the_services_own_fault() {
    let rig = Rig::with_task(&[]).await;
    let opened = rig.open(1).await;
    rig.world().faults = vec![("/v1/Rooms", 403)];
    assert_eq!(error(&rig.page("join", json!({"code": opened.agent_link})).await), "500 internal");
}
