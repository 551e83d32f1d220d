use std::collections::HashMap;
use std::time::Duration;

use kernel::CallSid;
use proptest::prelude::*;
use sansio::Machine as _;
use sansio::rig;
use serde_json::{Value, json};

use super::event::{Attributes, ReservationChange, TransferMode};
use super::*;
use crate::api::{FarEnd, LegCommand, LegEnd, Line, Outcome, Unreached};

mod chat;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn machine() -> Machine {
    let contact = json!({ "contact_uri": "client:ext_agent_40example_2Ecom" });
    let options = Options {
        seed: [7; 32],
        reservation_timeout: Duration::from_secs(120),
        voice_capacity: 1,
        chat_capacity: 2,
        initial_activity: account::ACTIVITY_AVAILABLE.to_owned(),
        worker_attributes: contact.as_object().cloned().unwrap(),
    };
    Machine::new(options, START)
}

fn after(seconds: u64) -> Timestamp {
    START.plus(1_000 * seconds)
}

/// What a test works with: a machine, the time, and what it said.
struct Rig {
    rig: rig::Rig<Machine>,
    said: Vec<Command>,
}

impl Rig {
    fn new() -> Self {
        Self { rig: rig::Rig::new(machine(), START), said: Vec::new() }
    }

    fn with_reservation() -> Self {
        let mut rig = Self::new();
        rig.give(Event::CustomerCalls { from: "+15550100".to_owned() });
        rig
    }

    fn with_call() -> (Self, CallSid) {
        let mut rig = Self::with_reservation();
        let call_sid = rig.accept();
        rig.give(Event::LegAnswered { call_sid: call_sid.clone() });
        rig.wait(1);
        (rig, call_sid)
    }

    fn try_give(&mut self, event: Event) -> Result<(), Refusal> {
        self.rig.event(event);
        let mut commands = self.rig.take();
        if let Some(Command::Refuse(refusal)) = commands.first() {
            return Err(refusal.clone());
        }
        std::mem::swap(&mut self.said, &mut commands);
        Ok(())
    }

    fn give(&mut self, event: Event) {
        self.try_give(event).unwrap();
    }

    fn wait(&mut self, seconds: u64) {
        self.rig.pass(1_000 * seconds);
        self.said = self.rig.take();
    }

    fn space(&self) -> &Workspace {
        self.rig.machine.workspace()
    }

    fn reservation_sid(&self) -> String {
        self.space().newest_task().unwrap().reservation_sid.unwrap()
    }

    fn change(&mut self, change: ReservationChange) -> Result<(), Refusal> {
        let sid = self.reservation_sid();
        self.try_give(Event::Reservation { sid, change })
    }

    fn accept(&mut self) -> CallSid {
        self.change(ReservationChange::Call { to: None, end_conference_on_exit: true }).unwrap();
        self.commands()
            .into_iter()
            .find_map(|command| match command {
                LegCommand::CallWorker { call_sid, .. } => Some(call_sid),
                _ => None,
            })
            .unwrap()
    }

    fn commands(&self) -> Vec<LegCommand> {
        self.said
            .iter()
            .filter_map(|command| match command {
                Command::Leg(command) => Some(command.clone()),
                _ => None,
            })
            .collect()
    }

    fn pushes(&self) -> Vec<&'static str> {
        self.said
            .iter()
            .filter_map(|command| match command {
                Command::Push { event, .. } => Some(*event),
                _ => None,
            })
            .collect()
    }

    fn items(&self) -> HashMap<String, String> {
        self.said
            .iter()
            .filter_map(|command| match command {
                Command::ConferenceItem { key, data, .. } => {
                    Some((key.clone(), data["status"].as_str().unwrap().to_owned()))
                }
                _ => None,
            })
            .collect()
    }

    fn activity(&self) -> String {
        self.space().summary()["worker"]["activity"].as_str().unwrap().to_owned()
    }

    fn set_activity(&mut self, name: &str, reject: bool) -> Result<(), Refusal> {
        let activity_sid = self.space().activity_sid(name);
        self.try_give(Event::UpdateWorker {
            activity_sid,
            attributes: None,
            reject_pending_reservations: reject,
            version: None,
        })
    }
}

#[test]
fn a_voice_reservation_lives_from_the_customers_call_to_its_completion() {
    let mut rig = Rig::with_reservation();
    assert_eq!(rig.pushes(), ["reservation.created"]);

    let call_sid = rig.accept();
    assert!(rig.pushes().is_empty(), "accepting means calling; accepted is what is answered");
    rig.give(Event::LegAnswered { call_sid: call_sid.clone() });
    assert_eq!(rig.pushes(), ["task.updated"], "the conference is known before the reservation is accepted");
    assert_eq!(rig.items().len(), 2);
    assert!(rig.items().values().all(|status| status == "joined"));
    rig.wait(1);
    assert_eq!(rig.pushes(), ["reservation.accepted"]);

    rig.give(Event::LegEnded { call_sid: call_sid.clone(), reason: LegEnd::Completed });
    assert_eq!(rig.pushes(), ["reservation.wrapup"]);
    assert!(rig.items().values().all(|status| status == "left"), "the conference ended with the agent");
    rig.change(ReservationChange::Complete).unwrap();
    assert_eq!(rig.pushes(), ["reservation.completed"]);
    assert!(rig.space().reservations(rig.rig.now).is_empty());
    assert!(rig.space().newest_task().is_none());
}

#[test]
fn the_query_of_a_contact_uri_becomes_custom_parameters() {
    let mut rig = Rig::with_reservation();
    let to = Some("client:ext_agent?flex_session_identifier=4f9f".to_owned());
    rig.change(ReservationChange::Call { to, end_conference_on_exit: true }).unwrap();
    let [LegCommand::CallWorker { to, parameters, from, .. }] = &rig.commands()[..] else {
        panic!("{:?}", rig.said)
    };
    assert_eq!(to.as_str(), "ext_agent");
    assert_eq!(parameters["flex_session_identifier"], "4f9f");
    assert_eq!(from, "+15550100");
}

#[test]
fn a_contact_uri_that_is_not_a_client_is_refused_and_changes_nothing() {
    let mut rig = Rig::with_reservation();
    let to = Some("+15550199".to_owned());
    let refusal = rig.change(ReservationChange::Call { to, end_conference_on_exit: true }).unwrap_err();
    assert_eq!(refusal.status, 400);
    rig.accept();
}

#[test]
fn accepting_twice_calls_the_agent_once() {
    let mut rig = Rig::with_reservation();
    rig.accept();
    let again = rig.change(ReservationChange::Call { to: None, end_conference_on_exit: true });
    assert_eq!(again.unwrap_err().status, 400);
}

#[test]
fn a_customer_who_hangs_up_before_the_answer_cancels_reservation_and_call() {
    let mut rig = Rig::with_reservation();
    let call_sid = rig.accept();
    let task = rig.space().newest_task().unwrap().task_sid;
    rig.give(Event::CustomerHungUp { sid: task });
    assert_eq!(rig.pushes(), ["reservation.canceled"]);
    assert_eq!(rig.commands(), [LegCommand::EndLeg { call_sid: call_sid.clone() }]);
    rig.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert!(rig.said.is_empty(), "the end of the leg is no news");
}

#[test]
fn a_customer_who_hangs_up_during_the_call_ends_the_agents_leg_and_begins_wrap_up() {
    let (mut rig, call_sid) = Rig::with_call();
    rig.give(Event::CustomerHungUp { sid: call_sid.as_str().to_owned() });
    assert_eq!(rig.pushes(), ["reservation.wrapup"]);
    assert_eq!(rig.commands(), [LegCommand::EndLeg { call_sid: call_sid.clone() }]);
    rig.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert!(rig.pushes().is_empty());
}

#[test]
fn a_call_that_ends_at_once_is_accepted_before_it_is_wrapped_up() {
    let mut rig = Rig::with_reservation();
    let call_sid = rig.accept();
    rig.give(Event::LegAnswered { call_sid: call_sid.clone() });
    rig.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert_eq!(rig.pushes(), ["reservation.accepted", "reservation.wrapup"]);
    rig.wait(1);
    assert!(rig.pushes().is_empty());
}

#[test]
fn a_reservation_that_nobody_takes_times_out_and_takes_the_agent_offline() {
    let mut rig = Rig::with_reservation();
    assert_eq!(rig.rig.machine.poll_timeout(), Some(after(120)));
    rig.wait(119);
    assert!(rig.pushes().is_empty());
    rig.wait(1);
    assert_eq!(rig.pushes(), ["reservation.timeout", "worker.activity.update"]);
    assert_eq!(rig.activity(), "Offline");
    rig.set_activity("Available", false).unwrap();
    assert_eq!(rig.pushes(), ["worker.activity.update", "reservation.created"], "the customer still waits");
}

#[test]
fn a_rejected_task_waits_until_the_agent_chooses_an_activity() {
    let mut rig = Rig::with_reservation();
    rig.change(ReservationChange::Reject).unwrap();
    assert_eq!(rig.pushes(), ["reservation.rejected"]);
    rig.wait(500);
    assert!(rig.pushes().is_empty());
    rig.set_activity("Available", false).unwrap();
    assert_eq!(rig.pushes(), ["worker.activity.update", "reservation.created"]);
}

#[test]
fn an_agent_who_cannot_be_reached_gets_the_reservation_rejected() {
    for (reason, event) in [
        (LegEnd::Busy, "reservation.rejected"),
        (LegEnd::Failed, "reservation.rejected"),
        (LegEnd::NoAnswer, "reservation.timeout"),
    ] {
        let mut rig = Rig::with_reservation();
        let call_sid = rig.accept();
        rig.give(Event::LegEnded { call_sid, reason });
        assert_eq!(rig.pushes()[0], event);
    }
}

#[test]
fn an_agent_who_is_not_available_is_not_offered_calls() {
    let mut rig = Rig::new();
    rig.set_activity(account::ACTIVITY_VOICE_CLIENT_OFFLINE, false).unwrap();
    rig.give(Event::CustomerCalls { from: "+15550100".to_owned() });
    assert!(rig.pushes().is_empty());
    assert_eq!(rig.space().newest_task().unwrap().reservation_sid, None);
    rig.set_activity("Available", false).unwrap();
    assert!(rig.pushes().contains(&"reservation.created"));
}

#[test]
fn a_second_customer_waits_until_the_first_is_completed() {
    let (mut rig, call_sid) = Rig::with_call();
    rig.give(Event::CustomerCalls { from: "+15550101".to_owned() });
    assert!(rig.pushes().is_empty());
    rig.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert_eq!(rig.pushes(), ["reservation.wrapup"]);
    let first = rig.space().reservations(rig.rig.now)[0]["sid"].as_str().unwrap().to_owned();
    rig.give(Event::Reservation { sid: first, change: ReservationChange::Complete });
    assert_eq!(rig.pushes(), ["reservation.completed", "reservation.created"]);
}

#[test]
fn a_pending_reservation_stands_in_the_way_of_a_new_activity_unless_it_may_be_rejected() {
    let mut rig = Rig::with_reservation();
    let refusal = rig.set_activity("Break", false).unwrap_err();
    assert!(refusal.message.contains("cannot have its activity updated while it has 1 pending reservations"));
    assert_eq!(rig.activity(), "Available");
    rig.set_activity("Break", true).unwrap();
    assert_eq!(rig.pushes(), ["reservation.rejected", "worker.activity.update"]);
}

#[test]
fn an_outbound_task_names_its_worker_before_the_reservation_is_announced() {
    let mut rig = Rig::new();
    let attributes = json!({ "outbound_to": "+15550177", "from": "+15550100000", "direction": "outbound" });
    rig.give(Event::CreateTask { attributes: attributes.as_object().cloned().unwrap() });
    let Some(Command::Push { event: "reservation.created", payload }) =
        rig.said.iter().find(|command| matches!(command, Command::Push { .. }))
    else {
        panic!("{:?}", rig.said)
    };
    assert_eq!(payload["task"]["routing_target"], account::WORKER_SID);
    rig.accept();
    let [LegCommand::CallWorker { from, .. }] = &rig.commands()[..] else { panic!() };
    assert_eq!(from, "+15550177", "the agent sees whom they called");
}

/// An agent who calls a customer, up to the moment when the agent's own leg is answered.
fn outbound(far_end: FarEnd) -> (Rig, CallSid) {
    let mut rig = Rig::new();
    rig.give(Event::FarEnd(far_end));
    let attributes =
        json!({ "outbound_to": "+15550177", "from": account::CALL_CENTRE_NUMBER, "direction": "outbound" });
    rig.give(Event::CreateTask { attributes: attributes.as_object().cloned().unwrap() });
    let call_sid = rig.accept();
    rig.give(Event::LegAnswered { call_sid: call_sid.clone() });
    (rig, call_sid)
}

#[test]
fn an_outbound_call_rings_the_customer_once_the_agent_is_there_and_is_accepted_when_they_pick_up() {
    let (mut rig, call_sid) = outbound(FarEnd { ring_ms: 2000, then: Outcome::Answer });
    assert!(rig.pushes().is_empty(), "the reservation is pending while it rings");
    assert_eq!(rig.commands(), [LegCommand::SetLine { call_sid: call_sid.clone(), line: Line::Ringing }]);
    assert_eq!(rig.rig.machine.poll_timeout(), Some(after(2)));
    rig.wait(2);
    assert_eq!(rig.commands(), [LegCommand::SetLine { call_sid: call_sid.clone(), line: Line::Talking }]);
    assert_eq!(rig.pushes(), ["task.updated"]);
    rig.wait(1);
    assert_eq!(rig.pushes(), ["reservation.accepted"]);
    rig.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert_eq!(rig.pushes(), ["reservation.wrapup"]);
}

#[test]
fn a_customer_who_cannot_be_reached_cancels_the_outbound_call_with_the_reason() {
    for (then, code) in [(Outcome::Busy, 45303), (Outcome::NoAnswer, 45305), (Outcome::InvalidNumber, 13223)]
    {
        let (mut rig, call_sid) = outbound(FarEnd { ring_ms: 1000, then });
        rig.wait(1);
        assert_eq!(rig.commands(), [LegCommand::EndLeg { call_sid: call_sid.clone() }]);
        let [Command::Push { event: "reservation.canceled", payload }] =
            &rig.said.iter().filter(|e| matches!(e, Command::Push { .. })).collect::<Vec<_>>()[..]
        else {
            panic!("{:?}", rig.said)
        };
        assert_eq!(payload["canceled_reason_code"], code);
        rig.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
        assert!(rig.said.is_empty(), "the end of the leg is no news");
    }
}

#[test]
fn an_agent_may_cancel_while_the_customers_telephone_rings() {
    let (mut rig, call_sid) = outbound(FarEnd { ring_ms: 0, then: Outcome::Wait });
    rig.wait(60);
    assert!(rig.said.is_empty(), "it rings until somebody says what happens");
    rig.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert_eq!(rig.pushes(), ["reservation.canceled"]);
    assert!(rig.space().newest_task().is_none());
    rig.wait(300);
    assert!(rig.said.is_empty(), "nothing rings any more");
    assert_eq!(rig.rig.machine.poll_timeout(), None);
}

#[test]
fn a_ringing_customer_answers_or_refuses_when_told_to_and_only_then() {
    let (mut rig, call_sid) = outbound(FarEnd { ring_ms: 0, then: Outcome::Wait });
    let sid = call_sid.as_str().to_owned();
    rig.give(Event::CustomerAnswers { sid: sid.clone() });
    assert_eq!(rig.pushes(), ["task.updated"]);
    let again = rig.try_give(Event::CustomerRefuses { sid, why: Unreached::Busy });
    assert_eq!(again.unwrap_err().status, 400);
}

#[test]
fn an_agent_on_a_break_may_call_out_but_not_one_who_is_offline() {
    let attributes = json!({ "outbound_to": "+15550177", "direction": "outbound" });
    let call_out = |activity: &str| {
        let mut rig = Rig::new();
        rig.set_activity(activity, false).unwrap();
        rig.give(Event::CreateTask { attributes: attributes.as_object().cloned().unwrap() });
        rig.pushes()
    };
    assert_eq!(call_out("Break"), ["reservation.created"]);
    assert!(call_out("Offline").is_empty());
}

#[test]
fn attributes_that_somebody_else_changes_are_merged_and_announced() {
    let mut rig = Rig::new();
    let patch = json!({ "extensionVoiceClientEnabled": false, "contact_uri": null });
    rig.give(Event::MergeAttributes(patch.as_object().cloned().unwrap()));
    assert_eq!(rig.pushes(), ["worker.attributes.update"]);
    assert_eq!(
        rig.space().summary()["worker"]["attributes"],
        json!({ "extensionVoiceClientEnabled": false })
    );
}

#[test]
fn a_write_that_names_an_old_version_is_refused_and_changes_nothing() {
    let mut rig = Rig::new();
    let write = |version: &str| Event::UpdateWorker {
        activity_sid: None,
        attributes: json!({ "full_name": "Ada" }).as_object().cloned(),
        reject_pending_reservations: false,
        version: Some(version.to_owned()),
    };
    rig.give(write("1"));
    let before = rig.space().worker();
    assert_eq!(rig.try_give(write("1")).unwrap_err().status, 412);
    assert_eq!(rig.space().worker(), before);
    rig.give(write("2"));
}

#[test]
fn a_status_that_a_task_cannot_take_is_refused_with_its_attributes() {
    let mut rig = Rig::with_reservation();
    let task_sid = rig.space().newest_task().unwrap().task_sid;
    let before = rig.space().task(&task_sid, rig.rig.now).unwrap();
    let refused = rig.try_give(Event::UpdateTask {
        sid: task_sid.clone(),
        attributes: json!({ "from": "somebody else" }).as_object().cloned(),
        status: Some("completed".to_owned()),
        reason: None,
    });
    assert_eq!(refused.unwrap_err().status, 400);
    assert_eq!(rig.space().task(&task_sid, rig.rig.now).unwrap(), before);
}

/// A supervisor who asks to listen to the colleague's call, up to the answer.
fn supervised() -> (Rig, CallSid, String) {
    let mut rig = Rig::new();
    rig.give(Event::ColleagueCall { from: "+15550140".to_owned() });
    assert!(rig.pushes().is_empty(), "the agent is not told of a colleague's reservation");
    let reservation_sid =
        rig.space().summary()["colleague"][0]["reservation_sid"].as_str().unwrap().to_owned();
    rig.give(Event::Supervise { reservation_sid: reservation_sid.clone(), to: None });
    let [LegCommand::CallWorker { call_sid, to, from, .. }] = &rig.commands()[..] else {
        panic!("{:?}", rig.said)
    };
    assert_eq!((to.as_str(), from.as_str()), ("ext_agent_40example_2Ecom", "+15550140"));
    let call_sid = call_sid.clone();
    rig.give(Event::LegAnswered { call_sid: call_sid.clone() });
    (rig, call_sid, reservation_sid)
}

#[test]
fn a_supervisor_is_called_and_listens_until_they_hang_up() {
    let (mut rig, call_sid, _) = supervised();
    assert_eq!(rig.commands(), [LegCommand::SetLine { call_sid: call_sid.clone(), line: Line::Listening }]);
    assert_eq!(rig.items(), HashMap::from([(call_sid.as_str().to_owned(), "joined".to_owned())]));
    rig.give(Event::LegEnded { call_sid: call_sid.clone(), reason: LegEnd::Completed });
    assert_eq!(rig.items(), HashMap::from([(call_sid.as_str().to_owned(), "left".to_owned())]));
    assert_eq!(rig.space().summary()["colleague"].as_array().unwrap().len(), 1, "the call goes on");
}

#[test]
fn the_end_of_the_colleagues_call_ends_the_supervisors_leg() {
    let (mut rig, call_sid, reservation_sid) = supervised();
    rig.give(Event::ColleagueHangsUp { sid: reservation_sid.clone() });
    assert_eq!(rig.commands(), [LegCommand::EndLeg { call_sid }]);
    assert!(rig.items().values().all(|status| status == "left"));
    let again = rig.try_give(Event::Supervise { reservation_sid, to: None });
    assert_eq!(again.unwrap_err().status, 404);
}

#[test]
fn a_coach_is_heard_on_their_own_leg_and_no_longer_when_that_is_over() {
    let (mut rig, call_sid, reservation_sid) = supervised();
    for (coach, line) in [(true, Line::Coaching), (false, Line::Listening)] {
        rig.give(Event::Coach { sid: reservation_sid.clone(), coach });
        assert_eq!(rig.commands(), [LegCommand::SetLine { call_sid: call_sid.clone(), line }]);
    }
}

/// A live call that the agent is handing over, in a conference that outlives them.
fn handed_over(mode: TransferMode) -> (Rig, CallSid, String) {
    let (mut rig, call_sid) = Rig::with_call();
    let reservation_sid = rig.reservation_sid();
    rig.give(Event::UpdateAgent {
        sid: reservation_sid.clone(),
        end_conference_on_exit: Some(false),
        mute: None,
        hold: None,
        kick: false,
    });
    let to = account::COLLEAGUE_WORKER_SID.to_owned();
    rig.give(Event::Transfer { reservation_sid: reservation_sid.clone(), to, mode });
    (rig, call_sid, reservation_sid)
}

#[test]
fn a_warm_transfer_leaves_the_agent_in_the_call_until_they_hang_up_and_the_customer_after_that() {
    let (mut rig, call_sid, reservation_sid) = handed_over(TransferMode::Warm);
    assert_eq!(rig.pushes(), ["task.transfer-initiated"]);
    assert!(rig.commands().is_empty(), "the agent's telephone is left alone");
    let to = account::COLLEAGUE_WORKER_SID.to_owned();
    let again = Event::Transfer { reservation_sid: reservation_sid.clone(), to, mode: TransferMode::Warm };
    assert_eq!(rig.try_give(again).unwrap_err().status, 400, "one at a time");
    let listed = &rig.space().reservations(rig.rig.now)[0];
    assert_eq!(listed["active_outgoing_task_transfer"]["transfer_status"], "initiated", "after a reload");

    rig.give(Event::TransferAnswered { sid: reservation_sid.clone(), takes: true });
    assert_eq!(rig.pushes(), ["task.transfer-completed"]);
    assert_eq!(rig.items().into_values().collect::<Vec<_>>(), ["joined"]);
    assert!(rig.space().reservations(rig.rig.now)[0].get("active_outgoing_task_transfer").is_none());
    rig.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert_eq!(rig.pushes(), ["reservation.wrapup"]);
    let summary = rig.space().summary();
    assert_eq!(summary["tasks"][0]["customer"]["left"], false);
    assert_eq!(summary["tasks"][0]["transfer"]["colleague"], "joined");
    rig.give(Event::CustomerHungUp { sid: reservation_sid });
    assert_eq!(rig.space().summary()["tasks"][0]["transfer"]["colleague"], "left");
}

#[test]
fn a_cold_transfer_takes_the_agent_out_at_once_and_leaves_the_customer_waiting() {
    let (mut rig, call_sid, reservation_sid) = handed_over(TransferMode::Cold);
    assert_eq!(rig.commands(), [LegCommand::EndLeg { call_sid: call_sid.clone() }]);
    assert_eq!(rig.pushes(), ["task.transfer-initiated", "reservation.wrapup"]);
    assert_eq!(rig.space().summary()["tasks"][0]["customer"]["left"], false);
    rig.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    rig.give(Event::TransferAnswered { sid: reservation_sid, takes: true });
    assert_eq!(rig.pushes(), ["task.transfer-completed"]);
}

#[test]
fn a_transfer_may_be_declined_or_taken_back_and_the_call_goes_on() {
    for takes_back in [false, true] {
        let (mut rig, _, reservation_sid) = handed_over(TransferMode::Warm);
        let transfer = rig.space().transfer_of(&reservation_sid).unwrap();
        let sid = transfer["sid"].as_str().unwrap().to_owned();
        let (event, told) = if takes_back {
            (Event::CancelTransfer { sid: sid.clone() }, "task.transfer-canceled")
        } else {
            (Event::TransferAnswered { sid: sid.clone(), takes: false }, "task.transfer-failed")
        };
        rig.give(event);
        assert_eq!(rig.pushes(), [told]);
        assert!(rig.commands().is_empty());
        let late = rig.try_give(Event::TransferAnswered { sid, takes: true });
        assert_eq!(late.unwrap_err().status, 400);
    }
}

#[test]
fn whoever_took_the_call_over_can_be_held_and_removed() {
    let (mut rig, _, task_sid) = handed_over(TransferMode::Warm);
    let colleague = |hold, kick| Event::UpdateColleague { task_sid: task_sid.clone(), hold, kick };
    assert_eq!(rig.try_give(colleague(Some(true), false)).unwrap_err().status, 400, "not there yet");
    rig.give(Event::TransferAnswered { sid: task_sid.clone(), takes: true });
    rig.give(colleague(Some(true), false));
    let Some(Command::ConferenceItem { data, .. }) = rig.said.first() else { panic!("{:?}", rig.said) };
    assert_eq!((&data["hold"], &data["worker_sid"]), (&json!(true), &json!(account::COLLEAGUE_WORKER_SID)));
    rig.give(colleague(None, true));
    assert_eq!(rig.items().into_values().collect::<Vec<_>>(), ["left"]);
    assert_eq!(rig.space().summary()["tasks"][0]["agent"]["state"], "joined", "the agent's call goes on");
}

#[test]
fn a_conference_that_is_ended_for_everyone_is_over_for_everyone() {
    let (mut rig, call_sid, task_sid) = handed_over(TransferMode::Warm);
    rig.give(Event::TransferAnswered { sid: task_sid.clone(), takes: true });
    rig.give(Event::EndConference { task_sid: task_sid.clone() });
    assert_eq!(rig.commands(), [LegCommand::EndLeg { call_sid }]);
    assert_eq!(rig.pushes(), ["reservation.wrapup", "task.wrapup"]);
    assert_eq!(rig.items().into_values().collect::<Vec<_>>(), ["left"; 3]);
    assert_eq!(rig.try_give(Event::EndConference { task_sid }).unwrap_err().status, 400);
}

#[test]
fn hold_reaches_the_conference_and_the_telephone() {
    let (mut rig, call_sid) = Rig::with_call();
    let task_sid = rig.space().newest_task().unwrap().task_sid;
    rig.give(Event::UpdateCustomer { task_sid, hold: Some(true) });
    assert_eq!(rig.commands(), [LegCommand::SetLine { call_sid, line: Line::Held }]);
    let Some(Command::ConferenceItem { data, .. }) = rig.said.first() else { panic!("{:?}", rig.said) };
    assert_eq!(data["hold"], true);
}

#[test]
fn a_reset_ends_calls_and_tasks_and_puts_the_worker_back() {
    let (mut rig, call_sid) = Rig::with_call();
    let attributes = json!({ "contact_uri": "client:other" });
    rig.give(Event::UpdateWorker {
        activity_sid: rig.space().activity_sid("Break"),
        attributes: attributes.as_object().cloned(),
        reject_pending_reservations: true,
        version: None,
    });
    rig.give(Event::Reset);
    assert_eq!(rig.commands(), [LegCommand::EndLeg { call_sid }]);
    assert_eq!(rig.activity(), "Available");
    assert!(rig.space().reservations(rig.rig.now).is_empty());
    assert!(rig.space().worker()["attributes"].as_str().unwrap().contains("ext_agent"));
}

#[test]
fn what_flex_reads_has_every_field_that_its_taskrouter_client_demands() {
    let (rig, _) = Rig::with_call();
    let reservation = &rig.space().reservations(rig.rig.now)[0];
    let has = |value: &Value, names: &[&str]| {
        for name in names {
            assert!(value.get(name).is_some(), "{name} is missing");
        }
    };
    // The lists of the client's own checks (twilio-taskrouter 2.1.1).
    has(
        reservation,
        &[
            "account_sid",
            "date_created",
            "date_updated",
            "reservation_status",
            "sid",
            "task",
            "reservation_timeout",
            "worker_sid",
            "workspace_sid",
            "version",
        ],
    );
    has(
        &reservation["task"],
        &[
            "addons",
            "age",
            "attributes",
            "date_created",
            "date_updated",
            "priority",
            "queue_name",
            "queue_sid",
            "reason",
            "routing_target",
            "sid",
            "assignment_status",
            "task_channel_unique_name",
            "task_channel_sid",
            "timeout",
            "workflow_name",
            "workflow_sid",
            "version",
            "virtual_start_time",
        ],
    );
    has(
        &rig.space().channels()[0],
        &[
            "account_sid",
            "assigned_tasks",
            "available",
            "available_capacity_percentage",
            "configured_capacity",
            "date_created",
            "date_updated",
            "last_reserved_time",
            "sid",
            "task_channel_sid",
            "task_channel_unique_name",
            "worker_sid",
            "workspace_sid",
        ],
    );
}

/// What the property test does next; `usize` chooses among what exists.
#[derive(Debug, Clone)]
enum Step {
    Customer,
    Outbound,
    Change(usize, u8),
    Answer(usize),
    End(usize, u8),
    HangUp(usize),
    Activity(usize, bool),
    Transfer(usize, bool),
    TransferAnswer(usize, bool),
    EndForAll(usize),
    Wait(u16),
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Customer),
        1 => Just(Step::Outbound),
        8 => (0_usize..4, 0_u8..5).prop_map(|(which, how)| Step::Change(which, how)),
        4 => (0_usize..4).prop_map(Step::Answer),
        3 => (0_usize..4, 0_u8..4).prop_map(|(which, how)| Step::End(which, how)),
        2 => (0_usize..4).prop_map(Step::HangUp),
        3 => (0_usize..4, any::<bool>()).prop_map(|(which, reject)| Step::Activity(which, reject)),
        2 => (0_usize..4, any::<bool>()).prop_map(|(which, warm)| Step::Transfer(which, warm)),
        2 => (0_usize..4, any::<bool>()).prop_map(|(which, takes)| Step::TransferAnswer(which, takes)),
        1 => (0_usize..4).prop_map(Step::EndForAll),
        3 => (0_u16..200).prop_map(Step::Wait),
        1 => Just(Step::Reset),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_reservations_and_calls_stay_in_order(steps in prop::collection::vec(step(), 1..60)) {
        let mut rig = rig::Rig::new(machine(), START);
        let mut calls: Vec<CallSid> = Vec::new();
        let mut answered: Vec<CallSid> = Vec::new();
        let mut last: HashMap<String, &'static str> = HashMap::new();
        for step in steps {
            let tasks = rig.machine.workspace().summary()["tasks"].as_array().cloned().unwrap_or_default();
            let names = ["Offline", "Available", "Break", "Voice Client Offline"];
            let event = match step {
                Step::Customer => Event::CustomerCalls { from: "+15550100".to_owned() },
                Step::Outbound => Event::CreateTask { attributes: Attributes::new() },
                Step::Change(which, how) => {
                    let Some(sid) = tasks.get(which).and_then(|task| task["reservation_sid"].as_str()) else { continue };
                    let change = match how {
                        0 => ReservationChange::Call { to: None, end_conference_on_exit: which % 2 == 0 },
                        1 => ReservationChange::Accept,
                        2 => ReservationChange::Reject,
                        3 => ReservationChange::Wrap,
                        _ => ReservationChange::Complete,
                    };
                    Event::Reservation { sid: sid.to_owned(), change }
                }
                Step::Answer(which) => {
                    let Some(call_sid) = calls.iter().rev().nth(which).cloned() else { continue };
                    answered.push(call_sid.clone());
                    Event::LegAnswered { call_sid }
                }
                Step::End(which, how) => {
                    let Some(call_sid) = calls.iter().rev().nth(which).cloned() else { continue };
                    let reason = [LegEnd::Completed, LegEnd::Busy, LegEnd::NoAnswer, LegEnd::Failed][usize::from(how)];
                    Event::LegEnded { call_sid, reason }
                }
                Step::HangUp(which) => {
                    let Some(sid) = tasks.get(which).and_then(|task| task["task_sid"].as_str()) else { continue };
                    Event::CustomerHungUp { sid: sid.to_owned() }
                }
                Step::Transfer(which, warm) => {
                    let Some(sid) = tasks.get(which).and_then(|task| task["reservation_sid"].as_str()) else { continue };
                    Event::Transfer {
                        reservation_sid: sid.to_owned(),
                        to: account::COLLEAGUE_WORKER_SID.to_owned(),
                        mode: if warm { TransferMode::Warm } else { TransferMode::Cold },
                    }
                }
                Step::TransferAnswer(which, takes) => {
                    let Some(sid) = tasks.get(which).and_then(|task| task["task_sid"].as_str()) else { continue };
                    Event::TransferAnswered { sid: sid.to_owned(), takes }
                }
                Step::EndForAll(which) => {
                    let Some(sid) = tasks.get(which).and_then(|task| task["task_sid"].as_str()) else { continue };
                    Event::EndConference { task_sid: sid.to_owned() }
                }
                Step::Activity(which, reject) => Event::UpdateWorker {
                    activity_sid: rig.machine.workspace().activity_sid(names[which]),
                    attributes: None,
                    reject_pending_reservations: reject,
                    version: None,
                },
                Step::Wait(seconds) => {
                    rig.pass(1_000 * u64::from(seconds));
                    Event::FarEnd(FarEnd::default())
                }
                Step::Reset => Event::Reset,
            };
            let before = rig.machine.workspace().summary();
            rig.event(event);
            let commands = rig.take();
            if matches!(commands[..], [Command::Refuse(_)]) {
                prop_assert_eq!(before, rig.machine.workspace().summary(), "a refusal changes nothing");
                continue;
            }
            for command in commands {
                match command {
                    Command::Leg(LegCommand::CallWorker { call_sid, .. }) => {
                        prop_assert!(!calls.contains(&call_sid), "call SIDs are never used twice");
                        calls.push(call_sid);
                    }
                    Command::Push { event, payload } if event.starts_with("reservation.") => {
                        let sid = payload["sid"].as_str().unwrap().to_owned();
                        let allowed: &[Option<&str>] = match event {
                            "reservation.created" => &[None],
                            "reservation.accepted" | "reservation.rejected" | "reservation.timeout"
                            | "reservation.canceled" => &[Some("reservation.created")],
                            "reservation.wrapup" => &[Some("reservation.accepted")],
                            "reservation.completed" => &[Some("reservation.accepted"), Some("reservation.wrapup")],
                            _ => &[],
                        };
                        prop_assert!(allowed.contains(&last.get(&sid).copied()), "{:?} then {}", last.get(&sid), event);
                        last.insert(sid, event);
                    }
                    _ => {}
                }
            }
            for task in rig.machine.workspace().summary()["tasks"].as_array().unwrap() {
                let leg = &task["agent"];
                if task["reservation_status"] == "accepted" && !leg.is_null() {
                    let call_sid = leg["call_sid"].as_str().unwrap();
                    prop_assert!(
                        answered.iter().any(|known| known.as_str() == call_sid),
                        "accepted means answered"
                    );
                    prop_assert_eq!(&leg["state"], "joined");
                }
            }
            let inbound_open = rig.machine.workspace().summary()["tasks"].as_array().unwrap().iter()
                .filter(|task| !task["reservation_sid"].is_null() && task["direction"] == "inbound").count();
            prop_assert!(inbound_open <= 1, "capacity is one");
        }
    }
}
