//! Chat tasks.

use super::*;
use crate::api::Holder;
use crate::taskrouter::machine::channel::TaskChannel;
use crate::taskrouter::machine::event::ChatCommand;

const CONVERSATION: &str = "CH00000000000000000000000000000001";

fn chat(conversation_sid: &str, holder: Holder, long_lived: bool) -> Event {
    let attributes = json!({
        "conversationSid": conversation_sid,
        "channelType": "sms",
        "customerAddress": "+15550100",
        "from": "+15550100",
    });
    let attributes = attributes.as_object().cloned().unwrap();
    Event::TaskArrives { attributes, channel: TaskChannel::Chat, holder, long_lived }
}

fn arrives(conversation_sid: &str) -> Event {
    chat(conversation_sid, Holder::Agent, false)
}

impl Rig {
    fn chats(&self) -> Vec<ChatCommand> {
        let chats = self.said.iter().filter_map(|command| match command {
            Command::Chat(command) => Some(command.clone()),
            _ => None,
        });
        chats.collect()
    }

    fn task_sids(&self) -> Vec<String> {
        let summary = self.space().summary();
        let tasks = summary["tasks"].as_array().unwrap().iter();
        tasks.map(|task| task["task_sid"].as_str().unwrap().to_owned()).collect()
    }

    /// What the reservation of a task is now.
    fn status(&self, task_sid: &str) -> Value {
        let all = self.space().reservation_views(task_sid, self.rig.now).unwrap();
        json!(all.last().map(|reservation| reservation.reservation_status))
    }

    fn change_of(&mut self, task_sid: &str, change: ReservationChange) {
        let sid = self.space().reservation_views(task_sid, self.rig.now).unwrap().pop().unwrap().sid;
        self.give(Event::Reservation { sid, change });
    }
}

fn leave(conversation_sid: &str) -> ChatCommand {
    ChatCommand::Leave { conversation_sid: conversation_sid.to_owned() }
}

fn close(conversation_sid: &str) -> ChatCommand {
    ChatCommand::Close { conversation_sid: conversation_sid.to_owned() }
}

#[test]
fn a_chat_lives_from_its_offer_to_its_completion_without_a_call() {
    let mut rig = Rig::new();
    rig.give(arrives(CONVERSATION));
    assert_eq!(rig.pushes(), ["reservation.created"]);
    let task = rig.task_sids().remove(0);
    rig.change_of(&task, ReservationChange::Accept);
    let join = ChatCommand::Join { conversation_sid: CONVERSATION.to_owned() };
    let joined = rig.said.iter().position(|command| *command == Command::Chat(join.clone())).unwrap();
    let told = rig.said.iter().position(|command| matches!(command, Command::Push { .. })).unwrap();
    assert!(joined < told, "the agent is in the conversation before Flex opens it");
    assert_eq!(rig.pushes(), ["reservation.accepted"]);
    assert!(rig.commands().is_empty(), "nobody is called");

    rig.change_of(&task, ReservationChange::Wrap);
    assert_eq!(rig.pushes(), ["reservation.wrapup"]);
    assert_eq!(rig.chats(), [], "whoever wraps up may still read");
    rig.change_of(&task, ReservationChange::Complete);
    assert_eq!(rig.pushes(), ["reservation.completed"]);
    assert_eq!(rig.chats(), [leave(CONVERSATION), close(CONVERSATION)]);
}

#[test]
fn a_chat_names_its_interaction_as_flex_finds_it() {
    let mut rig = Rig::new();
    rig.give(arrives(CONVERSATION));
    let sid = rig.task_sids().remove(0);
    let task = rig.space().task_view(&sid, rig.rig.now).unwrap();
    let attributes: Value = serde_json::from_str(&task.attributes).unwrap();
    for (name, prefix) in
        [("flexInteractionSid", "KD"), ("flexInteractionChannelSid", "UO"), ("flexChannelInviteSid", "KG")]
    {
        assert_eq!(attributes[name], format!("{prefix}{}", &sid[2..]), "{name}");
    }
    assert_eq!((task.task_channel_unique_name, task.queue_name), ("chat", "Chat"));
}

#[test]
fn two_chats_and_a_call_are_handled_at_a_time_and_a_third_chat_waits() {
    let mut rig = Rig::new();
    for conversation in ["CH1", "CH2", "CH3"] {
        rig.give(arrives(conversation));
    }
    let tasks = rig.task_sids();
    assert_eq!(rig.status(&tasks[2]), Value::Null, "both places are taken");
    rig.give(Event::CustomerCalls { from: "+15550101".to_owned() });
    assert_eq!(rig.pushes(), ["reservation.created"], "chats are not in the way of a call");
    let channels = rig.space().channels();
    let chat = channels.iter().find(|channel| channel["task_channel_unique_name"] == "chat").unwrap();
    assert_eq!((&chat["assigned_tasks"], &chat["available_capacity_percentage"]), (&json!(2), &json!(0)));

    rig.change_of(&tasks[0], ReservationChange::Accept);
    rig.change_of(&tasks[0], ReservationChange::Complete);
    assert_eq!(rig.pushes(), ["reservation.completed", "reservation.created"]);
    assert_eq!(rig.status(&tasks[2]), "pending");
}

#[test]
fn a_chat_that_is_declined_or_missed_waits_for_the_next_agent() {
    let mut rig = Rig::new();
    rig.give(arrives("CH1"));
    let task = rig.task_sids().remove(0);
    rig.change_of(&task, ReservationChange::Reject);
    assert_eq!(rig.pushes(), ["reservation.rejected"]);
    assert_eq!(rig.status(&task), "rejected");
    rig.set_activity(account::ACTIVITY_AVAILABLE, false).unwrap();
    assert_eq!(rig.status(&task), "pending", "offered again");
    rig.wait(121);
    assert_eq!(rig.status(&task), "timeout");
    assert_eq!(rig.activity(), account::ACTIVITY_OFFLINE);
    let all = rig.space().reservation_views(&task, rig.rig.now).unwrap();
    assert_eq!(all.iter().map(|one| one.reservation_status).collect::<Vec<_>>(), ["rejected", "timeout"]);
}

#[test]
fn a_customer_who_leaves_cancels_what_nobody_has_accepted_and_nothing_else() {
    let mut rig = Rig::new();
    rig.give(arrives("CH1"));
    rig.give(Event::CustomerLeaves { sid: "CH1".to_owned() });
    assert_eq!(rig.pushes(), ["reservation.canceled"]);
    assert_eq!(rig.task_sids(), [""; 0]);

    rig.give(arrives("CH2"));
    let task = rig.task_sids().remove(0);
    rig.change_of(&task, ReservationChange::Accept);
    rig.give(Event::CustomerLeaves { sid: task.clone() });
    assert_eq!(rig.status(&task), "accepted", "the agent ends it");
    assert_eq!(rig.space().summary()["tasks"][0]["chat"]["customer_left"], true);
    let refused = rig.try_give(Event::CustomerLeaves { sid: "CH9".to_owned() });
    assert_eq!(refused.unwrap_err().status, 404);
}

#[test]
fn completing_one_of_two_tasks_on_a_long_lived_conversation_takes_the_agent_out_of_both() {
    let mut rig = Rig::new();
    for _ in 0..2 {
        rig.give(chat(CONVERSATION, Holder::Agent, true));
        let task = rig.task_sids().pop().unwrap();
        rig.change_of(&task, ReservationChange::Accept);
    }
    let tasks = rig.task_sids();
    rig.change_of(&tasks[0], ReservationChange::Wrap);
    rig.change_of(&tasks[0], ReservationChange::Complete);
    assert_eq!(rig.chats(), [leave(CONVERSATION)], "it stays open, but the agent is gone");
    assert_eq!(rig.status(&tasks[1]), "accepted", "and the second task does not know");
}

#[test]
fn a_task_that_is_over_can_be_asked_for_five_minutes() {
    let mut rig = Rig::new();
    rig.give(arrives("CH1"));
    let task = rig.task_sids().remove(0);
    rig.change_of(&task, ReservationChange::Accept);
    rig.change_of(&task, ReservationChange::Complete);
    rig.wait(299);
    assert_eq!(rig.space().task_view(&task, rig.rig.now).unwrap().assignment_status, "completed");
    assert_eq!(rig.status(&task), "completed");
    rig.wait(2);
    assert_eq!(rig.space().task_view(&task, rig.rig.now).unwrap_err().status, 404);
}

#[test]
fn a_chat_of_the_colleague_is_none_of_the_agents() {
    let mut rig = Rig::new();
    rig.give(chat("CH1", Holder::Colleague, false));
    assert_eq!(rig.pushes(), [""; 0]);
    let task = rig.task_sids().remove(0);
    let all = rig.space().reservation_views(&task, rig.rig.now).unwrap();
    assert_eq!((all[0].worker_sid, all[0].reservation_status), (account::COLLEAGUE_WORKER_SID, "accepted"));
    assert!(rig.space().reservations(rig.rig.now).is_empty(), "Flex does not see it");
    assert!(rig.space().worker_reservation_views(account::WORKER_SID, rig.rig.now).is_empty());
    rig.give(arrives("CH2"));
    rig.give(arrives("CH3"));
    assert_eq!(rig.space().reservations(rig.rig.now).len(), 2, "nor does it use the agent's places");
}

#[test]
fn a_chat_cannot_be_called_and_a_call_names_no_conversation() {
    let mut rig = Rig::new();
    rig.give(arrives("CH1"));
    let sid = rig.space().reservations(rig.rig.now)[0]["sid"].as_str().unwrap().to_owned();
    let change = ReservationChange::Call { to: None, end_conference_on_exit: true };
    assert_eq!(rig.try_give(Event::Reservation { sid, change }).unwrap_err().status, 400);
    let task = rig.task_sids().remove(0);
    assert!(rig.try_give(Event::EndConference { task_sid: task.clone() }).is_err());
    assert!(rig.space().participants(&task).is_empty());
    rig.give(Event::CustomerCalls { from: "+15550100".to_owned() });
    let call = rig.task_sids().pop().unwrap();
    assert!(rig.space().chat(&call).is_none());
}

#[test]
fn a_reset_takes_the_agent_out_of_every_conversation() {
    let mut rig = Rig::new();
    rig.give(arrives("CH1"));
    rig.give(arrives("CH2"));
    let tasks = rig.task_sids();
    rig.change_of(&tasks[0], ReservationChange::Accept);
    rig.give(Event::Reset);
    assert_eq!(rig.chats(), [leave("CH1"), close("CH1")], "nobody had joined the other");
    assert!(rig.space().task_view(&tasks[0], rig.rig.now).is_err(), "nothing is remembered");
}

#[test]
fn a_chat_that_is_handed_over_goes_on_in_the_colleagues_task_and_comes_back_as_another() {
    let mut rig = Rig::new();
    rig.give(arrives(CONVERSATION));
    let first = rig.task_sids().remove(0);
    let hand_over = |to| Event::HandOver { sid: CONVERSATION.to_owned(), to };
    assert!(rig.try_give(hand_over(Holder::Colleague)).is_err(), "nobody has accepted it");
    rig.change_of(&first, ReservationChange::Accept);
    rig.give(hand_over(Holder::Colleague));
    assert_eq!(rig.pushes(), ["reservation.wrapup"]);
    assert_eq!(rig.status(&first), "wrapping");
    let second = rig.task_sids().remove(1);
    assert_eq!(rig.status(&second), "accepted", "the colleague takes it at once");
    let task = rig.space().task_view(&second, rig.rig.now).unwrap();
    let attributes: Value = serde_json::from_str(&task.attributes).unwrap();
    assert_eq!(attributes["conversationSid"], CONVERSATION);
    assert_eq!(attributes["flexInteractionSid"], format!("KD{}", &second[2..]), "an interaction of its own");

    rig.change_of(&first, ReservationChange::Complete);
    assert_eq!(rig.chats(), [leave(CONVERSATION)], "the colleague's chat goes on");
    rig.give(hand_over(Holder::Agent));
    assert_eq!(rig.pushes(), ["reservation.created"], "of a colleague's task Flex hears nothing");
    let third = rig.task_sids().remove(1);
    assert_eq!((rig.status(&second), rig.status(&third)), (json!("wrapping"), json!("pending")));
    rig.change_of(&third, ReservationChange::Accept);
    rig.change_of(&third, ReservationChange::Complete);
    assert_eq!(rig.chats(), [leave(CONVERSATION), close(CONVERSATION)]);
}
