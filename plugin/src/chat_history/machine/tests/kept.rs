//! What outlives a reload.

use super::harness::*;
use crate::chat_history::machine::event::{Act, Command};
use crate::chat_history::machine::flex_view::FlexView;
use crate::chat_history::machine::timeline::Anchor;

fn kept(rig: &Rig) -> String {
    let kept = rig.seen.iter().rev().find_map(|command| match command {
        Command::Keep(text) => Some(text.clone()),
        _ => None,
    });
    kept.unwrap_or_default()
}

#[test]
fn a_reload_keeps_the_banner_the_tab_and_the_readers_place() {
    let mut rig = Rig::opened();
    rig.serve();
    rig.act(Act::NearBegin);
    rig.serve();
    let anchor = Anchor { key: message(1, 60).sid, offset: 12 };
    rig.act(Act::Scrolled(Some(anchor.clone())));
    rig.pass(1_000);
    let text = kept(&rig);

    let mut rig = Rig::new(settings(), &text);
    rig.have(vec![task(1)]);
    assert!(rig.seen.contains(&Command::SelectTab));
    let view = FlexView { tab_is_ours: true, ..rig.flex.clone() };
    rig.event(crate::chat_history::machine::Event::Flex(view));
    assert!(rig.rig.machine.banner(&sid("WT", 1)).is_none());
    rig.serve();
    // As many pages as it takes, and no more.
    assert_eq!((rig.messages(), rig.chat().anchor()), (2 * PAGE, Some(&anchor)));
    assert!(!rig.chat().is_finding_the_place());
}

#[test]
fn a_place_that_is_gone_is_looked_for_in_so_many_pages_only_and_the_agent_can_stop_it() {
    let text = format!("{} co {} 3\n", sid("WT", 1), sid("IM", 1));
    let mut rig = Rig::new(settings(), &text);
    rig.conversations = vec![10_000];
    rig.have(vec![task(1)]);
    rig.look(true);
    rig.serve();
    assert_eq!((rig.messages(), rig.chat().anchor()), (30 * PAGE, None));

    let mut rig = Rig::new(settings(), &text);
    rig.conversations = vec![10_000];
    rig.have(vec![task(1)]);
    rig.look(true);
    rig.serve_one();
    rig.serve_one();
    assert!(rig.tab().stop.is_some());
    rig.act(Act::Stop);
    rig.serve();
    assert!(rig.messages() <= 2 * PAGE);
}

#[test]
fn no_text_of_a_message_and_no_link_is_kept_and_what_is_over_is_forgotten() {
    let mut rig = Rig::opened();
    rig.serve();
    rig.act(Act::Search("secret words".to_owned()));
    rig.act(Act::Scrolled(Some(Anchor { key: message(1, 249).sid, offset: 0 })));
    rig.pass(1_000);
    let text = kept(&rig);
    assert_eq!(text, format!("{} co {} 0\n", sid("WT", 1), message(1, 249).sid));
    rig.have(vec![task(2)]);
    rig.pass(120_000);
    assert!(!kept(&rig).contains(&sid("WT", 1)));

    // Of a task that does not come back after a reload nothing stays either.
    let mut rig = Rig::new(settings(), &text);
    rig.have(vec![task(2)]);
    assert!(kept(&rig).contains(&sid("WT", 1)) || kept(&rig).is_empty());
    rig.pass(61_000);
    assert_eq!(kept(&rig), "");
}

#[test]
fn scrolling_writes_twice_a_second_at_most() {
    let mut rig = Rig::opened();
    rig.serve();
    rig.pass(1_000);
    let before = rig.seen.iter().filter(|it| matches!(it, Command::Keep(_))).count();
    for offset in 0..120 {
        rig.act(Act::Scrolled(Some(Anchor { key: message(1, 249).sid, offset })));
        rig.pass(16);
    }
    let writes = rig.seen.iter().filter(|it| matches!(it, Command::Keep(_))).count() - before;
    assert!(writes <= 4, "{writes}");
}

#[test]
fn home_goes_to_the_first_row_of_what_was_read_and_end_to_the_foot() {
    let mut rig = Rig::opened();
    rig.serve();
    rig.act(Act::Jump { to_begin: true });
    assert_eq!(rig.chat().anchor(), Some(&Anchor { key: sid("CH", 1), offset: 0 }));
    assert!(rig.chat().timeline().scroll_top(rig.chat().anchor(), 500.0).abs() < 1.0);
    rig.act(Act::Jump { to_begin: false });
    assert_eq!(rig.chat().anchor(), None);
}

#[test]
fn nonsense_in_the_storage_is_nothing() {
    for text in ["\n\n", "x", "WT1 co IM1", "WT1 co IM1 much", "🦀 🦀 🦀 🦀"] {
        let mut rig = Rig::new(settings(), text);
        rig.have(vec![task(1)]);
        rig.look(true);
        rig.serve();
        assert_eq!(rig.messages(), PAGE, "{text:?}");
    }
}
