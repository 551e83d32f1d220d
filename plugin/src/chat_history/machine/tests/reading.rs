//! What is read, when, and in which order.

use super::harness::*;
use crate::chat_history::machine::event::{Act, Answer, Command, Event, MediaRef};
use crate::chat_history::machine::flex_view::Source;
use crate::chat_history::machine::pictures::Picture;
use crate::chat_history::machine::timeline::Row;
use protocol::history::{HistoryMedia, HistoryOverview, HistoryPage};

#[test]
fn nothing_is_asked_before_the_agent_opens_the_tab_and_then_the_newest_page_of_the_source() {
    let mut rig = Rig::new(settings(), "");
    rig.have(vec![task(1)]);
    rig.pass(3_600_000);
    assert!(rig.asked.is_empty());
    rig.look(true);
    rig.serve();
    let base = format!("https://tokens.acme.test/v1/history/tasks/{}", sid("WT", 1));
    let account = sid("AC", 1);
    assert_eq!(
        rig.asked,
        [
            format!("{base}?account_sid={account}"),
            format!("{base}/conversations/{}/messages?account_sid={account}", sid("CH", 1))
        ]
    );
    assert_eq!(rig.messages(), PAGE);
}

#[test]
fn scrolling_up_past_the_first_message_goes_on_in_the_conversation_before_under_its_line() {
    let mut rig = Rig::opened();
    rig.conversations = vec![150, 30, 120];
    rig.serve();
    for _ in 0..10 {
        rig.act(Act::NearBegin);
        rig.serve();
    }
    let timeline = rig.chat().timeline();
    let keys: Vec<String> =
        (0..timeline.list().len()).map(|at| timeline.row(at).unwrap().key().to_owned()).collect();
    let mut wanted = Vec::new();
    for (number, count) in [(3, 120), (2, 30), (1, 150)] {
        wanted.push(sid("CH", number));
        wanted.extend((0..count).map(|index| message(number, index).sid));
    }
    assert_eq!(keys, wanted);
    assert!(timeline.is_whole());
    for (place, key) in keys.iter().enumerate() {
        assert_eq!(timeline.place_of(key), Some(place));
    }
    assert_eq!(rig.tab().begin.as_deref(), Some("This is where it begins."));
}

#[test]
fn one_page_is_read_for_each_time_that_the_begin_comes_near_and_one_request_runs_at_a_time() {
    let mut rig = Rig::opened();
    rig.serve();
    rig.act(Act::NearBegin);
    rig.act(Act::NearBegin);
    assert_eq!(rig.open.len(), 1);
    rig.serve();
    assert_eq!(rig.messages(), 2 * PAGE);
}

#[test]
fn messages_that_come_or_go_between_two_pages_are_neither_doubled_nor_missed() {
    let mut rig = Rig::opened();
    rig.serve();
    rig.act(Act::NearBegin);
    let (request, ..) = rig.open.remove(0);
    // The page overlaps the one before, and has gaps.
    let messages = (120..170).filter(|index| index % 7 != 0).map(|index| message(1, index)).collect();
    rig.event(Event::Answered(
        request,
        Answer::Page(HistoryPage { messages, cursor: Some("120".to_owned()), hidden: false }),
    ));
    let timeline = rig.chat().timeline();
    let indexes: Vec<u64> = (0..timeline.list().len())
        .filter_map(|at| if let Some(Row::Message(one)) = timeline.row(at) { Some(one.index) } else { None })
        .collect();
    let wanted: Vec<u64> = (120..150).filter(|index| index % 7 != 0).chain(150..250).collect();
    assert_eq!(indexes, wanted);
}

#[test]
fn a_conversation_that_is_listed_twice_is_shown_once_and_the_tasks_own_not_at_all() {
    let mut rig = Rig::opened();
    let (request, ..) = rig.open.remove(0);
    let mut own = rig.summary(5);
    own.sid = sid("CH", 901);
    let hostile = protocol::history::ConversationSummary { sid: "../CH1".to_owned(), ..rig.summary(1) };
    rig.event(Event::Answered(
        request,
        Answer::Overview(HistoryOverview {
            conversations: vec![rig.summary(1), own, hostile, rig.summary(1)],
            cursor: Some("more".to_owned()),
            retention_days: None,
        }),
    ));
    rig.conversations = vec![10];
    rig.serve_one();
    rig.act(Act::NearBegin);
    assert!(rig.open[0].1.ends_with("&cursor=more"), "{}", rig.open[0].1);
    assert_eq!(rig.chat().timeline().stretches().count(), 1);
}

#[test]
fn with_all_of_the_customer_switched_on_a_task_without_a_source_asks_whether_there_is_anything() {
    let mut rig = Rig::new(crate::chat_history::machine::Settings { customer: true, ..settings() }, "");
    let mut view = task(1);
    view.source = Source::None;
    rig.have(vec![view]);
    assert_eq!(rig.asked.len(), 1);
    assert!(rig.rig.machine.banner(&sid("WT", 1)).is_none());
    rig.serve();
    assert_eq!((rig.asked.len(), rig.messages()), (1, 0));
    assert!(rig.rig.machine.banner(&sid("WT", 1)).unwrap().earlier.is_some());
}

#[test]
fn an_empty_history_says_so_and_a_short_one_is_read_without_scrolling() {
    let mut rig = Rig::opened();
    rig.conversations = vec![0];
    rig.serve();
    assert_eq!(rig.tab().empty.as_deref(), Some("There are no earlier messages."));

    let mut rig = Rig::opened();
    rig.conversations = vec![0, 0, 3];
    rig.serve();
    assert_eq!((rig.messages(), rig.tab().empty), (3, None));
}

#[test]
fn what_retention_hides_is_said_with_its_days() {
    let mut rig = Rig::opened();
    (rig.conversations, rig.retention_days) = (vec![3], Some(90));
    rig.serve();
    let said = "Older messages are hidden by your organisation's rule of 90 days.";
    assert_eq!(rig.tab().begin.as_deref(), Some(said));

    // Also where it hides everything.
    let mut rig = Rig::opened();
    (rig.conversations, rig.retention_days) = (vec![0], Some(90));
    rig.serve();
    assert_eq!((rig.tab().begin, rig.tab().empty.as_deref()), (None, Some(said)));
}

#[test]
fn a_picture_gets_a_fresh_link_each_time_it_comes_into_sight_and_once_more_when_that_fails() {
    let mut rig = Rig::opened();
    rig.serve();
    let picture = MediaRef { message: message(1, 200).sid, media: sid("ME", 1) };
    let see = |rig: &mut Rig, pictures: Vec<MediaRef>| rig.act(Act::Pictures(pictures));
    see(&mut rig, vec![picture.clone()]);
    assert!(rig.asked.last().unwrap().contains(&format!(
        "/conversations/{}/messages/{}/media/{}?",
        sid("CH", 1),
        picture.message,
        picture.media
    )));
    rig.serve();
    let link = |rig: &Rig| match rig.chat().pictures().of(&picture) {
        Some(Picture::Link { url, .. }) => url.clone(),
        other => panic!("{other:?}"),
    };
    let first = link(&rig);
    see(&mut rig, vec![]);
    see(&mut rig, vec![picture.clone()]);
    rig.serve();
    let second = link(&rig);
    assert_ne!(first, second);
    // It expired before the browser came to it.
    rig.act(Act::PictureBroken(picture.clone()));
    rig.serve();
    assert_ne!(link(&rig), second);
    rig.act(Act::PictureBroken(picture.clone()));
    rig.serve();
    assert_eq!(rig.chat().pictures().of(&picture), Some(&Picture::Failed));
    // Never more than four links at once.
    let asked = rig.asked.len();
    see(
        &mut rig,
        (0..20).map(|at| MediaRef { message: message(1, 160 + at).sid, media: sid("ME", at) }).collect(),
    );
    assert_eq!(rig.asked.len() - asked, 4);
    rig.serve();
    assert_eq!(rig.asked.len() - asked, 20);
}

#[test]
fn a_file_is_opened_by_a_link_that_is_fetched_at_the_click_and_a_failure_is_said() {
    let mut rig = Rig::opened();
    rig.serve();
    let file = MediaRef { message: message(1, 200).sid, media: sid("ME", 1) };
    rig.act(Act::Download(file.clone()));
    rig.act(Act::Download(file.clone()));
    assert!(rig.chat().pictures().is_wanted(&file) && rig.open.len() == 1);
    rig.serve();
    let opened = |rig: &Rig| rig.seen.iter().filter(|it| matches!(it, Command::Open(_))).count();
    assert_eq!((opened(&rig), rig.chat().pictures().is_wanted(&file)), (1, false));
    rig.act(Act::Download(file));
    rig.fail(crate::chat_history::machine::trouble::Fault::Network);
    assert_eq!(
        (opened(&rig), &*rig.tab().status),
        (1, "The file could not be opened. Try again in a moment.")
    );
    // What is no SID goes into no path.
    let asked = rig.asked.len();
    rig.act(Act::Download(MediaRef { message: message(1, 200).sid, media: "../../x".to_owned() }));
    assert_eq!(
        (rig.asked.len(), &*rig.tab().status),
        (asked, "The file could not be opened. Try again in a moment.")
    );
}

#[test]
fn media_alone_and_messages_that_say_nothing_do_not_stop_the_list() {
    let mut rig = Rig::opened();
    let mut odd = message(1, 249);
    odd.body = String::new();
    odd.media = vec![HistoryMedia {
        sid: sid("ME", 1),
        content_type: String::new(),
        filename: String::new(),
        size: 0,
    }];
    rig.changed.insert(odd.sid.clone(), odd);
    let mut nothing = message(1, 248);
    nothing.body = String::new();
    rig.changed.insert(nothing.sid.clone(), nothing);
    rig.serve();
    assert_eq!(rig.messages(), PAGE);
}
