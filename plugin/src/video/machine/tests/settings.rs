//! Where the service is.

use super::harness::*;
use crate::video::machine::{Config, Settings};

#[test]
fn switched_off_there_is_no_video_at_all() {
    assert!(Config::new(&Settings { on: false, ..settings() }).is_none());
}

#[test]
fn the_service_is_the_token_services_unless_it_has_an_address_of_its_own() {
    let asks = |settings: Settings| {
        let mut rig = Rig::new(settings, "");
        rig.have(vec![chat(1)]);
        rig.asked.remove(0).0
    };
    let path = format!("/v1/video/tasks/{}", sid("WT", 1));
    assert_eq!(asks(settings()), format!("https://tokens.acme.test{path}?account_sid={}", sid("AC", 1)));
    let own = Settings { url: Some(" https://video.acme.test:8443/ ".to_owned()), ..settings() };
    assert!(asks(own).starts_with(&format!("https://video.acme.test:8443{path}?")));
    let nameless = Settings { account_sid: "x&y=1".to_owned(), ..settings() };
    assert_eq!(asks(nameless), format!("https://tokens.acme.test{path}"));
}

#[test]
fn a_setting_that_is_missing_or_wrong_is_named_by_the_click_and_nothing_is_asked() {
    let wrong = |settings: Settings| {
        let mut rig = Rig::new(settings, "");
        rig.have(vec![chat(1)]);
        rig.click(true);
        assert!(rig.asked.is_empty() && rig.windows().is_empty());
        rig.trouble()
    };
    assert!(wrong(Settings { token_service_url: None, ..settings() }).contains("“token_service_url”"));
    let bad = Settings { url: Some("http://plain.acme.test/".to_owned()), ..settings() };
    assert!(wrong(bad).contains("“video.url”"));
}

#[test]
fn what_is_no_tasks_sid_does_not_go_into_a_url() {
    let mut rig = Rig::new(settings(), "");
    let mut odd = chat(1);
    odd.task = "WT/../../x".to_owned();
    rig.have(vec![odd]);
    assert!(rig.asked.is_empty());
}
