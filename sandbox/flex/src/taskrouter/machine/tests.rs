use std::collections::HashMap;
use std::time::Duration;

use kernel::CallSid;
use proptest::prelude::*;
use sansio::Machine as _;
use sansio::rig::Rig;
use serde_json::{Value, json};

use super::event::{Attributes, ReservationChange, TransferMode};
use super::*;
use crate::api::{FarEnd, LegCommand, LegEnd, Line, Outcome, Unreached};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn machine() -> Machine {
    let contact = json!({ "contact_uri": "client:ext_agent_40example_2Ecom" });
    let options = Options {
        seed: [7; 32],
        reservation_timeout: Duration::from_secs(120),
        voice_capacity: 1,
        initial_activity: account::ACTIVITY_AVAILABLE.to_owned(),
        worker_attributes: contact.as_object().cloned().unwrap(),
    };
    Machine::new(options, START)
}

fn after(seconds: u64) -> Timestamp {
    START.plus(1_000 * seconds)
}

/// The bench of a test: a machine, the time, and what it said.
struct Bench {
    rig: Rig<Machine>,
    said: Vec<Command>,
}

impl Bench {
    fn new() -> Self {
        Self { rig: Rig::new(machine(), START), said: Vec::new() }
    }

    fn with_reservation() -> Self {
        let mut bench = Self::new();
        bench.give(Event::CustomerCalls { from: "+15550100".to_owned() });
        bench
    }

    fn with_call() -> (Self, CallSid) {
        let mut bench = Self::with_reservation();
        let call_sid = bench.accept();
        bench.give(Event::LegAnswered { call_sid: call_sid.clone() });
        bench.wait(1);
        (bench, call_sid)
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
    let mut bench = Bench::with_reservation();
    assert_eq!(bench.pushes(), ["reservation.created"]);

    let call_sid = bench.accept();
    assert!(bench.pushes().is_empty(), "accepting means calling; accepted is what is answered");
    bench.give(Event::LegAnswered { call_sid: call_sid.clone() });
    assert_eq!(
        bench.pushes(),
        ["task.updated"],
        "the conference is known before the reservation is accepted"
    );
    assert_eq!(bench.items().len(), 2);
    assert!(bench.items().values().all(|status| status == "joined"));
    bench.wait(1);
    assert_eq!(bench.pushes(), ["reservation.accepted"]);

    bench.give(Event::LegEnded { call_sid: call_sid.clone(), reason: LegEnd::Completed });
    assert_eq!(bench.pushes(), ["reservation.wrapup"]);
    assert!(bench.items().values().all(|status| status == "left"), "the conference ended with the agent");
    bench.change(ReservationChange::Complete).unwrap();
    assert_eq!(bench.pushes(), ["reservation.completed"]);
    assert!(bench.space().reservations(bench.rig.now).is_empty());
    assert!(bench.space().newest_task().is_none());
}

#[test]
fn the_query_of_a_contact_uri_becomes_custom_parameters() {
    let mut bench = Bench::with_reservation();
    let to = Some("client:ext_agent?flex_session_identifier=4f9f".to_owned());
    bench.change(ReservationChange::Call { to, end_conference_on_exit: true }).unwrap();
    let [LegCommand::CallWorker { to, parameters, from, .. }] = &bench.commands()[..] else {
        panic!("{:?}", bench.said)
    };
    assert_eq!(to.as_str(), "ext_agent");
    assert_eq!(parameters["flex_session_identifier"], "4f9f");
    assert_eq!(from, "+15550100");
}

#[test]
fn a_contact_uri_that_is_not_a_client_is_refused_and_changes_nothing() {
    let mut bench = Bench::with_reservation();
    let to = Some("+15550199".to_owned());
    let refusal = bench.change(ReservationChange::Call { to, end_conference_on_exit: true }).unwrap_err();
    assert_eq!(refusal.status, 400);
    bench.accept();
}

#[test]
fn accepting_twice_calls_the_agent_once() {
    let mut bench = Bench::with_reservation();
    bench.accept();
    let again = bench.change(ReservationChange::Call { to: None, end_conference_on_exit: true });
    assert_eq!(again.unwrap_err().status, 400);
}

#[test]
fn a_customer_who_hangs_up_before_the_answer_cancels_reservation_and_call() {
    let mut bench = Bench::with_reservation();
    let call_sid = bench.accept();
    let task = bench.space().newest_task().unwrap().task_sid;
    bench.give(Event::CustomerHungUp { sid: task });
    assert_eq!(bench.pushes(), ["reservation.canceled"]);
    assert_eq!(bench.commands(), [LegCommand::EndLeg { call_sid: call_sid.clone() }]);
    bench.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert!(bench.said.is_empty(), "the end of the leg is no news");
}

#[test]
fn a_customer_who_hangs_up_during_the_call_ends_the_agents_leg_and_begins_wrap_up() {
    let (mut bench, call_sid) = Bench::with_call();
    bench.give(Event::CustomerHungUp { sid: call_sid.as_str().to_owned() });
    assert_eq!(bench.pushes(), ["reservation.wrapup"]);
    assert_eq!(bench.commands(), [LegCommand::EndLeg { call_sid: call_sid.clone() }]);
    bench.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert!(bench.pushes().is_empty());
}

#[test]
fn a_call_that_ends_at_once_is_accepted_before_it_is_wrapped_up() {
    let mut bench = Bench::with_reservation();
    let call_sid = bench.accept();
    bench.give(Event::LegAnswered { call_sid: call_sid.clone() });
    bench.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert_eq!(bench.pushes(), ["reservation.accepted", "reservation.wrapup"]);
    bench.wait(1);
    assert!(bench.pushes().is_empty());
}

#[test]
fn a_reservation_that_nobody_takes_times_out_and_takes_the_agent_offline() {
    let mut bench = Bench::with_reservation();
    assert_eq!(bench.rig.machine.poll_timeout(), Some(after(120)));
    bench.wait(119);
    assert!(bench.pushes().is_empty());
    bench.wait(1);
    assert_eq!(bench.pushes(), ["reservation.timeout", "worker.activity.update"]);
    assert_eq!(bench.activity(), "Offline");
    bench.set_activity("Available", false).unwrap();
    assert_eq!(bench.pushes(), ["worker.activity.update", "reservation.created"], "the customer still waits");
}

#[test]
fn a_rejected_task_waits_until_the_agent_chooses_an_activity() {
    let mut bench = Bench::with_reservation();
    bench.change(ReservationChange::Reject).unwrap();
    assert_eq!(bench.pushes(), ["reservation.rejected"]);
    bench.wait(500);
    assert!(bench.pushes().is_empty());
    bench.set_activity("Available", false).unwrap();
    assert_eq!(bench.pushes(), ["worker.activity.update", "reservation.created"]);
}

#[test]
fn an_agent_who_cannot_be_reached_gets_the_reservation_rejected() {
    for (reason, event) in [
        (LegEnd::Busy, "reservation.rejected"),
        (LegEnd::Failed, "reservation.rejected"),
        (LegEnd::NoAnswer, "reservation.timeout"),
    ] {
        let mut bench = Bench::with_reservation();
        let call_sid = bench.accept();
        bench.give(Event::LegEnded { call_sid, reason });
        assert_eq!(bench.pushes()[0], event);
    }
}

#[test]
fn an_agent_who_is_not_available_is_not_offered_calls() {
    let mut bench = Bench::new();
    bench.set_activity(account::ACTIVITY_VOICE_CLIENT_OFFLINE, false).unwrap();
    bench.give(Event::CustomerCalls { from: "+15550100".to_owned() });
    assert!(bench.pushes().is_empty());
    assert_eq!(bench.space().newest_task().unwrap().reservation_sid, None);
    bench.set_activity("Available", false).unwrap();
    assert!(bench.pushes().contains(&"reservation.created"));
}

#[test]
fn a_second_customer_waits_until_the_first_is_completed() {
    let (mut bench, call_sid) = Bench::with_call();
    bench.give(Event::CustomerCalls { from: "+15550101".to_owned() });
    assert!(bench.pushes().is_empty());
    bench.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert_eq!(bench.pushes(), ["reservation.wrapup"]);
    let first = bench.space().reservations(bench.rig.now)[0]["sid"].as_str().unwrap().to_owned();
    bench.give(Event::Reservation { sid: first, change: ReservationChange::Complete });
    assert_eq!(bench.pushes(), ["reservation.completed", "reservation.created"]);
}

#[test]
fn a_pending_reservation_stands_in_the_way_of_a_new_activity_unless_it_may_be_rejected() {
    let mut bench = Bench::with_reservation();
    let refusal = bench.set_activity("Break", false).unwrap_err();
    assert!(refusal.message.contains("cannot have its activity updated while it has 1 pending reservations"));
    assert_eq!(bench.activity(), "Available");
    bench.set_activity("Break", true).unwrap();
    assert_eq!(bench.pushes(), ["reservation.rejected", "worker.activity.update"]);
}

#[test]
fn an_outbound_task_names_its_worker_before_the_reservation_is_announced() {
    let mut bench = Bench::new();
    let attributes = json!({ "outbound_to": "+15550177", "from": "+15550100000", "direction": "outbound" });
    bench.give(Event::CreateTask { attributes: attributes.as_object().cloned().unwrap() });
    let Some(Command::Push { event: "reservation.created", payload }) =
        bench.said.iter().find(|command| matches!(command, Command::Push { .. }))
    else {
        panic!("{:?}", bench.said)
    };
    assert_eq!(payload["task"]["routing_target"], account::WORKER_SID);
    bench.accept();
    let [LegCommand::CallWorker { from, .. }] = &bench.commands()[..] else { panic!() };
    assert_eq!(from, "+15550177", "the agent sees whom they called");
}

/// An agent who calls a customer, up to the moment when the agent's own leg is answered.
fn outbound(far_end: FarEnd) -> (Bench, CallSid) {
    let mut bench = Bench::new();
    bench.give(Event::FarEnd(far_end));
    let attributes =
        json!({ "outbound_to": "+15550177", "from": account::CALL_CENTRE_NUMBER, "direction": "outbound" });
    bench.give(Event::CreateTask { attributes: attributes.as_object().cloned().unwrap() });
    let call_sid = bench.accept();
    bench.give(Event::LegAnswered { call_sid: call_sid.clone() });
    (bench, call_sid)
}

#[test]
fn an_outbound_call_rings_the_customer_once_the_agent_is_there_and_is_accepted_when_they_pick_up() {
    let (mut bench, call_sid) = outbound(FarEnd { ring_ms: 2000, then: Outcome::Answer });
    assert!(bench.pushes().is_empty(), "the reservation is pending while it rings");
    assert_eq!(bench.commands(), [LegCommand::SetLine { call_sid: call_sid.clone(), line: Line::Ringing }]);
    assert_eq!(bench.rig.machine.poll_timeout(), Some(after(2)));
    bench.wait(2);
    assert_eq!(bench.commands(), [LegCommand::SetLine { call_sid: call_sid.clone(), line: Line::Talking }]);
    assert_eq!(bench.pushes(), ["task.updated"]);
    bench.wait(1);
    assert_eq!(bench.pushes(), ["reservation.accepted"]);
    bench.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert_eq!(bench.pushes(), ["reservation.wrapup"]);
}

#[test]
fn a_customer_who_cannot_be_reached_cancels_the_outbound_call_with_the_reason() {
    for (then, code) in [(Outcome::Busy, 45303), (Outcome::NoAnswer, 45305), (Outcome::InvalidNumber, 13223)]
    {
        let (mut bench, call_sid) = outbound(FarEnd { ring_ms: 1000, then });
        bench.wait(1);
        assert_eq!(bench.commands(), [LegCommand::EndLeg { call_sid: call_sid.clone() }]);
        let [Command::Push { event: "reservation.canceled", payload }] =
            &bench.said.iter().filter(|e| matches!(e, Command::Push { .. })).collect::<Vec<_>>()[..]
        else {
            panic!("{:?}", bench.said)
        };
        assert_eq!(payload["canceled_reason_code"], code);
        bench.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
        assert!(bench.said.is_empty(), "the end of the leg is no news");
    }
}

#[test]
fn an_agent_may_cancel_while_the_customers_telephone_rings() {
    let (mut bench, call_sid) = outbound(FarEnd { ring_ms: 0, then: Outcome::Wait });
    bench.wait(60);
    assert!(bench.said.is_empty(), "it rings until somebody says what happens");
    bench.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert_eq!(bench.pushes(), ["reservation.canceled"]);
    assert!(bench.space().newest_task().is_none());
    assert_eq!(bench.rig.machine.poll_timeout(), None);
}

#[test]
fn a_ringing_customer_answers_or_refuses_when_told_to_and_only_then() {
    let (mut bench, call_sid) = outbound(FarEnd { ring_ms: 0, then: Outcome::Wait });
    let sid = call_sid.as_str().to_owned();
    bench.give(Event::CustomerAnswers { sid: sid.clone() });
    assert_eq!(bench.pushes(), ["task.updated"]);
    let again = bench.try_give(Event::CustomerRefuses { sid, why: Unreached::Busy });
    assert_eq!(again.unwrap_err().status, 400);
}

#[test]
fn an_agent_on_a_break_may_call_out_but_not_one_who_is_offline() {
    let attributes = json!({ "outbound_to": "+15550177", "direction": "outbound" });
    let call_out = |activity: &str| {
        let mut bench = Bench::new();
        bench.set_activity(activity, false).unwrap();
        bench.give(Event::CreateTask { attributes: attributes.as_object().cloned().unwrap() });
        bench.pushes()
    };
    assert_eq!(call_out("Break"), ["reservation.created"]);
    assert!(call_out("Offline").is_empty());
}

#[test]
fn attributes_that_somebody_else_changes_are_merged_and_announced() {
    let mut bench = Bench::new();
    let patch = json!({ "extensionVoiceClientEnabled": false, "contact_uri": null });
    bench.give(Event::MergeAttributes(patch.as_object().cloned().unwrap()));
    assert_eq!(bench.pushes(), ["worker.attributes.update"]);
    assert_eq!(
        bench.space().summary()["worker"]["attributes"],
        json!({ "extensionVoiceClientEnabled": false })
    );
}

#[test]
fn a_write_that_names_an_old_version_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    let write = |version: &str| Event::UpdateWorker {
        activity_sid: None,
        attributes: json!({ "full_name": "Ada" }).as_object().cloned(),
        reject_pending_reservations: false,
        version: Some(version.to_owned()),
    };
    bench.give(write("1"));
    let before = bench.space().worker();
    assert_eq!(bench.try_give(write("1")).unwrap_err().status, 412);
    assert_eq!(bench.space().worker(), before);
    bench.give(write("2"));
}

#[test]
fn a_status_that_a_task_cannot_take_is_refused_with_its_attributes() {
    let mut bench = Bench::with_reservation();
    let task_sid = bench.space().newest_task().unwrap().task_sid;
    let before = bench.space().task(&task_sid, bench.rig.now).unwrap();
    let refused = bench.try_give(Event::UpdateTask {
        sid: task_sid.clone(),
        attributes: json!({ "from": "somebody else" }).as_object().cloned(),
        status: Some("completed".to_owned()),
    });
    assert_eq!(refused.unwrap_err().status, 400);
    assert_eq!(bench.space().task(&task_sid, bench.rig.now).unwrap(), before);
}

/// A supervisor who asks to listen to the colleague's call, up to the answer.
fn supervised() -> (Bench, CallSid, String) {
    let mut bench = Bench::new();
    bench.give(Event::ColleagueCall { from: "+15550140".to_owned() });
    assert!(bench.pushes().is_empty(), "the agent is not told of a colleague's reservation");
    let reservation_sid =
        bench.space().summary()["colleague"][0]["reservation_sid"].as_str().unwrap().to_owned();
    bench.give(Event::Supervise { reservation_sid: reservation_sid.clone(), to: None });
    let [LegCommand::CallWorker { call_sid, to, from, .. }] = &bench.commands()[..] else {
        panic!("{:?}", bench.said)
    };
    assert_eq!((to.as_str(), from.as_str()), ("ext_agent_40example_2Ecom", "+15550140"));
    let call_sid = call_sid.clone();
    bench.give(Event::LegAnswered { call_sid: call_sid.clone() });
    (bench, call_sid, reservation_sid)
}

#[test]
fn a_supervisor_is_called_and_listens_until_they_hang_up() {
    let (mut bench, call_sid, _) = supervised();
    assert_eq!(bench.commands(), [LegCommand::SetLine { call_sid: call_sid.clone(), line: Line::Listening }]);
    assert_eq!(bench.items(), HashMap::from([(call_sid.as_str().to_owned(), "joined".to_owned())]));
    bench.give(Event::LegEnded { call_sid: call_sid.clone(), reason: LegEnd::Completed });
    assert_eq!(bench.items(), HashMap::from([(call_sid.as_str().to_owned(), "left".to_owned())]));
    assert_eq!(bench.space().summary()["colleague"].as_array().unwrap().len(), 1, "the call goes on");
}

#[test]
fn the_end_of_the_colleagues_call_ends_the_supervisors_leg() {
    let (mut bench, call_sid, reservation_sid) = supervised();
    bench.give(Event::ColleagueHangsUp { sid: reservation_sid.clone() });
    assert_eq!(bench.commands(), [LegCommand::EndLeg { call_sid }]);
    assert!(bench.items().values().all(|status| status == "left"));
    let again = bench.try_give(Event::Supervise { reservation_sid, to: None });
    assert_eq!(again.unwrap_err().status, 404);
}

#[test]
fn a_coach_is_heard_on_their_own_leg_and_no_longer_when_that_is_over() {
    let (mut bench, call_sid, reservation_sid) = supervised();
    for (coach, line) in [(true, Line::Coaching), (false, Line::Listening)] {
        bench.give(Event::Coach { sid: reservation_sid.clone(), coach });
        assert_eq!(bench.commands(), [LegCommand::SetLine { call_sid: call_sid.clone(), line }]);
    }
}

/// A live call that the agent is handing over, in a conference that outlives them.
fn handed_over(mode: TransferMode) -> (Bench, CallSid, String) {
    let (mut bench, call_sid) = Bench::with_call();
    let reservation_sid = bench.reservation_sid();
    bench.give(Event::UpdateAgent {
        sid: reservation_sid.clone(),
        end_conference_on_exit: Some(false),
        mute: None,
        hold: None,
        kick: false,
    });
    let to = account::COLLEAGUE_WORKER_SID.to_owned();
    bench.give(Event::Transfer { reservation_sid: reservation_sid.clone(), to, mode });
    (bench, call_sid, reservation_sid)
}

#[test]
fn a_warm_transfer_leaves_the_agent_in_the_call_until_they_hang_up_and_the_customer_after_that() {
    let (mut bench, call_sid, reservation_sid) = handed_over(TransferMode::Warm);
    assert_eq!(bench.pushes(), ["task.transfer-initiated"]);
    assert!(bench.commands().is_empty(), "the agent's telephone is left alone");
    let to = account::COLLEAGUE_WORKER_SID.to_owned();
    let again = Event::Transfer { reservation_sid: reservation_sid.clone(), to, mode: TransferMode::Warm };
    assert_eq!(bench.try_give(again).unwrap_err().status, 400, "one at a time");
    let listed = &bench.space().reservations(bench.rig.now)[0];
    assert_eq!(listed["active_outgoing_task_transfer"]["transfer_status"], "initiated", "after a reload");

    bench.give(Event::TransferAnswered { sid: reservation_sid.clone(), takes: true });
    assert_eq!(bench.pushes(), ["task.transfer-completed"]);
    assert_eq!(bench.items().into_values().collect::<Vec<_>>(), ["joined"]);
    assert!(bench.space().reservations(bench.rig.now)[0].get("active_outgoing_task_transfer").is_none());
    bench.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    assert_eq!(bench.pushes(), ["reservation.wrapup"]);
    let summary = bench.space().summary();
    assert_eq!(summary["tasks"][0]["customer"]["left"], false);
    assert_eq!(summary["tasks"][0]["transfer"]["colleague"], "joined");
    bench.give(Event::CustomerHungUp { sid: reservation_sid });
    assert_eq!(bench.space().summary()["tasks"][0]["transfer"]["colleague"], "left");
}

#[test]
fn a_cold_transfer_takes_the_agent_out_at_once_and_leaves_the_customer_waiting() {
    let (mut bench, call_sid, reservation_sid) = handed_over(TransferMode::Cold);
    assert_eq!(bench.commands(), [LegCommand::EndLeg { call_sid: call_sid.clone() }]);
    assert_eq!(bench.pushes(), ["task.transfer-initiated", "reservation.wrapup"]);
    assert_eq!(bench.space().summary()["tasks"][0]["customer"]["left"], false);
    bench.give(Event::LegEnded { call_sid, reason: LegEnd::Completed });
    bench.give(Event::TransferAnswered { sid: reservation_sid, takes: true });
    assert_eq!(bench.pushes(), ["task.transfer-completed"]);
}

#[test]
fn a_transfer_may_be_declined_or_taken_back_and_the_call_goes_on() {
    for takes_back in [false, true] {
        let (mut bench, _, reservation_sid) = handed_over(TransferMode::Warm);
        let transfer = bench.space().transfer_of(&reservation_sid).unwrap();
        let sid = transfer["sid"].as_str().unwrap().to_owned();
        let (event, told) = if takes_back {
            (Event::CancelTransfer { sid: sid.clone() }, "task.transfer-canceled")
        } else {
            (Event::TransferAnswered { sid: sid.clone(), takes: false }, "task.transfer-failed")
        };
        bench.give(event);
        assert_eq!(bench.pushes(), [told]);
        assert!(bench.commands().is_empty());
        let late = bench.try_give(Event::TransferAnswered { sid, takes: true });
        assert_eq!(late.unwrap_err().status, 400);
    }
}

#[test]
fn whoever_took_the_call_over_can_be_held_and_removed() {
    let (mut bench, _, task_sid) = handed_over(TransferMode::Warm);
    let colleague = |hold, kick| Event::UpdateColleague { task_sid: task_sid.clone(), hold, kick };
    assert_eq!(bench.try_give(colleague(Some(true), false)).unwrap_err().status, 400, "not there yet");
    bench.give(Event::TransferAnswered { sid: task_sid.clone(), takes: true });
    bench.give(colleague(Some(true), false));
    let Some(Command::ConferenceItem { data, .. }) = bench.said.first() else { panic!("{:?}", bench.said) };
    assert_eq!((&data["hold"], &data["worker_sid"]), (&json!(true), &json!(account::COLLEAGUE_WORKER_SID)));
    bench.give(colleague(None, true));
    assert_eq!(bench.items().into_values().collect::<Vec<_>>(), ["left"]);
    assert_eq!(bench.space().summary()["tasks"][0]["agent"]["state"], "joined", "the agent's call goes on");
}

#[test]
fn a_conference_that_is_ended_for_everyone_is_over_for_everyone() {
    let (mut bench, call_sid, task_sid) = handed_over(TransferMode::Warm);
    bench.give(Event::TransferAnswered { sid: task_sid.clone(), takes: true });
    bench.give(Event::EndConference { task_sid: task_sid.clone() });
    assert_eq!(bench.commands(), [LegCommand::EndLeg { call_sid }]);
    assert_eq!(bench.pushes(), ["reservation.wrapup", "task.wrapup"]);
    assert_eq!(bench.items().into_values().collect::<Vec<_>>(), ["left"; 3]);
    assert_eq!(bench.try_give(Event::EndConference { task_sid }).unwrap_err().status, 400);
}

#[test]
fn hold_reaches_the_conference_and_the_telephone() {
    let (mut bench, call_sid) = Bench::with_call();
    let task_sid = bench.space().newest_task().unwrap().task_sid;
    bench.give(Event::UpdateCustomer { task_sid, hold: Some(true) });
    assert_eq!(bench.commands(), [LegCommand::SetLine { call_sid, line: Line::Held }]);
    let Some(Command::ConferenceItem { data, .. }) = bench.said.first() else { panic!("{:?}", bench.said) };
    assert_eq!(data["hold"], true);
}

#[test]
fn a_reset_ends_calls_and_tasks_and_puts_the_worker_back() {
    let (mut bench, call_sid) = Bench::with_call();
    let attributes = json!({ "contact_uri": "client:other" });
    bench.give(Event::UpdateWorker {
        activity_sid: bench.space().activity_sid("Break"),
        attributes: attributes.as_object().cloned(),
        reject_pending_reservations: true,
        version: None,
    });
    bench.give(Event::Reset);
    assert_eq!(bench.commands(), [LegCommand::EndLeg { call_sid }]);
    assert_eq!(bench.activity(), "Available");
    assert!(bench.space().reservations(bench.rig.now).is_empty());
    assert!(bench.space().worker()["attributes"].as_str().unwrap().contains("ext_agent"));
}

#[test]
fn what_flex_reads_has_every_field_that_its_taskrouter_client_demands() {
    let (bench, _) = Bench::with_call();
    let reservation = &bench.space().reservations(bench.rig.now)[0];
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
        &bench.space().channels()[0],
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
        let mut rig = Rig::new(machine(), START);
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
