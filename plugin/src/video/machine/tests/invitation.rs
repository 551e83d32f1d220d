//! The link to the customer.

use std::collections::BTreeMap;

use protocol::video::VideoPhase;

use super::harness::*;
use crate::video::machine::event::{Act, Ask, Event};
use crate::words::{Language, Text, Words};

#[test]
fn a_link_that_could_not_be_sent_is_said_and_only_the_agent_sends_it_again() {
    let mut rig = Rig::at_chat();
    rig.conversation_works = false;
    rig.click(true);
    rig.serve();
    assert_eq!(rig.trouble(), "The link could not be sent into the chat.");
    let help = rig.card().unwrap().trouble.unwrap().1.unwrap();
    assert!(help.sends && help.label == "Send again");
    rig.conversation_works = true;
    rig.pass(60_000);
    rig.serve();
    assert!(rig.messages.is_empty(), "never by itself");
    rig.act(Act::SendAgain);
    rig.act(Act::SendAgain);
    assert_eq!((rig.messages.len(), rig.trouble()), (1, String::new()));
    assert!(rig.messages[0].ends_with("/v/00000000000000000001"), "the same link");
}

#[test]
fn a_new_link_asks_once_and_then_the_former_ones_stop_working() {
    let mut rig = Rig::begun();
    rig.act(Act::Confirm);
    assert_eq!(rig.wanted().len(), 1, "not without the question");
    rig.act(Act::NewLink);
    let card = rig.card().unwrap();
    assert_eq!(card.question.unwrap()[0], "All links that were sent before stop working.");
    assert_eq!(card.new_link, None);
    rig.act(Act::Cancel);
    assert_eq!(rig.card().unwrap().question, None);
    rig.act(Act::NewLink);
    rig.act(Act::Confirm);
    rig.act(Act::Confirm);
    rig.serve();
    let [Ask::Open(_), Ask::Invite(invite)] = &*rig.wanted() else { panic!("{:?}", rig.wanted()) };
    assert!(invite.revoke && invite.text.is_none());
    assert_eq!(rig.messages.len(), 2);
    assert!(rig.messages[1].ends_with("/v/00000000000000000002"));
}

#[test]
fn after_a_reload_of_flex_the_card_is_there_again_and_a_click_sends_no_second_link() {
    let before = Rig::begun();
    assert!(!before.kept.contains("http") && !before.kept.contains(LINK), "{}", before.kept);
    let mut rig = Rig::new(settings(), &before.kept);
    rig.service = before.service;
    rig.have(vec![chat(1)]);
    // Not even where the click is faster than the answer.
    rig.click(true);
    rig.serve();
    assert_eq!((rig.messages.len(), rig.windows().len()), (0, 2));
    assert_eq!(rig.line(), "The customer has not opened the link yet.");
}

#[test]
fn the_next_agent_joins_the_session_that_is_there_and_the_customer_gets_no_new_link() {
    let mut rig = Rig::new(settings(), "");
    rig.service.phase = VideoPhase::Met;
    rig.service.session = "VS1".to_owned();
    rig.have(vec![chat(1)]);
    rig.serve();
    assert_eq!(rig.line(), "A video call with this customer is running.");
    assert_eq!(rig.card().unwrap().show.unwrap(), "Join");
    rig.click(true);
    rig.serve();
    assert_eq!((rig.messages.len(), rig.windows().pop().unwrap().1), (0, link()));

    // Also where the customer has not used theirs yet.
    let mut rig = Rig::new(settings(), "");
    rig.service.phase = VideoPhase::Invited;
    rig.have(vec![chat(1)]);
    rig.serve();
    rig.click(true);
    rig.serve();
    assert!(rig.messages.is_empty());
}

#[test]
fn words_of_an_administrator_that_lack_the_links_place_are_followed_by_it() {
    let own = BTreeMap::from([(Text::VideoInvitation.key().to_owned(), "See you on video".to_owned())]);
    let mut rig = Rig::with(settings(), "", Words::new(Language::English, own));
    rig.have(vec![chat(1)]);
    rig.serve();
    rig.click(true);
    rig.serve();
    assert_eq!(rig.messages, ["See you on video https://join.acme.test/v/00000000000000000001"]);
}

#[test]
fn words_too_long_for_a_text_message_are_replaced_by_the_built_in_ones() {
    let own = BTreeMap::from([(Text::VideoInvitation.key().to_owned(), "long ".repeat(80))]);
    let mut rig = Rig::with(
        crate::video::machine::Settings { text: true, ..settings() },
        "",
        Words::new(Language::Spanish, own),
    );
    (rig.service.by_text, rig.by_text) = (true, true);
    rig.have(vec![call(1)]);
    rig.serve();
    rig.click(true);
    rig.serve();
    let [_, Ask::Invite(invite)] = &*rig.wanted() else { panic!("{:?}", rig.wanted()) };
    assert!(invite.text.as_ref().unwrap().starts_with("Hablemos cara a cara."), "{invite:?}");
}

#[test]
fn a_new_session_after_an_end_gets_a_link_of_its_own() {
    let mut rig = Rig::met();
    rig.act(Act::End);
    rig.serve();
    assert_eq!(rig.line(), "The video call is over.");
    rig.click(true);
    rig.serve();
    assert_eq!(rig.messages.len(), 2);
}

#[test]
fn a_link_is_not_shown_by_what_the_machine_says_of_itself() {
    let mut rig = Rig::at_chat();
    rig.conversation_works = false;
    rig.click(true);
    rig.serve();
    for said in [format!("{:?}", rig.rig.machine), format!("{:?}", rig.seen)] {
        assert!(!said.contains("/v/0") && !said.contains(LINK), "{said}");
    }
    rig.event(Event::Sent { task: sid("WT", 1), ok: false });
}
