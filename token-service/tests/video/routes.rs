//! What agents and pages ask, and are answered.

use axum::{body::Body, http::Request};
use kernel::{AccountSid, Secret, Timestamp};
use protocol::video::{EndReason, Invitation, SeatRole, VideoPhase, VideoStatus, WaitingWhy};
use serde_json::{Value, json};
use twilio::{ApiKey, ApiKeySid, access_token};

use crate::{
    cloud::sid,
    rig::{FLEX, OTHER_WORKER, Rig, THIRD_WORKER, code, error, path, read},
    support::{
        ACCOUNT, FLEX_TOKEN, ORIGIN, START, TestService, VIDEO_KEY, VIDEO_ORIGIN, VIDEO_SECRET, WORKER,
        invalid,
    },
};

#[tokio::test]
async fn video_is_off_unless_somebody_switches_it_on_and_then_nothing_is_there_and_nothing_is_asked() {
    let service = TestService::start(&[]).await;
    for (method, path) in [("POST", path(1, "")), ("POST", "/v1/video/look".into()), ("GET", path(1, ""))] {
        let request = Request::builder().method(method).uri(path).header("origin", FLEX);
        let answer = service.send(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, ""));
    }
    assert_eq!(service.asked().await, 0);
}

#[tokio::test]
async fn an_agent_opens_a_session_and_both_get_a_token_of_that_room_and_of_themselves_alone() {
    let rig = Rig::with_task(&["--video-organisation", "Example Bank", "--video-max-minutes", "60"]).await;
    let opened = rig.open(1).await;
    assert_eq!((opened.status.phase, opened.agent_link.len()), (VideoPhase::Invited, 20));
    let code = code(&opened);
    assert_eq!(code.len(), 20);

    let looked = rig.look(&code).await;
    assert_eq!(
        (looked.role, looked.organisation.as_str(), looked.seated),
        (SeatRole::Customer, "Example Bank", false)
    );
    assert_eq!(rig.look(&opened.agent_link).await.role, SeatRole::Agent);

    let mut identities = Vec::new();
    for (link, role, begin) in
        [(&opened.agent_link, SeatRole::Agent, "agent_"), (&code, SeatRole::Customer, "customer_")]
    {
        let joined = rig.join(link).await;
        assert_eq!((joined.role, joined.waiting), (role, None));
        let admission = joined.admission.unwrap();
        let key = ApiKey::new(ApiKeySid::new(VIDEO_KEY).unwrap(), Secret::new(VIDEO_SECRET));
        let now = Timestamp::from_millis(START);
        let account = AccountSid::new(ACCOUNT).unwrap();
        let claims = access_token::verify(&admission.token, &key, &account, now).unwrap().claims;
        assert_eq!(claims.grants.video.unwrap().room.as_deref(), Some(admission.room.as_str()));
        assert_eq!((claims.grants.voice, claims.grants.chat), (None, None));
        assert_eq!(claims.grants.identity.as_str(), admission.identity);
        assert!(claims.exp - claims.iat > 3_600, "it outlives the longest session");
        assert!(admission.identity.starts_with(begin), "{}", admission.identity);
        assert!(admission.room.starts_with(&sid("CH", 1)), "{}", admission.room);
        assert_eq!(admission.region, "gll");
        assert_eq!(rig.pulse(&joined.seat, true).await.next, 5);
        identities.push(admission.identity);
    }
    assert!(!identities.iter().any(|identity| identity.contains("example") || identity.contains("WK")));

    let status = rig.status(1).await;
    assert_eq!((status.phase, status.people.len(), status.seconds), (VideoPhase::Met, 2, Some(0)));
    assert!(status.people.iter().any(|person| person.you && person.role == SeatRole::Agent));
    let mut world = rig.world();
    assert_eq!(world.rooms.len(), 1, "one room for both");
    let form = &world.room().form;
    for (name, value) in [
        ("Type", "group"),
        ("MaxParticipants", "3"),
        ("EmptyRoomTimeout", "60"),
        ("UnusedRoomTimeout", "60"),
        ("StatusCallback", "https://video.example/v1/video/callbacks/room"),
    ] {
        assert_eq!(form.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_session_is_opened_only_by_the_agent_who_has_accepted_the_task() {
    let rig = Rig::with_task(&[]).await;
    for (status, opens) in [("pending", false), ("accepted", true), ("wrapping", false), ("completed", false)]
    {
        rig.world().set(&sid("WT", 1), "assigned", status);
        let answer = rig.agent("POST", &path(1, ""), json!({})).await;
        assert_eq!(answer.status == 200, opens, "{status}: {}", answer.body);
    }
    rig.world().set(&sid("WT", 1), "assigned", "accepted");
    rig.agent_is(OTHER_WORKER).await;
    assert_eq!(error(&rig.agent("POST", &path(1, ""), json!({})).await), "404 not_found");
    assert_eq!(error(&rig.agent("GET", &path(1, ""), Value::Null).await), "404 not_found");
    assert_eq!(
        error(&rig.agent("POST", &path(1, "/end"), json!({"reason": "agent"})).await),
        "404 not_found"
    );
    assert_eq!(error(&rig.agent("POST", &path(2, ""), json!({})).await), "404 not_found", "no such task");
    rig.service.twilio_says(200, invalid()).await;
    assert_eq!(error(&rig.agent("POST", &path(1, ""), json!({})).await), "401 invalid_flex_token");
}

#[tokio::test]
async fn only_flex_asks_for_tasks_and_only_the_page_or_the_extension_for_places() {
    let rig = Rig::with_task(&[]).await;
    let ask = async |origin: &str, path: &str| {
        let request = Request::post(path).header("origin", origin);
        let request = request.header("authorization", format!("Bearer {FLEX_TOKEN}"));
        rig.service.send(request.body(Body::from(r#"{"code": "x"}"#)).unwrap()).await
    };
    for origin in [ORIGIN, VIDEO_ORIGIN, "https://evil.example", "null"] {
        let answer = ask(origin, &path(1, "")).await;
        assert_eq!(answer.error(), "403 origin_not_allowed", "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    for (origin, allowed) in
        [(VIDEO_ORIGIN, true), (ORIGIN, true), (FLEX, false), ("https://evil.example", false)]
    {
        let answer = ask(origin, "/v1/video/look").await;
        assert_eq!(answer.status == 404, allowed, "{origin}: {}", answer.body);
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin));
        let preflight = Request::options("/v1/video/join").header("origin", origin);
        let answer = rig.service.send(preflight.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("access-control-allow-methods"), allowed.then_some("POST"), "{origin}");
    }
    let get = Request::get("/v1/video/join").header("origin", VIDEO_ORIGIN).body(Body::empty()).unwrap();
    assert_eq!(rig.service.send(get).await.status, 405, "a link that is followed is no tap");
}

#[tokio::test]
async fn looking_any_number_of_times_uses_nothing_up() {
    let rig = Rig::with_task(&[]).await;
    let opened = rig.open(1).await;
    let code = code(&opened);
    for _ in 0..50 {
        rig.look(&code).await;
        rig.look(&opened.agent_link).await;
    }
    assert!(rig.world().rooms.is_empty(), "and makes no room");
    assert_eq!(rig.status(1).await.phase, VideoPhase::Opened);
    assert!(rig.join(&opened.agent_link).await.admission.is_some());
    assert!(rig.join(&code).await.admission.is_some());
}

#[tokio::test]
async fn what_is_put_around_a_link_does_not_harm_it() {
    let rig = Rig::with_task(&[]).await;
    let code = code(&rig.open(1).await);
    for written in [format!("{code}."), format!("{code})"), format!("{code}\u{bb}"), code.to_uppercase()] {
        assert_eq!(rig.look(&written).await.role, SeatRole::Customer, "{written}");
    }
    assert!(rig.join(&format!("{code},")).await.admission.is_some());
}

#[tokio::test]
async fn a_second_click_finds_the_session_and_invites_again_only_while_nobody_came() {
    let rig = Rig::with_task(&[]).await;
    let first = rig.open(1).await;
    let second = rig.open(1).await;
    assert_eq!(first.status.session, second.status.session);
    assert_ne!(code(&first), code(&second));
    assert!(rig.join(&code(&first)).await.admission.is_some(), "the first link works as well");
    let third = rig.open(1).await;
    assert_eq!((third.status.session, third.invitation), (second.status.session, None));
}

#[tokio::test]
async fn a_forwarded_link_admits_nobody_without_the_agents_click() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    let stranger = rig.join(&met.code).await;
    assert_eq!((stranger.admission.is_none(), stranger.waiting), (true, Some(WaitingWhy::SecondBrowser)));
    for _ in 0..3 {
        let pulsed = rig.pulse(&stranger.seat, true).await;
        assert!(pulsed.admission.is_none() && pulsed.others_waiting.is_empty() && pulsed.next == 1);
    }
    let [waiting] = &rig.pulse(&met.agent, true).await.others_waiting[..] else { panic!("one waits") };
    // Neither of the customers can say yes.
    for seat in [&met.customer, &stranger.seat] {
        let yes = json!({"seat": seat, "waiting": waiting.id, "admit": true});
        assert_eq!(error(&rig.page("admit", yes).await), "404 unknown_code");
        assert_eq!(error(&rig.page("end", json!({"seat": seat})).await), "404 unknown_code");
    }
    let no = json!({"seat": met.agent, "waiting": waiting.id, "admit": false});
    assert_eq!(rig.page("admit", no).await.status, 200);
    assert!(rig.pulse(&stranger.seat, false).await.turned_away);
    assert_eq!(rig.pulse(&met.customer, true).await.ended, None);
}

#[tokio::test]
async fn a_yes_in_flex_moves_the_seat_to_the_customers_other_browser() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    let beacon = json!({"seat": met.customer}).to_string();
    let leave = Request::post("/v1/video/leave").header("origin", VIDEO_ORIGIN);
    let leave = leave.header("content-type", "text/plain;charset=UTF-8").body(Body::from(beacon)).unwrap();
    assert_eq!(rig.service.send(leave).await.status, 204, "by a beacon");
    let safari = rig.join(&met.code).await;
    assert_eq!(safari.waiting, Some(WaitingWhy::OtherBrowser));
    let status = rig.status(1).await;
    let yes = json!({"waiting": status.waiting[0].id, "admit": true});
    let status: VideoStatus = read(&rig.agent("POST", &path(1, "/admit"), yes.clone()).await);
    assert!(status.waiting.is_empty());
    let admission = rig.pulse(&safari.seat, false).await.admission.unwrap();
    assert!(admission.identity.starts_with("customer_"));
    assert!(rig.pulse(&met.customer, false).await.turned_away);
    assert_eq!(rig.world().room().removed.len(), 1, "the former one is sent out");
    let again = rig.agent("POST", &path(1, "/admit"), yes).await;
    assert_eq!(again.status, 200, "a second click needs no answer");
    // The former one still has a token, and comes by it.
    let room = rig.world().room().clone();
    let account = AccountSid::new(ACCOUNT).unwrap();
    let sessions = rig.service.state.service.sessions_of(&account).unwrap();
    for (identity, removed) in [(admission.identity.as_str(), 1), (room.removed[0].as_str(), 2)] {
        sessions.participant_event(&room.name, &room.sid, identity).await.unwrap();
        assert_eq!(rig.world().room().removed.len(), removed, "{identity}");
    }
}

#[tokio::test]
async fn after_a_reload_both_are_back_with_the_same_identity() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    for (code, seat) in [(&met.code, &met.customer), (&met.agent_link, &met.agent)] {
        let one = rig.come_back(code, seat).await;
        let two = rig.come_back(code, seat).await;
        assert_eq!((&one.seat, &two.seat), (seat, seat));
        assert_eq!(one.admission.unwrap().identity, two.admission.unwrap().identity);
    }
    assert_eq!(error(&rig.page("join", json!({"code": met.agent_link})).await), "409 link_used");
    rig.later(61);
    let late = rig.open(1).await;
    rig.later(61);
    assert_eq!(error(&rig.page("join", json!({"code": late.agent_link})).await), "404 unknown_code");
}

#[tokio::test]
async fn revoked_links_are_dead_and_the_new_one_works() {
    let rig = Rig::with_task(&[]).await;
    let old = code(&rig.open(1).await);
    let answer = rig.agent("POST", &path(1, "/invitations"), json!({"revoke": true})).await;
    let invitation: Invitation = read(&answer);
    assert_eq!(error(&rig.page("look", json!({"code": old})).await), "404 unknown_code");
    assert_eq!(error(&rig.page("join", json!({"code": old})).await), "404 unknown_code");
    let new = invitation.url.rsplit('/').next().unwrap().to_owned();
    assert!(rig.join(&new).await.admission.is_some());
}

#[tokio::test]
async fn a_text_message_goes_to_the_caller_of_a_task_without_a_conversation() {
    let rig = Rig::start(&["--video-text-from", "+15550100000"]).await;
    rig.world().task(1, WORKER, json!({"from": "+15550199", "call_sid": "CA1"}));
    rig.world().task(2, WORKER, json!({"conversationSid": sid("CH", 2), "customerAddress": "+15550199"}));
    assert!(rig.status(1).await.by_text && !rig.status(2).await.by_text);
    rig.open(1).await;
    rig.open(2).await;
    let text = json!({"text": "See us here: {link}"});
    let invitation: Invitation = read(&rig.agent("POST", &path(1, "/invitations"), text.clone()).await);
    assert!(invitation.sent);
    let message = rig.world().texts[0].clone();
    assert_eq!((message["To"].as_str(), message["From"].as_str()), ("+15550199", "+15550100000"));
    assert_eq!(message["Body"], format!("See us here: {}", invitation.url));
    assert_eq!(error(&rig.agent("POST", &path(2, "/invitations"), text).await), "409 no_text");
    for text in ["no link".to_owned(), format!("{{link}}{}", "x".repeat(320))] {
        let answer = rig.agent("POST", &path(1, "/invitations"), json!({"text": text})).await;
        assert_eq!(error(&answer), "400 malformed_request");
    }
    assert_eq!(rig.world().texts.len(), 1);
}

#[tokio::test]
async fn where_every_customer_knocks_a_pulse_says_when_they_may_come() {
    let rig = Rig::with_task(&["--video-knock"]).await;
    let opened = rig.open(1).await;
    let agent = rig.join(&opened.agent_link).await.seat;
    rig.pulse(&agent, true).await;
    let customer = rig.join(&code(&opened)).await;
    assert_eq!((customer.admission.is_none(), customer.waiting), (true, Some(WaitingWhy::Knock)));
    let id = rig.pulse(&agent, true).await.others_waiting[0].id.clone();
    rig.page("admit", json!({"seat": agent, "waiting": id, "admit": true})).await;
    assert!(rig.pulse(&customer.seat, false).await.admission.is_some());
}

#[tokio::test]
async fn the_next_agent_of_the_conversation_finds_the_session_without_a_new_link() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    rig.world().task(2, OTHER_WORKER, json!({"conversationSid": sid("CH", 1)}));
    let status = rig.end(1, "task_over").await;
    assert_eq!(status.ended, None, "another task has the conversation");
    let pulsed = rig.pulse(&met.agent, true).await;
    assert_eq!(pulsed.ended, Some(EndReason::TaskOver), "for the first agent it is over");
    assert_eq!(rig.pulse(&met.customer, true).await.ended, None);
    assert!(rig.world().room().is_open);
    assert_eq!(rig.world().room().removed.len(), 1);

    rig.agent_is(OTHER_WORKER).await;
    assert_eq!(rig.status(2).await.phase, VideoPhase::Opened, "seen before the click");
    let opened = rig.open(2).await;
    assert_eq!(opened.invitation, None);
    let joined = rig.join(&opened.agent_link).await;
    assert_eq!(joined.admission.unwrap().room, rig.world().room().name);
    rig.pulse(&joined.seat, true).await;
    assert_eq!(rig.status(2).await.phase, VideoPhase::Met);
    rig.agent_is(THIRD_WORKER).await;
    assert_eq!(error(&rig.agent("GET", &path(2, ""), Value::Null).await), "404 not_found");
}

#[tokio::test]
async fn customers_see_the_name_that_the_administrator_chose_and_no_other_of_the_agents() {
    let names =
        json!({"full_name": "ada@example.com", "email": "ada@example.com", "contact_uri": "client:ada"});
    for (chosen, shown) in [(None, ""), (Some(" Ada\u{202e} from the bank \n"), "Ada from the bank")] {
        let rig = Rig::with_task(&[]).await;
        let mut attributes = names.clone();
        if let Some(name) = chosen {
            attributes["holdfast_video_name"] = name.into();
        }
        rig.world().workers.insert(WORKER.into(), attributes);
        let met = rig.met().await;
        assert_eq!(rig.look(&met.code).await.agent, shown);
        let people = rig.status(1).await.people;
        let agent = people.iter().find(|person| person.role == SeatRole::Agent).unwrap();
        assert_eq!(agent.name, shown);
        for answer in [
            rig.page("look", json!({"code": met.code})).await,
            rig.page("join", json!({"code": met.code, "seat": met.customer})).await,
            rig.page("pulse", json!({"seat": met.customer, "in_room": true})).await,
        ] {
            assert!(!answer.body.contains("ada@") && !answer.body.contains("WK3"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn bodies_that_are_none_are_refused_without_being_repeated() {
    let rig = Rig::with_task(&[]).await;
    rig.open(1).await;
    for what in ["look", "join", "pulse", "leave", "admit", "end"] {
        for body in ["", "canary", "[]", r#"{"canary": 1}"#] {
            let request = Request::post(format!("/v1/video/{what}")).header("origin", VIDEO_ORIGIN);
            let answer = rig.service.send(request.body(Body::from(body)).unwrap()).await;
            assert_eq!(error(&answer), "400 malformed_request", "{what} {body}");
        }
    }
    for what in ["/invitations", "/admit", "/end"] {
        let answer = rig.agent("POST", &path(1, what), json!("canary")).await;
        assert_eq!(error(&answer), "400 malformed_request", "{what}");
    }
    for reason in ["duration", "completed", "canary"] {
        let answer = rig.agent("POST", &path(1, "/end"), json!({"reason": reason})).await;
        assert_eq!(error(&answer), "400 malformed_request", "{reason}");
    }
}

#[tokio::test]
async fn a_worker_who_asks_too_often_is_slowed() {
    let rig = Rig::with_task(&["--video-requests-per-minute", "5"]).await;
    for _ in 0..5 {
        rig.status(1).await;
    }
    let answer = rig.agent("GET", &path(1, ""), Value::Null).await;
    assert_eq!((error(&answer).as_str(), answer.header("retry-after")), ("429 rate_limited", Some("12")));
}
