//! Any order of events.

use proptest::prelude::*;
use protocol::video::{Admit, EndReason, VideoErrorCode, VideoPhase, Waiting, WaitingWhy};

use super::harness::*;
use crate::video::machine::event::{Act, Command, Event, Tab};
use crate::video::machine::flex_view::TaskStatus;
use crate::video::machine::trouble::Fault;

#[derive(Clone, Debug)]
enum Step {
    Act(Act),
    Serve,
    Fail(Fault),
    Pass(u64),
    Tab(Tab),
    Conversation(bool),
    Select(bool),
    Away(bool),
    Over,
    Phase(VideoPhase),
    Waits,
    Ends,
    Token,
    Visible(bool),
    Refused,
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let admit = Admit { waiting: "w".to_owned(), admit: true };
    let acts = prop::sample::select(vec![
        Act::Open { extension: true },
        Act::Open { extension: false },
        Act::Retry { extension: true },
        Act::Retry { extension: false },
        Act::SendAgain,
        Act::Cancel,
        Act::Admit(admit),
        Act::End,
    ]);
    let faults = prop::sample::select(vec![
        Fault::Network,
        Fault::Closed,
        Fault::NoToken,
        Fault::Malformed,
        refused(401, VideoErrorCode::InvalidFlexToken),
        refused(404, VideoErrorCode::NotFound),
        refused(409, VideoErrorCode::Ended),
        refused(429, VideoErrorCode::RateLimited),
        refused(500, VideoErrorCode::Internal),
    ]);
    let phases = prop::sample::select(vec![
        VideoPhase::Opened,
        VideoPhase::Met,
        VideoPhase::Away,
        VideoPhase::Invited,
    ]);
    prop_oneof![
        6 => acts.prop_map(Step::Act),
        6 => Just(Step::Serve),
        2 => faults.prop_map(Step::Fail),
        4 => prop::sample::select(vec![1, 900, 3_000, 25_000, 400_000]).prop_map(Step::Pass),
        1 => prop::sample::select(vec![Tab::New, Tab::There, Tab::Blocked]).prop_map(Step::Tab),
        1 => any::<bool>().prop_map(Step::Conversation),
        1 => any::<bool>().prop_map(Step::Select),
        1 => any::<bool>().prop_map(Step::Away),
        1 => Just(Step::Over),
        2 => phases.prop_map(Step::Phase),
        1 => Just(Step::Waits),
        1 => Just(Step::Ends),
        1 => Just(Step::Token),
        1 => any::<bool>().prop_map(Step::Visible),
        1 => Just(Step::Refused),
        1 => Just(Step::Reload),
    ]
}

impl Rig {
    fn step(&mut self, step: Step) {
        let is_there = !matches!(self.service.phase, VideoPhase::None | VideoPhase::Ended);
        match step {
            Step::Act(act) => self.act(act),
            Step::Serve => drop(self.serve_one()),
            Step::Fail(fault) => {
                if !self.open.is_empty() {
                    self.fail(fault);
                }
            }
            Step::Pass(millis) => self.pass(millis),
            Step::Tab(tab) => self.tab = tab,
            Step::Conversation(works) => self.conversation_works = works,
            Step::Select(selected) => {
                self.flex.selected = selected.then(|| sid("WT", 1));
                self.event(Event::Flex(self.flex.clone()));
            }
            Step::Away(away) => {
                let tasks = if away { Vec::new() } else { vec![chat(1)] };
                self.flex.tasks = tasks;
                self.event(Event::Flex(self.flex.clone()));
            }
            Step::Over => {
                for task in &mut self.flex.tasks {
                    task.status = TaskStatus::Over;
                }
                self.event(Event::Flex(self.flex.clone()));
            }
            Step::Phase(phase) => {
                if is_there {
                    self.service.phase = phase;
                }
            }
            Step::Waits => {
                if is_there {
                    self.service.waiting = vec![Waiting { id: "w".to_owned(), why: WaitingWhy::Knock }];
                }
            }
            Step::Ends => {
                if is_there {
                    self.end_at_service(EndReason::Completed);
                }
            }
            Step::Token => self.event(Event::TokenUpdated),
            Step::Visible(visible) => self.event(Event::Visible(visible)),
            Step::Refused => self.event(Event::WindowRefused),
            Step::Reload => {
                let mut next = Self::new(settings(), &self.kept);
                next.service = self.service.clone();
                (next.links, next.messages) = (self.links, std::mem::take(&mut self.messages));
                next.flex = self.flex.clone();
                next.event(Event::Flex(next.flex.clone()));
                *self = next;
            }
        }
    }
}

proptest! {
    #[test]
    fn in_any_order_of_events_no_link_is_sent_twice_one_question_is_open_at_most_and_no_timeout_is_missed(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut rig = Rig::new(settings(), "");
        rig.have(vec![chat(1)]);
        for one in steps {
            rig.step(one.clone());
            let mut messages = rig.messages.clone();
            messages.sort();
            messages.dedup();
            prop_assert_eq!(messages.len(), rig.messages.len(), "after {:?}", one);
            prop_assert!(rig.open.len() <= 2, "{:?} after {:?}", rig.open, one);
            let due = sansio::Machine::poll_timeout(&rig.rig.machine);
            prop_assert!(due.is_none_or(|at| at > rig.rig.now), "{:?} at {:?} after {:?}", due, rig.rig.now, one);
        }
    }

    #[test]
    fn in_any_order_of_events_a_session_has_one_link_at_most_that_nobody_asked_for(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut rig = Rig::new(settings(), "");
        rig.have(vec![chat(1)]);
        let mut sent: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
        for one in steps {
            let (before, by_hand) = (rig.messages.len(), matches!(one, Step::Act(Act::SendAgain)));
            rig.step(one);
            if rig.messages.len() > before && !by_hand {
                let count = sent.entry(rig.service.session.clone()).or_default();
                *count += 1;
                prop_assert!(*count <= 1, "{:?}", rig.messages);
            }
        }
    }

    #[test]
    fn in_any_order_of_events_all_comes_to_rest_when_the_task_is_over_and_the_service_answers(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut rig = Rig::new(settings(), "");
        rig.have(vec![chat(1)]);
        for one in steps {
            rig.step(one);
        }
        rig.have(Vec::new());
        rig.event(Event::TokenUpdated);
        for _ in 0..20 {
            rig.serve();
            rig.pass(61_000);
        }
        rig.seen.clear();
        rig.pass(3_600_000);
        prop_assert!(rig.open.is_empty() && rig.kept.is_empty(), "{:?} {:?}", rig.open, rig.kept);
        let asks = rig.seen.iter().any(|command| matches!(command, Command::Ask { .. }));
        prop_assert!(!asks);
    }
}
