//! On and off, live.

use super::*;

#[test]
fn an_attribute_that_is_taken_away_gives_calls_back_to_flex_without_a_reload() {
    let mut page = ready();
    disable(&mut page);
    assert_eq!(page.ordered(), [Command::ShowStatus(None), set_contact("client:agent")]);
    page.pass(60_000, Some(&heartbeat(state(Some(call(SID))))));
    assert!(page.ordered().is_empty(), "not a word to the extension, nothing in the store");
    assert!(!page.machine.refuses(&Intent::AcceptCall, page.now));
    page.set_flex(|flex| flex.enabled = true);
    assert_eq!(posts(&page.ordered()), [CONFIGURE]);
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!((page.status().as_str(), page.flex.contact_uri.as_deref()), ("Voice: ready", Some(OURS)));
}

#[test]
fn a_live_call_keeps_its_controls_when_the_attribute_is_taken_away() {
    let mut page = on_call();
    disable(&mut page);
    assert_eq!(page.flex.contact_uri.as_deref(), Some("client:agent"), "the next call is Flex's");
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
    page.send(Event::HangUp);
    assert_eq!(posts(&page.ordered()), ["VOICE_CLIENT_EXTENSION_HANGUP_CALL"]);
    page.send(heartbeat(state(None)));
    assert_eq!(page.flex.active_call, ActiveCall::None);
    assert!(page.ordered().contains(&Command::ShowStatus(None)));
}

#[test]
fn an_agent_who_was_put_offline_comes_back_when_the_attribute_is_taken_away() {
    let mut page = ready();
    page.pass(6_000, None);
    assert_eq!(page.activity(), "Voice Client Offline");
    disable(&mut page);
    assert_eq!((page.activity(), page.flex.contact_uri.as_deref()), ("Available", Some("client:agent")));
}
