//! What stands above a task.

use super::harness::*;
use crate::chat_history::machine::ONCE_MORE_MS;
use crate::chat_history::machine::event::{Act, Command, Event};
use crate::chat_history::machine::flex_view::{Source, TaskStatus, TaskView};

fn earlier(rig: &Rig) -> bool {
    rig.rig.machine.banner(&sid("WT", 1)).is_some_and(|banner| banner.earlier.is_some())
}

fn warning(rig: &Rig, number: usize) -> String {
    let banner = rig.rig.machine.banner(&sid("WT", number));
    banner.and_then(|banner| banner.warning).unwrap_or_default()
}

fn on_one_conversation(first: TaskStatus, second: TaskStatus) -> Rig {
    let mut rig = Rig::new(settings(), "");
    let with = |number, status| TaskView {
        status,
        source: Source::None,
        conversation: Some(sid("CH", 77)),
        ..task(number)
    };
    rig.have(vec![with(1, first), with(2, second)]);
    rig
}

#[test]
fn the_banner_opens_the_tab_and_is_closed_by_that_by_its_cross_or_by_the_tab_itself() {
    let mut rig = Rig::new(settings(), "");
    rig.have(vec![task(1)]);
    assert!(earlier(&rig));
    rig.act(Act::OpenTab);
    assert!(!earlier(&rig) && rig.seen.contains(&Command::SelectTab));

    let mut rig = Rig::new(settings(), "");
    rig.have(vec![task(1)]);
    rig.act(Act::CloseBanner);
    assert!(!earlier(&rig) && !rig.seen.contains(&Command::SelectTab));

    let mut rig = Rig::new(settings(), "");
    rig.have(vec![task(1)]);
    rig.look(true);
    rig.look(false);
    assert!(!earlier(&rig));
}

#[test]
fn a_task_that_names_nothing_has_neither_banner_nor_tab() {
    let mut rig = Rig::new(settings(), "");
    rig.have(vec![TaskView { source: Source::None, ..task(1) }]);
    rig.look(true);
    assert!(!earlier(&rig) && !rig.rig.machine.has_tab(Source::None) && rig.asked.is_empty());
}

#[test]
fn a_second_task_on_a_conversation_that_is_still_open_or_wrapping_up_warns_before_it_is_accepted() {
    let open = on_one_conversation(TaskStatus::Accepted, TaskStatus::Pending);
    assert!(warning(&open, 2).starts_with("You still have this customer's chat open in another task."));
    assert_eq!(warning(&open, 1), "");
    let wrapping = on_one_conversation(TaskStatus::Wrapping, TaskStatus::Pending);
    assert!(warning(&wrapping, 2).starts_with("You still have this customer's chat open (wrapping up)."));
    // The first one is complete: nothing is in the way any more.
    let mut over = wrapping;
    over.flex.tasks.remove(0);
    over.event(Event::Flex(over.flex.clone()));
    assert_eq!(warning(&over, 2), "");
}

#[test]
fn complete_is_stopped_once_while_another_task_is_on_the_same_conversation_and_goes_on_the_second_time() {
    for other in [TaskStatus::Pending, TaskStatus::Accepted, TaskStatus::Wrapping] {
        let mut rig = on_one_conversation(TaskStatus::Wrapping, other);
        let refuses = |rig: &Rig| rig.rig.machine.refuses_to_complete(&sid("WR", 1), rig.rig.now);
        assert!(refuses(&rig));
        rig.event(Event::CompleteRefused(sid("WR", 1)));
        assert!(warning(&rig, 1).ends_with("Press Complete once more to do it all the same."), "{other:?}");
        assert!(!refuses(&rig));
        rig.pass(ONCE_MORE_MS);
        assert!(refuses(&rig) && warning(&rig, 1).is_empty());
    }
}

#[test]
fn tasks_on_conversations_of_their_own_are_completed_without_a_word() {
    let mut rig = Rig::new(settings(), "");
    rig.have(vec![
        task(1),
        task(2),
        TaskView { conversation: None, ..task(3) },
        TaskView { conversation: None, ..task(4) },
    ]);
    for number in 1..=4 {
        assert!(!rig.rig.machine.refuses_to_complete(&sid("WR", number), rig.rig.now));
        assert_eq!(warning(&rig, number), "");
    }
}
