//! Where the service is.

use super::harness::*;
use crate::chat_history::machine::{Config, Settings};

#[test]
fn switched_off_there_is_no_chat_history_at_all() {
    assert!(Config::new(&Settings { on: false, ..settings() }).is_none());
}

#[test]
fn the_service_is_the_token_services_unless_it_has_an_address_of_its_own() {
    let asks = |settings: Settings| {
        let mut rig = Rig::new(settings, "");
        rig.have(vec![task(1)]);
        rig.look(true);
        rig.asked.remove(0)
    };
    let path = format!("/v1/history/tasks/{}", sid("WT", 1));
    let own = Settings { url: Some(" https://history.acme.test:8443/ ".to_owned()), ..settings() };
    assert!(asks(own).starts_with(&format!("https://history.acme.test:8443{path}?")));
    let nameless = Settings { account_sid: "x&y=1".to_owned(), ..settings() };
    assert_eq!(asks(nameless), format!("https://tokens.acme.test{path}"));
}

#[test]
fn a_cursor_is_encoded_whatever_is_in_it() {
    let mut rig = Rig::opened();
    rig.serve_one();
    let (request, ..) = rig.open.remove(0);
    rig.event(crate::chat_history::machine::Event::Answered(
        request,
        crate::chat_history::machine::Answer::Page(protocol::history::HistoryPage {
            messages: vec![message(1, 5)],
            cursor: Some("a&b=/ü".to_owned()),
            hidden: false,
        }),
    ));
    rig.act(crate::chat_history::machine::Act::NearBegin);
    assert!(rig.asked.last().unwrap().ends_with("&cursor=a%26b%3D%2F%C3%BC"));
}
