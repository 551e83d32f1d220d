//! The button: what one click does, and a second one.

use kernel::Secret;
use protocol::video::{OpenVideo, VideoErrorCode, VideoPhase};

use super::harness::*;
use crate::video::machine::event::{Act, Ask, Command, Event, Tab, WayIn};
use crate::video::machine::flex_view::{TaskKind, TaskStatus};
use crate::video::machine::{Settings, call};

#[test]
fn one_click_opens_the_extensions_window_at_once_makes_the_session_and_sends_one_link() {
    let mut rig = Rig::at_chat();
    assert_eq!(rig.button().unwrap().label, "Start a video call");
    assert_eq!(rig.card(), None);
    rig.click(true);
    assert_eq!(rig.windows(), [(sid("CH", 1), WayIn::Soon)]);
    let button = rig.button().unwrap();
    assert!(button.busy && button.label == "Opening the video call…", "{button:?}");
    rig.serve();
    assert_eq!(rig.windows(), [(sid("CH", 1), WayIn::Soon), (sid("CH", 1), link())]);
    assert_eq!(rig.wanted(), [Ask::Open(OpenVideo { call_live: false })]);
    assert_eq!(rig.messages.len(), 1);
    assert!(
        rig.messages[0].ends_with(" https://join.acme.test/v/00000000000000000001"),
        "{:?}",
        rig.messages
    );
    let button = rig.button().unwrap();
    assert!(!button.busy && button.live && button.label == "Show the video call", "{button:?}");
    assert_eq!(rig.line(), "The customer has not opened the link yet.");
}

#[test]
fn a_double_click_is_one_click() {
    let mut rig = Rig::at_chat();
    rig.click(true);
    rig.click(true);
    rig.act(Act::Retry { extension: true });
    rig.serve();
    assert_eq!((rig.wanted().len(), rig.messages.len(), rig.windows().len()), (1, 1, 2));
}

#[test]
fn a_second_click_brings_the_window_forward_and_sends_no_second_link() {
    let mut rig = Rig::begun();
    rig.click(true);
    assert_eq!(rig.windows().last().unwrap(), &(sid("CH", 1), WayIn::Soon));
    rig.serve();
    // A window that was closed meanwhile is a new one, and needs its way in.
    assert_eq!(rig.windows().last().unwrap(), &(sid("CH", 1), link()));
    assert_eq!(rig.messages.len(), 1);
}

#[test]
fn the_service_is_told_whether_a_call_is_live() {
    let mut rig = Rig::at_chat();
    rig.flex.call_live = true;
    rig.event(Event::Flex(rig.flex.clone()));
    rig.click(true);
    assert_eq!(rig.wanted(), [Ask::Open(OpenVideo { call_live: true })]);
    rig.serve();
    let microphone = "You are on a phone call: your microphone is off in the video call.".to_owned();
    assert!(rig.card().unwrap().notes.contains(&microphone));
    rig.flex.call_live = false;
    rig.event(Event::Flex(rig.flex.clone()));
    assert!(!rig.card().unwrap().notes.contains(&microphone));
}

#[test]
fn without_the_extension_a_tab_is_opened_within_the_click_and_goes_to_the_page_when_the_link_is_there() {
    let mut rig = Rig::at_chat();
    rig.click(false);
    let key = sid("CH", 1);
    let opens = |command: &&Command| matches!(command, Command::OpenTab { key: known, .. } if *known == key);
    assert_eq!(rig.seen.iter().filter(opens).count(), 1);
    rig.serve();
    let page = Secret::new(format!("https://tokens.acme.test/v/{LINK}#start"));
    assert!(rig.seen.contains(&Command::Go { key: key.clone(), page }));
    assert!(rig.windows().is_empty());
    assert_eq!(rig.messages.len(), 1);

    // A second click: the browser has it still, and it is in front.
    rig.tab = Tab::There;
    let asked = rig.wanted().len();
    rig.click(false);
    rig.serve();
    assert_eq!((rig.wanted().len(), rig.messages.len()), (asked, 1));

    // It was closed: another one gets a link of its own, and the customer none.
    rig.tab = Tab::New;
    rig.click(false);
    rig.serve();
    assert_eq!((rig.wanted().len(), rig.messages.len()), (asked + 1, 1));
}

#[test]
fn a_blocked_tab_is_said_and_opened_with_the_next_click_and_nobody_is_invited_meanwhile() {
    let mut rig = Rig::at_chat();
    rig.tab = Tab::Blocked;
    rig.click(false);
    rig.serve();
    assert!(rig.wanted().is_empty() && rig.messages.is_empty());
    assert!(rig.trouble().starts_with("The browser blocked the window of the video call."));
    let help = rig.card().unwrap().trouble.unwrap().1.unwrap();
    assert_eq!(help.label, "Open the window");
    rig.tab = Tab::New;
    rig.act(Act::Retry { extension: false });
    rig.serve();
    assert_eq!((rig.messages.len(), rig.trouble()), (1, String::new()));
}

#[test]
fn a_window_that_the_extension_refuses_is_said_and_the_next_click_opens_a_tab() {
    let mut rig = Rig::at_chat();
    rig.click(true);
    rig.event(Event::WindowRefused);
    rig.serve();
    assert_eq!(rig.trouble(), "The extension did not open the window of the video call.");
    assert_eq!(rig.card().unwrap().trouble.unwrap().1.unwrap().label, "Open in a tab");
    rig.act(Act::Retry { extension: true });
    rig.serve();
    assert!(rig.seen.iter().any(|command| matches!(command, Command::Go { .. })));
    assert_eq!((rig.messages.len(), rig.trouble()), (1, String::new()));

    // One that comes long after is about something else.
    let mut rig = Rig::begun();
    rig.pass(10_000);
    rig.event(Event::WindowRefused);
    assert_eq!(rig.trouble(), "");
}

#[test]
fn only_accepted_chats_have_the_button_and_calls_that_name_a_conversation() {
    let has_button = |change: fn(&mut crate::video::machine::flex_view::TaskView)| {
        let mut rig = Rig::new(settings(), "");
        let mut view = chat(1);
        change(&mut view);
        rig.have(vec![view]);
        rig.serve();
        rig.button().is_some()
    };
    assert!(has_button(|_| {}));
    assert!(has_button(|view| view.kind = TaskKind::Call));
    assert!(!has_button(|view| view.status = TaskStatus::Over));
    assert!(!has_button(|view| view.conversation = None));
    assert!(!has_button(|view| (view.kind, view.conversation) = (TaskKind::Call, None)));
    assert!(!has_button(|view| view.kind = TaskKind::Other));
}

#[test]
fn a_call_without_a_conversation_has_the_button_where_the_service_can_send_a_text_message() {
    let with_text = || Settings { text: true, ..settings() };
    let mut rig = Rig::new(settings(), "");
    rig.have(vec![call(1)]);
    assert!(rig.asked.is_empty(), "without the setting nothing is asked");

    let mut rig = Rig::new(with_text(), "");
    rig.have(vec![call(1)]);
    assert_eq!(rig.button(), None);
    rig.serve();
    assert_eq!((rig.button(), rig.polls()), (None, 1));

    let mut rig = Rig::new(with_text(), "");
    (rig.service.by_text, rig.by_text) = (true, true);
    rig.have(vec![call(1)]);
    rig.serve();
    rig.click(true);
    rig.serve();
    assert_eq!(rig.windows(), [(sid("WT", 1), WayIn::Soon), (sid("WT", 1), link())]);
    let [Ask::Open(_), Ask::Invite(invite)] = &*rig.wanted() else { panic!("{:?}", rig.wanted()) };
    assert!(!invite.revoke && invite.text.as_ref().unwrap().ends_with(" {link}"), "{invite:?}");
    assert!(rig.messages.is_empty() && rig.trouble().is_empty());
    rig.click(true);
    rig.serve();
    assert_eq!(rig.wanted().len(), 3, "the window's link alone");

    // The service says that it can, and cannot.
    let mut rig = Rig::new(with_text(), "");
    rig.service.by_text = true;
    rig.have(vec![call(1)]);
    rig.serve();
    rig.click(true);
    rig.serve();
    assert!(rig.trouble().starts_with("No text message could be sent to this customer."));
}

#[test]
fn a_failed_click_is_said_in_card_and_window_leaves_the_chat_alone_and_can_be_tried_again() {
    let mut rig = Rig::at_chat();
    rig.click(true);
    rig.fail(refused(503, VideoErrorCode::UpstreamUnavailable));
    assert!(rig.trouble().starts_with("The video service cannot be reached at the moment."));
    let (key, WayIn::Failed(said)) = rig.windows().pop().unwrap() else { panic!("{:?}", rig.windows()) };
    assert_eq!((key, said), (sid("CH", 1), rig.trouble()));
    let button = rig.button().unwrap();
    assert!(button.failed && button.label.ends_with("Try again"), "{button:?}");
    rig.pass(3_600_000);
    assert!(rig.open.is_empty() && rig.messages.is_empty());
    rig.act(Act::Retry { extension: true });
    rig.serve();
    assert_eq!((rig.messages.len(), rig.trouble()), (1, String::new()));

    let mut rig = Rig::at_chat();
    rig.click(false);
    rig.fail(refused(500, VideoErrorCode::Internal));
    assert!(rig.seen.contains(&Command::CloseTab(sid("CH", 1))));
}

#[test]
fn a_click_whose_answer_was_lost_invites_the_customer_when_it_is_made_again() {
    let mut rig = Rig::at_chat();
    rig.click(true);
    // The service did it, and nobody heard.
    rig.service.phase = VideoPhase::Invited;
    rig.service.session = "VS9".to_owned();
    rig.pass(call::TIMEOUT_MS);
    assert!(rig.trouble().starts_with("The video service cannot be reached"));
    rig.open.clear();
    rig.act(Act::Retry { extension: true });
    rig.serve();
    assert_eq!(rig.messages.len(), 1);
}

#[test]
fn an_agents_link_that_is_none_goes_nowhere() {
    let mut rig = Rig::at_chat();
    rig.click(false);
    let (request, _) = rig.open.remove(0);
    rig.event(Event::Answered(
        request,
        crate::video::machine::event::Answer::Opened(protocol::video::VideoOpened {
            status: protocol::video::VideoStatus { phase: VideoPhase::Invited, ..Default::default() },
            agent_link: "//evil.test/".to_owned(),
            invitation: None,
        }),
    ));
    assert!(!rig.seen.iter().any(|command| matches!(command, Command::Go { .. })));
    assert!(rig.trouble().starts_with("The service gave an unexpected answer"));
}

#[test]
fn a_service_that_is_not_where_the_token_service_is_has_its_window_in_a_tab() {
    let own = Settings { url: Some("https://video.acme.test".to_owned()), ..settings() };
    let mut rig = Rig::new(own, "");
    rig.have(vec![chat(1)]);
    rig.serve();
    rig.click(true);
    rig.serve();
    let page = Secret::new(format!("https://video.acme.test/v/{LINK}#start"));
    assert!(rig.windows().is_empty() && rig.seen.contains(&Command::Go { key: sid("CH", 1), page }));
}
