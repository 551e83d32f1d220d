//! The gateway without sockets, media or clock.

use proptest::prelude::*;
use sansio::Machine as _;
use sansio::rig;
use serde_json::{Value, json};

use super::*;
use crate::api::types::CallState;
use crate::api::types::LossDirection;
use crate::token;
use crate::token::tests::{NOW, account, claims, key, signed};

const WORKER: SocketId = SocketId(1);
const OFFSCREEN: SocketId = SocketId(2);
const OFFSCREEN_AGAIN: SocketId = SocketId(3);
const OFFER: &str = "v=0 offer";
const ANSWER: &str = "v=0 answer";

fn alice() -> Identity {
    Identity::new("alice").unwrap()
}

/// A gateway with a clock that only the test moves.
struct Rig {
    rig: rig::Rig<Machine>,
}

impl Rig {
    fn new() -> Self {
        let judge = Box::new(|token: &Secret, now| token::check(token, &account(), &key(), now));
        Self { rig: rig::Rig::new(Machine::new(account(), judge, 5_000, [7; 32]), NOW) }
    }

    fn handle(&mut self, event: Event) -> Vec<Command> {
        self.rig.event(event);
        self.rig.take()
    }

    fn call(&mut self) -> (CallSid, Vec<Command>) {
        let commands = self.handle(Event::Call(NewCall::new(alice(), "+1")));
        (called(&commands), commands)
    }

    fn hang_up(&mut self, call: &CallSid) -> Result<Vec<Command>, VoiceError> {
        let commands = self.handle(Event::HangUp(call.clone()));
        match commands[..] {
            [Command::Refuse(error)] => Err(error),
            _ => Ok(commands),
        }
    }

    fn fault(&mut self, id: u64, fault: VoiceFault) -> Vec<Command> {
        self.handle(Event::FaultBegins { id, fault })
    }

    /// Ends a fault; says whether there was one.
    fn clear_fault(&mut self, id: u64) -> (bool, Vec<Command>) {
        let known = self.rig.machine.faults().iter().any(|active| active.id == id);
        (known, self.handle(Event::FaultEnds(id)))
    }

    fn wait(&mut self, ms: u64) -> Vec<Command> {
        self.rig.pass(ms);
        self.rig.take()
    }

    fn say(&mut self, socket: SocketId, kind: &str, payload: &Value) -> Vec<Command> {
        let text = json!({"type": kind, "version": "1.6", "payload": payload}).to_string();
        self.handle(Event::Received { socket, text })
    }

    fn open(&mut self, socket: SocketId) {
        let commands = self.handle(Event::SocketOpened { socket, origin: None });
        assert!(sent(&commands, socket).is_empty());
    }

    fn listen_as(&mut self, socket: SocketId, identity: &str, keep_s: u64) -> Vec<Command> {
        let token = signed(&claims(identity, self.rig.now.as_millis() / 1000 + 3600), "secret");
        self.say(socket, "listen", &json!({"token": token.expose(), "reconnectTimeout": keep_s}))
    }

    /// A socket that has been accepted, and registered if asked for.
    fn client(&mut self, socket: SocketId, register: bool) {
        self.open(socket);
        let commands = self.listen_as(socket, "alice", 30);
        assert!(matches!(sent(&commands, socket)[..], [ServerMessage::Connected { .. }]));
        if register {
            let commands = self.say(socket, "register", &json!({"media": {"audio": true}}));
            assert_eq!(sent(&commands, socket), [&ServerMessage::Ready {}]);
        }
    }

    /// A call that rings at the worker, and the token that `invite` carried.
    fn ring(&mut self) -> (CallSid, Secret) {
        let mut call = NewCall::new(alice(), "+15550100");
        call.params.insert("note".into(), "hello world".into());
        let commands = self.handle(Event::Call(call));
        let call_sid = called(&commands);
        assert_eq!(orders(&commands), [&MediaOrder::Offer]);
        let offered = Event::MediaOffered { call_sid: call_sid.clone(), sdp: Ok("v=0".into()) };
        let commands = self.handle(offered);
        let [ServerMessage::Invite { callsid, reconnect, parameters, .. }] = &sent(&commands, WORKER)[..]
        else {
            panic!("no invite: {commands:?}")
        };
        assert_eq!((callsid, parameters["Params"].as_str()), (&call_sid, "note=hello+world"));
        assert_eq!(parameters["To"], "client:alice");
        (call_sid, reconnect.clone())
    }

    fn take(&mut self, socket: SocketId, call: &CallSid, token: &Secret) -> Vec<Command> {
        let payload =
            json!({"callsid": call.as_str(), "reconnect": token.expose(), "sdp": OFFER, "twilio": {}});
        self.say(socket, "invite", &payload)
    }

    fn media_answers(&mut self, call: &CallSid, commands: &[Command]) -> Vec<Command> {
        let ticket = match orders(commands)[..] {
            [MediaOrder::TakeOffer { ticket, .. } | MediaOrder::TakeAnswer { ticket, .. }] => *ticket,
            ref other => panic!("no offer was passed on: {other:?}"),
        };
        self.handle(Event::MediaAnswered { call_sid: call.clone(), ticket, sdp: Ok(ANSWER.into()) })
    }

    /// A call that the offscreen document holds, and its newest token.
    fn answered(&mut self) -> (CallSid, Secret) {
        self.client(WORKER, true);
        self.client(OFFSCREEN, false);
        let (call, token) = self.ring();
        let commands = self.take(OFFSCREEN, &call, &token);
        let commands = self.media_answers(&call, &commands);
        let [ServerMessage::Answer { sdp, reconnect, .. }] = &sent(&commands, OFFSCREEN)[..] else {
            panic!("no answer: {commands:?}")
        };
        assert_eq!(sdp, ANSWER);
        assert_eq!(sent(&commands, WORKER), [&ServerMessage::Cancel { callsid: call.clone() }]);
        (call, reconnect.clone())
    }

    fn ended(&self, call: &CallSid) -> Option<(EndedBy, EndReason)> {
        self.rig.machine.call_facts(call).and_then(|facts| facts.ended).map(|(_, by, reason)| (by, reason))
    }
}

fn called(commands: &[Command]) -> CallSid {
    let call = commands.iter().find_map(|command| match command {
        Command::Called(call_sid) => Some(call_sid.clone()),
        _ => None,
    });
    call.unwrap()
}

fn sent(commands: &[Command], to: SocketId) -> Vec<&ServerMessage> {
    commands
        .iter()
        .filter_map(|c| match c {
            Command::Send(socket, message) if *socket == to => Some(message),
            _ => None,
        })
        .collect()
}

fn orders(commands: &[Command]) -> Vec<&MediaOrder> {
    commands
        .iter()
        .filter_map(|c| match c {
            Command::Media(_, order) => Some(order),
            _ => None,
        })
        .collect()
}

fn error_codes(commands: &[Command], to: SocketId) -> Vec<u32> {
    let code = |message: &&ServerMessage| match message {
        ServerMessage::Error { error, .. } | ServerMessage::Hangup { error: Some(error), .. } => {
            Some(error.code)
        }
        _ => None,
    };
    sent(commands, to).iter().filter_map(code).collect()
}

#[test]
fn a_call_rings_at_the_worker_and_is_taken_by_the_offscreen_document() {
    let mut rig = Rig::new();
    let (call, _) = rig.answered();
    let facts = rig.rig.machine.call_facts(&call).unwrap();
    assert_eq!((facts.state, facts.socket), (CallState::Answered, Some(OFFSCREEN)));
}

#[test]
fn registering_before_a_token_was_accepted_is_refused() {
    let mut rig = Rig::new();
    rig.open(WORKER);
    let commands = rig.say(WORKER, "register", &json!({"media": {"audio": true}}));
    assert_eq!(error_codes(&commands, WORKER), [31204]);
    assert!(!rig.rig.machine.sockets()[0].registered);
}

#[test]
fn a_bad_token_gets_its_code_and_a_good_one_rescues_the_socket() {
    let mut rig = Rig::new();
    rig.open(WORKER);
    let expired = signed(&claims("alice", rig.rig.now.as_millis() / 1000 - 1), "secret");
    let commands = rig.say(WORKER, "listen", &json!({"token": expired.expose()}));
    assert_eq!(error_codes(&commands, WORKER), [31205]);
    let commands = rig.say(WORKER, "listen", &json!({"token": "nonsense"}));
    assert_eq!(error_codes(&commands, WORKER), [31204]);
    assert!(matches!(
        sent(&rig.listen_as(WORKER, "alice", 0), WORKER)[..],
        [ServerMessage::Connected { .. }]
    ));
}

#[test]
fn a_socket_cannot_change_its_identity() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    assert_eq!(error_codes(&rig.listen_as(WORKER, "mallory", 0), WORKER), [31201]);
    assert_eq!(rig.rig.machine.sockets()[0].identity, Some(alice()));
}

#[test]
fn a_registration_that_is_renewed_with_an_expired_token_ends() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    rig.wait(3_600_000);
    let commands = rig.say(WORKER, "register", &json!({"media": {"audio": true}}));
    assert_eq!(error_codes(&commands, WORKER), [31205]);
    assert!(commands.contains(&Command::Emit(VoiceEventKind::Unregistered { socket: 1, identity: alice() })));
    rig.listen_as(WORKER, "alice", 0);
    let commands = rig.say(WORKER, "register", &json!({"media": {"audio": true}}));
    assert_eq!(sent(&commands, WORKER), [&ServerMessage::Ready {}]);
}

#[test]
fn unregistering_is_confirmed_and_no_call_rings_any_more() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    let commands = rig.say(WORKER, "register", &json!({"media": {"audio": false}}));
    assert_eq!(sent(&commands, WORKER), [&ServerMessage::Offline {}]);
    let (call, _) = rig.call();
    rig.handle(Event::MediaOffered { call_sid: call.clone(), sdp: Ok(String::new()) });
    assert_eq!(rig.ended(&call), Some((EndedBy::Gateway, EndReason::NotRegistered)));
}

#[test]
fn a_token_of_another_call_or_identity_gives_no_right() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    let (call, token) = rig.ring();
    rig.client(OFFSCREEN, false);
    assert_eq!(error_codes(&rig.take(OFFSCREEN, &call, &Secret::new("rt-guess")), OFFSCREEN), [31404]);
    rig.open(OFFSCREEN_AGAIN);
    rig.listen_as(OFFSCREEN_AGAIN, "mallory", 0);
    assert_eq!(error_codes(&rig.take(OFFSCREEN_AGAIN, &call, &token), OFFSCREEN_AGAIN), [31404]);
    assert_eq!(orders(&rig.take(OFFSCREEN, &call, &token)).len(), 1);
}

#[test]
fn a_connect_token_works_once() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    let (call, token) = rig.ring();
    rig.client(OFFSCREEN, false);
    rig.client(OFFSCREEN_AGAIN, false);
    let commands = rig.take(OFFSCREEN, &call, &token);
    assert_eq!(error_codes(&rig.take(OFFSCREEN_AGAIN, &call, &token), OFFSCREEN_AGAIN), [31404]);
    rig.media_answers(&call, &commands);
    assert_eq!(error_codes(&rig.take(OFFSCREEN_AGAIN, &call, &token), OFFSCREEN_AGAIN), [31404]);
}

#[test]
fn a_call_survives_the_loss_of_its_socket_and_is_taken_up_without_renegotiation() {
    let mut rig = Rig::new();
    let (call, token) = rig.answered();
    rig.handle(Event::SocketClosed { socket: OFFSCREEN, code: None });
    rig.wait(20_000);
    rig.client(OFFSCREEN_AGAIN, false);
    let commands = rig.take(OFFSCREEN_AGAIN, &call, &token);
    assert!(orders(&commands).is_empty(), "media must not be touched: {commands:?}");
    assert!(matches!(&sent(&commands, OFFSCREEN_AGAIN)[..],
        [ServerMessage::Answer { sdp, reconnect, .. }] if sdp == ANSWER && *reconnect != token));
    rig.wait(60_000);
    assert_eq!(rig.ended(&call), None);
}

#[test]
fn the_token_before_the_newest_takes_up_a_call_whose_socket_is_gone() {
    let mut rig = Rig::new();
    let (call, token) = rig.answered();
    rig.handle(Event::SocketClosed { socket: OFFSCREEN, code: None });
    rig.client(OFFSCREEN_AGAIN, false);
    rig.take(OFFSCREEN_AGAIN, &call, &token); // its answer is lost with the socket
    rig.handle(Event::SocketClosed { socket: OFFSCREEN_AGAIN, code: None });
    let fourth = SocketId(4);
    rig.client(fourth, false);
    assert!(matches!(sent(&rig.take(fourth, &call, &token), fourth)[..], [ServerMessage::Answer { .. }]));
}

#[test]
fn a_call_whose_socket_does_not_come_back_ends() {
    let mut rig = Rig::new();
    let (call, _) = rig.answered();
    rig.handle(Event::SocketClosed { socket: OFFSCREEN, code: None });
    rig.wait(29_999);
    assert_eq!(rig.ended(&call), None);
    let commands = rig.wait(1);
    assert_eq!(rig.ended(&call), Some((EndedBy::Gateway, EndReason::SignallingLost)));
    assert!(orders(&commands).contains(&&MediaOrder::Stop));
}

#[test]
fn without_a_reconnect_timeout_a_lost_socket_ends_the_call_at_once() {
    let mut rig = Rig::new();
    let (call, _) = rig.answered();
    rig.listen_as(OFFSCREEN, "alice", 0);
    rig.handle(Event::SocketClosed { socket: OFFSCREEN, code: None });
    assert_eq!(rig.ended(&call), Some((EndedBy::Gateway, EndReason::SignallingLost)));
}

#[test]
fn a_call_whose_taker_is_gone_before_the_answer_can_be_taken_up_again() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    rig.client(OFFSCREEN, false);
    let (call, token) = rig.ring();
    let commands = rig.take(OFFSCREEN, &call, &token);
    rig.handle(Event::SocketClosed { socket: OFFSCREEN, code: None });
    rig.media_answers(&call, &commands);
    assert_eq!(rig.ended(&call), None);
    rig.client(OFFSCREEN_AGAIN, false);
    let commands = rig.take(OFFSCREEN_AGAIN, &call, &token);
    assert!(matches!(sent(&commands, OFFSCREEN_AGAIN)[..], [ServerMessage::Answer { .. }]));
}

#[test]
fn an_ice_restart_is_answered_and_keeps_the_call() {
    let mut rig = Rig::new();
    let (call, _) = rig.answered();
    let commands = rig.say(OFFSCREEN, "reinvite", &json!({"callsid": call.as_str(), "sdp": OFFER}));
    let commands = rig.media_answers(&call, &commands);
    assert!(matches!(sent(&commands, OFFSCREEN)[..], [ServerMessage::Answer { .. }]));
    assert!(sent(&commands, WORKER).is_empty());
}

#[test]
fn an_ice_restart_with_a_bad_offer_is_an_error_and_not_the_end() {
    let mut rig = Rig::new();
    let (call, _) = rig.answered();
    let commands = rig.say(OFFSCREEN, "reinvite", &json!({"callsid": call.as_str(), "sdp": "rubbish"}));
    let [MediaOrder::TakeOffer { ticket, .. }] = orders(&commands)[..] else { panic!() };
    let refused = Event::MediaAnswered { call_sid: call.clone(), ticket: *ticket, sdp: Err("no".into()) };
    let commands = rig.handle(refused);
    assert_eq!(error_codes(&commands, OFFSCREEN), [31000]);
    assert_eq!(rig.ended(&call), None);
}

#[test]
fn either_side_hangs_up_and_the_other_is_told() {
    let mut rig = Rig::new();
    let (call, _) = rig.answered();
    let commands = rig.hang_up(&call).unwrap();
    assert!(matches!(sent(&commands, OFFSCREEN)[..], [ServerMessage::Hangup { error: None, .. }]));
    assert_eq!(rig.ended(&call), Some((EndedBy::Customer, EndReason::Hangup)));
    assert_eq!(rig.hang_up(&call), Err(VoiceError::CallOver));

    let mut rig = Rig::new();
    let (call, _) = rig.answered();
    let commands = rig.say(OFFSCREEN, "hangup", &json!({"callsid": call.as_str()}));
    assert!(sent(&commands, OFFSCREEN).is_empty(), "the SDK expects no reply");
    assert_eq!(orders(&commands), [&MediaOrder::Stop]);
    assert_eq!(rig.ended(&call), Some((EndedBy::Agent, EndReason::Hangup)));
}

#[test]
fn a_socket_that_does_not_hold_the_call_cannot_end_it() {
    let mut rig = Rig::new();
    let (call, _) = rig.answered();
    rig.say(WORKER, "hangup", &json!({"callsid": call.as_str()}));
    rig.say(WORKER, "reject", &json!({"callsid": call.as_str()}));
    assert_eq!(rig.ended(&call), None);
}

#[test]
fn a_hang_up_that_waited_for_a_new_socket_ends_the_call() {
    let mut rig = Rig::new();
    let (call, _) = rig.answered();
    rig.handle(Event::SocketClosed { socket: OFFSCREEN, code: None });
    rig.client(OFFSCREEN_AGAIN, false);
    rig.say(OFFSCREEN_AGAIN, "hangup", &json!({"callsid": call.as_str()}));
    assert_eq!(rig.ended(&call), Some((EndedBy::Agent, EndReason::Hangup)));
}

#[test]
fn a_rejected_call_ends_and_a_dead_one_cannot_be_taken() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    rig.client(OFFSCREEN, false);
    let (call, token) = rig.ring();
    rig.say(WORKER, "reject", &json!({"callsid": call.as_str()}));
    assert_eq!(rig.ended(&call), Some((EndedBy::Agent, EndReason::Rejected)));
    assert_eq!(error_codes(&rig.take(OFFSCREEN, &call, &token), OFFSCREEN), [31404]);
}

#[test]
fn a_customer_who_gives_up_cancels_the_ringing_also_on_a_socket_that_came_back() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    let (call, _) = rig.ring();
    rig.handle(Event::SocketClosed { socket: WORKER, code: None });
    rig.client(SocketId(9), true);
    let commands = rig.hang_up(&call).unwrap();
    assert_eq!(sent(&commands, SocketId(9)), [&ServerMessage::Cancel { callsid: call.clone() }]);
    assert_eq!(rig.ended(&call), Some((EndedBy::Customer, EndReason::Canceled)));
}

#[test]
fn nobody_answering_ends_the_call_after_its_time() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    let (call, _) = rig.ring();
    let commands = rig.wait(30_000);
    assert_eq!(sent(&commands, WORKER), [&ServerMessage::Cancel { callsid: call.clone() }]);
    assert_eq!(rig.ended(&call), Some((EndedBy::Gateway, EndReason::NoAnswer)));
}

#[test]
fn a_call_can_be_accepted_on_the_socket_that_rang() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    let (call, _) = rig.ring();
    let commands = rig.say(WORKER, "answer", &json!({"callsid": call.as_str(), "sdp": "v=0"}));
    let commands = rig.media_answers(&call, &commands);
    assert!(sent(&commands, WORKER).is_empty(), "no message follows, least of all a cancel: {commands:?}");
    assert_eq!(rig.rig.machine.call_facts(&call).unwrap().state, CallState::Answered);
}

#[test]
fn an_outgoing_call_needs_its_grant_and_learns_its_sid() {
    let mut rig = Rig::new();
    rig.client(WORKER, false);
    let request = json!({"callsid": "TJS1", "sdp": OFFER, "twilio": {"params": "To=%2B1555"}});
    assert_eq!(error_codes(&rig.say(WORKER, "invite", &request), WORKER), [31201]);
    let mut allowed = claims("alice", rig.rig.now.as_millis() / 1000 + 60);
    allowed["grants"]["voice"]["outgoing"] = json!({"application_sid": format!("AP{}", "3".repeat(32))});
    let token = signed(&allowed, "secret");
    rig.say(WORKER, "listen", &json!({"token": token.expose()}));
    let commands = rig.say(WORKER, "invite", &request);
    let [ServerMessage::Ringing { callsid }] = sent(&commands, WORKER)[..] else { panic!("{commands:?}") };
    let callsid = callsid.clone();
    let commands = rig.media_answers(&callsid, &commands);
    assert!(matches!(sent(&commands, WORKER)[..], [ServerMessage::Answer { .. }]));
    rig.say(WORKER, "hangup", &json!({"callsid": "TJS1"}));
    assert_eq!(rig.ended(&callsid), Some((EndedBy::Agent, EndReason::Hangup)));
}

#[test]
fn messages_on_a_call_are_acknowledged_and_keys_over_signalling_are_heard() {
    let mut rig = Rig::new();
    let (call, _) = rig.answered();
    let message = json!({"callsid": call.as_str(), "content": {"a": 1}, "contenttype": "application/json",
        "messagetype": "user-defined-message", "voiceeventsid": "KX1"});
    let commands = rig.say(OFFSCREEN, "message", &message);
    assert!(matches!(&sent(&commands, OFFSCREEN)[..],
        [ServerMessage::Ack { acktype: "message", voiceeventsid, .. }] if voiceeventsid == "KX1"));
    let commands = rig.say(OFFSCREEN, "dtmf", &json!({"callsid": call.as_str(), "dtmf": "1w2#"}));
    let heard = VoiceEventKind::DtmfSignalled { call_sid: call, digits: "1w2#".into() };
    assert!(commands.contains(&Command::Emit(heard)));
}

#[test]
fn heartbeats_come_every_five_seconds_per_socket() {
    let mut rig = Rig::new();
    rig.open(WORKER);
    rig.wait(2_000);
    rig.open(OFFSCREEN);
    assert_eq!(rig.wait(3_000), [Command::Heartbeat(WORKER)]);
    assert_eq!(rig.wait(2_000), [Command::Heartbeat(OFFSCREEN)]);
    assert_eq!(rig.rig.machine.poll_timeout(), Some(NOW.plus(10_000)));
    assert!(rig.handle(Event::Received { socket: WORKER, text: "\n".into() }).is_empty());
}

#[test]
fn what_cannot_be_read_is_reported_without_its_text() {
    let mut rig = Rig::new();
    rig.open(WORKER);
    let commands = rig.handle(Event::Received {
        socket: WORKER,
        text: r#"{"type":"listen","payload":{"token":5}}"#.into(),
    });
    assert!(
        matches!(&commands[..], [Command::Emit(VoiceEventKind::Unreadable { problem, .. })] if !problem.contains('5'))
    );
    for text in ["null", "[]", "{}", "\u{0}", r#"{"type":"candidate","payload":{}}"#] {
        let commands = rig.handle(Event::Received { socket: WORKER, text: text.into() });
        assert!(
            matches!(commands[..], [Command::Emit(VoiceEventKind::Unreadable { .. })]),
            "{text}: {commands:?}"
        );
    }
}

#[test]
fn a_freeze_holds_everything_back_and_lets_it_go_in_order() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    rig.fault(
        1,
        VoiceFault::SignallingFreeze { identity: Some(alice()), new_sockets: false, ms: Some(8_000) },
    );
    assert!(rig.wait(6_000).is_empty(), "not even a heartbeat");
    let (call, _) = rig.call();
    let commands = rig.handle(Event::MediaOffered { call_sid: call.clone(), sdp: Ok(String::new()) });
    assert!(sent(&commands, WORKER).is_empty());
    let commands = rig.say(WORKER, "register", &json!({"media": {"audio": true}}));
    assert!(commands.is_empty());
    let commands = rig.wait(2_000);
    assert!(
        matches!(sent(&commands, WORKER)[..], [ServerMessage::Invite { .. }, ServerMessage::Ready {}]),
        "{commands:?}"
    );
    assert!(rig.rig.machine.faults().is_empty());
}

#[test]
fn a_freeze_of_new_sockets_accepts_them_and_says_nothing() {
    let mut rig = Rig::new();
    rig.fault(1, VoiceFault::SignallingFreeze { identity: None, new_sockets: true, ms: None });
    rig.open(WORKER);
    assert!(rig.listen_as(WORKER, "alice", 0).is_empty());
    assert!(rig.wait(20_000).is_empty());
    let (known, commands) = rig.clear_fault(1);
    assert!(known);
    assert!(matches!(sent(&commands, WORKER)[..], [ServerMessage::Connected { .. }]), "{commands:?}");
}

#[test]
fn a_forgotten_registration_keeps_its_heartbeats_gets_no_call_and_no_answer_until_a_new_socket_registers() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    rig.fault(1, VoiceFault::RegistrationForgotten { identity: Some(alice()), ms: None });
    assert_eq!(rig.wait(5_000), [Command::Heartbeat(WORKER)]);
    assert!(rig.say(WORKER, "register", &json!({"media": {"audio": true}})).is_empty());
    let (call, _) = rig.call();
    rig.handle(Event::MediaOffered { call_sid: call.clone(), sdp: Ok("v=0".into()) });
    let facts = rig.rig.machine.call_facts(&call).unwrap();
    assert_eq!(facts.ended.map(|(_, _, reason)| reason), Some(EndReason::NotRegistered));
    rig.client(OFFSCREEN, true);
    let (_, commands) = rig.clear_fault(1);
    assert!(commands.iter().all(|command| !matches!(command, Command::Send(..))));
    let commands = rig.say(WORKER, "register", &json!({"media": {"audio": true}}));
    assert_eq!(sent(&commands, WORKER), [&ServerMessage::Ready {}]);
}

#[test]
fn a_refused_claim_is_hung_up_with_its_error_and_the_one_after_it_is_taken() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    let (call, token) = rig.ring();
    rig.client(OFFSCREEN, false);
    rig.fault(1, VoiceFault::ClaimRefused { code: 31480, message: "temporarily unavailable".into() });
    let claim = json!({"callsid": call, "reconnect": token.expose(), "sdp": OFFER, "twilio": {}});
    let commands = rig.say(OFFSCREEN, "invite", &claim);
    let [ServerMessage::Hangup { error: Some(error), .. }] = &sent(&commands, OFFSCREEN)[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(error.code, 31480);
    let commands = rig.say(OFFSCREEN, "invite", &claim);
    assert!(matches!(orders(&commands)[..], [MediaOrder::TakeOffer { .. }]), "{commands:?}");
}

#[test]
fn faults_do_what_they_say_and_only_to_whom_they_name() {
    let mut rig = Rig::new();
    rig.client(WORKER, true);
    rig.open(OFFSCREEN);
    rig.listen_as(OFFSCREEN, "bob", 0);
    let bob = Some(Identity::new("bob").unwrap());
    let commands = rig.fault(1, VoiceFault::SignallingDrop { identity: bob.clone() });
    assert!(commands.contains(&Command::Abort(OFFSCREEN)) && !commands.contains(&Command::Abort(WORKER)));
    let error =
        VoiceFault::GatewayError { identity: bob, code: 31206, message: "slow down".into(), close: true };
    let commands = rig.fault(2, error);
    assert!(matches!(sent(&commands, OFFSCREEN)[..], [ServerMessage::Error { .. }, ServerMessage::Close {}]));
    assert!(sent(&commands, WORKER).is_empty());
    rig.fault(3, VoiceFault::SignallingRefuse { ms: Some(1_000) });
    assert!(!rig.rig.machine.admits());
    rig.wait(1_000);
    assert!(rig.rig.machine.admits());
    rig.fault(4, VoiceFault::TokenTtl { seconds: 14 });
    let commands = rig.listen_as(WORKER, "alice", 0);
    assert!(matches!(
        sent(&commands, WORKER)[..],
        [ServerMessage::Connected { token: TokenInfo { ttl: 14, .. }, .. }]
    ));
    let commands = rig.listen_as(WORKER, "alice", 0);
    assert!(matches!(
        sent(&commands, WORKER)[..],
        [ServerMessage::Connected { token: TokenInfo { ttl: 3600, .. }, .. }]
    ));
    let commands = rig.fault(5, VoiceFault::TokenExpired { identity: Some(alice()) });
    assert_eq!(error_codes(&commands, WORKER), [31205]);
    let commands = rig.say(WORKER, "register", &json!({"media": {"audio": true}}));
    assert_eq!(error_codes(&commands, WORKER), [31205]);
}

#[test]
fn media_loss_is_the_worst_of_the_faults_that_concern_the_call() {
    let mut rig = Rig::new();
    let (call, _) = rig.answered();
    let loss = |direction, percent, ms| VoiceFault::MediaLoss { call_sid: None, direction, percent, ms };
    let commands = rig.fault(1, loss(LossDirection::Both, 10, None));
    assert_eq!(orders(&commands), [&MediaOrder::Loss { to_agent: 10, from_agent: 10 }]);
    let commands = rig.fault(2, loss(LossDirection::ToAgent, 90, Some(500)));
    assert_eq!(orders(&commands), [&MediaOrder::Loss { to_agent: 90, from_agent: 10 }]);
    assert_eq!(orders(&rig.wait(500)), [&MediaOrder::Loss { to_agent: 10, from_agent: 10 }]);
    let (known, commands) = rig.clear_fault(1);
    assert!(known);
    assert_eq!(orders(&commands), [&MediaOrder::Loss { to_agent: 0, from_agent: 0 }]);
    assert_eq!(rig.ended(&call), None);
}

#[test]
fn a_reset_ends_everything_and_keeps_the_sockets() {
    let mut rig = Rig::new();
    rig.answered();
    rig.fault(1, VoiceFault::SignallingRefuse { ms: None });
    let commands = rig.handle(Event::Reset);
    assert!(matches!(sent(&commands, OFFSCREEN)[..], [ServerMessage::Hangup { .. }]));
    assert!(rig.rig.machine.calls().is_empty() && rig.rig.machine.faults().is_empty());
    assert_eq!(rig.rig.machine.sockets().len(), 2);
}

/// Anything that can happen to a gateway, in terms of three sockets and at most a few calls.
#[derive(Clone, Debug)]
enum Step {
    Open(u64),
    Close(u64),
    Listen(u64),
    Register(u64, bool),
    Call,
    Offered(usize),
    Take(u64, usize),
    AcceptHere(u64, usize),
    MediaAnswers(bool),
    Reinvite(u64, usize),
    Hangup(u64, usize),
    Reject(u64, usize),
    CustomerHangsUp(usize),
    Freeze(u64),
    Thaw(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (socket, call) = (1..4u64, 0..3usize);
    prop_oneof![
        socket.clone().prop_map(Step::Open),
        socket.clone().prop_map(Step::Close),
        socket.clone().prop_map(Step::Listen),
        (socket.clone(), any::<bool>()).prop_map(|(s, on)| Step::Register(s, on)),
        Just(Step::Call),
        call.clone().prop_map(Step::Offered),
        (socket.clone(), call.clone()).prop_map(|(s, c)| Step::Take(s, c)),
        (socket.clone(), call.clone()).prop_map(|(s, c)| Step::AcceptHere(s, c)),
        any::<bool>().prop_map(Step::MediaAnswers),
        (socket.clone(), call.clone()).prop_map(|(s, c)| Step::Reinvite(s, c)),
        (socket.clone(), call.clone()).prop_map(|(s, c)| Step::Hangup(s, c)),
        (socket, call.clone()).prop_map(|(s, c)| Step::Reject(s, c)),
        call.prop_map(Step::CustomerHangsUp),
        (0..2u64).prop_map(Step::Freeze),
        (0..2u64).prop_map(Step::Thaw),
        (0..40_000u64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever the order of events: the socket that holds a call never gets its `cancel`, a call ends once, nothing
    /// is sent to a socket that is gone or frozen, and every deadline lies ahead.
    #[test]
    fn no_order_of_events_breaks_a_promise(steps in proptest::collection::vec(step(), 1..80)) {
        let mut rig = Rig::new();
        let mut open = BTreeSet::new();
        let mut calls: Vec<(CallSid, Vec<Secret>)> = Vec::new();
        let mut tickets: Vec<(CallSid, u64)> = Vec::new();
        let mut ended = BTreeSet::new();
        for step in steps {
            let name = |call: usize| calls.get(call).map_or("CA0", |(sid, _)| sid.as_str()).to_owned();
            let token = |call: usize| calls.get(call).and_then(|(_, t)| t.last()).map_or("rt", Secret::expose).to_owned();
            let holders: Vec<_> = rig.rig.machine.calls.iter().filter_map(|(sid, c)| Some((sid.clone(), c.holder()?))).collect();
            let commands = match step {
                Step::Open(s) if open.insert(s) => rig.handle(Event::SocketOpened { socket: SocketId(s), origin: None }),
                Step::Open(_) => continue,
                Step::Close(s) => { open.remove(&s); rig.handle(Event::SocketClosed { socket: SocketId(s), code: None }) }
                Step::Listen(s) => rig.listen_as(SocketId(s), "alice", s * 10 - 10),
                Step::Register(s, on) => rig.say(SocketId(s), "register", &json!({"media": {"audio": on}})),
                Step::Call => {
                    let (sid, commands) = rig.call();
                    calls.push((sid, Vec::new()));
                    commands
                }
                Step::Offered(c) => match calls.get(c) {
                    Some((sid, _)) => rig.handle(Event::MediaOffered { call_sid: sid.clone(), sdp: Ok(String::new()) }),
                    None => continue,
                },
                Step::Take(s, c) => rig.say(SocketId(s), "invite", &json!({"callsid": name(c), "reconnect": token(c), "sdp": OFFER})),
                Step::AcceptHere(s, c) => rig.say(SocketId(s), "answer", &json!({"callsid": name(c), "sdp": "v=0"})),
                Step::MediaAnswers(good) => match tickets.pop() {
                    Some((call_sid, ticket)) => {
                        let sdp = if good { Ok(ANSWER.to_owned()) } else { Err("no".to_owned()) };
                        rig.handle(Event::MediaAnswered { call_sid, ticket, sdp })
                    }
                    None => continue,
                },
                Step::Reinvite(s, c) => rig.say(SocketId(s), "reinvite", &json!({"callsid": name(c), "sdp": OFFER})),
                Step::Hangup(s, c) => rig.say(SocketId(s), "hangup", &json!({"callsid": name(c)})),
                Step::Reject(s, c) => rig.say(SocketId(s), "reject", &json!({"callsid": name(c)})),
                Step::CustomerHangsUp(c) => match calls.get(c) {
                    Some((sid, _)) => rig.hang_up(&sid.clone()).unwrap_or_default(),
                    None => continue,
                },
                Step::Freeze(id) => rig.fault(id, VoiceFault::SignallingFreeze { identity: None, new_sockets: false, ms: None }),
                Step::Thaw(id) => rig.clear_fault(id).1,
                Step::Wait(ms) => rig.wait(ms),
            };
            for command in &commands {
                match command {
                    Command::Send(socket, message) => {
                        prop_assert!(open.contains(&socket.0), "sent to a closed socket: {message:?}");
                        match message {
                            ServerMessage::Cancel { callsid } => {
                                let cancelled = (callsid.clone(), *socket);
                                prop_assert!(!holders.contains(&cancelled), "the holder was cancelled");
                            }
                            ServerMessage::Invite { callsid, reconnect, .. } | ServerMessage::Answer { callsid, reconnect, .. } => {
                                if let Some((_, tokens)) = calls.iter_mut().find(|(sid, _)| sid == callsid) {
                                    tokens.push(reconnect.clone());
                                }
                            }
                            _ => {}
                        }
                    }
                    Command::Heartbeat(socket) => prop_assert!(open.contains(&socket.0)),
                    Command::Media(sid, MediaOrder::TakeOffer { ticket, .. } | MediaOrder::TakeAnswer { ticket, .. }) => {
                        tickets.push((sid.clone(), *ticket));
                    }
                    Command::Emit(VoiceEventKind::CallEnded { call_sid, .. }) => {
                        prop_assert!(ended.insert(call_sid.clone()), "a call ended twice");
                    }
                    _ => {}
                }
            }
            if let Some(deadline) = rig.rig.machine.poll_timeout() {
                prop_assert!(deadline > rig.rig.now, "a deadline in the past would make the shell spin");
            }
        }
    }
}
