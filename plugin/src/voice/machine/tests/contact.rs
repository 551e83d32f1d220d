//! Where calls go.

use super::*;

#[test]
fn contact_uri_is_set_once_when_the_extension_is_registered_and_only_then() {
    let mut page = Rig::new(boot());
    page.send(configured());
    page.send(heartbeat(ClientState { registered: false, status: Status::Registering, ..state(None) }));
    assert!(!page.ordered().iter().any(|c| matches!(c, Command::SetContactUri { .. })));
    page.pass(5_000, Some(&heartbeat(state(None))));
    let set: Vec<_> =
        page.ordered().into_iter().filter(|c| matches!(c, Command::SetContactUri { .. })).collect();
    assert_eq!(set, [set_contact(OURS)]);
    assert_eq!(page.status(), "Voice: ready");
}

#[test]
fn an_old_extension_counts_as_registered_unless_it_says_error() {
    let mut page = Rig::new(boot());
    page.send(configured());
    page.send(old_heartbeat(Some(true)));
    assert_eq!(page.flex.contact_uri.as_deref(), Some("client:agent"));
    page.send(old_heartbeat(None));
    assert_eq!((page.flex.contact_uri.as_deref(), page.status().as_str()), (Some(OURS), "Voice: ready"));
}

#[test]
fn a_failing_contact_uri_is_tried_a_few_times_and_then_named() {
    let mut page = Rig::new(boot());
    page.obeys = false;
    page.send(configured());
    page.pass(300_000, Some(&heartbeat(state(None))));
    let tries = page.ordered().iter().filter(|c| matches!(c, Command::SetContactUri { .. })).count();
    assert_eq!(tries, 5);
    assert!(page.status().contains("contact address"), "{}", page.status());
    page.obeys = true;
    page.pass(2_000, Some(&heartbeat(ClientState { registered: false, ..state(None) })));
    page.send(heartbeat(state(None)));
    assert_eq!(page.status(), "Voice: ready", "an extension that comes back gets new attempts");
}

#[test]
fn an_identity_outside_the_extensions_namespace_is_not_believed() {
    for name in ["boss", "ext_", "", "<b>"] {
        let mut page = Rig::new(boot());
        page.send(configured());
        let forged = Event::Message(ToPage::Heartbeat {
            payload: Heartbeat { voice_client_identity: name.into(), error: None, state: state(None) },
        });
        page.pass(10_000, Some(&forged));
        assert!(!page.ordered().iter().any(|c| matches!(c, Command::SetContactUri { .. })), "{name}");
        assert!(page.status().contains("ext_"), "{}", page.status());
    }
}

#[test]
fn a_worker_who_is_not_enabled_gets_the_own_address_back_and_nothing_else_happens() {
    let mut page = Rig::new(Boot {
        flex: FlexView { enabled: false, contact_uri: Some(OURS.into()), ..flex("Available") },
        ..boot()
    });
    page.send(configured());
    page.pass(60_000, Some(&heartbeat(state(Some(call(SID))))));
    assert_eq!(page.ordered(), [set_contact("client:agent")]);
    assert!(!page.machine.refuses(&Intent::AcceptCall, page.now));
    // An administrator's later choice is not fought.
    page.set_flex(|flex| flex.contact_uri = Some("+15550199".into()));
    page.pass(10_000, None);
    assert!(page.ordered().is_empty());
}

#[test]
fn a_worker_who_is_not_enabled_and_has_another_address_is_left_alone() {
    for uri in [Some("client:agent"), Some("+15550100"), Some("client:ext_"), None] {
        let flex = FlexView { contact_uri: uri.map(str::to_owned), ..flex("Available") };
        let mut page = Rig::new(Boot { flex: FlexView { enabled: false, ..flex }, ..boot() });
        page.pass(5_000, None);
        assert!(page.ordered().is_empty(), "{uri:?}");
    }
}

#[test]
fn an_extension_that_is_gone_for_good_gives_the_address_back_and_one_that_is_updated_does_not() {
    let mut page = ready();
    page.send(Event::Message(ToPage::Disconnected));
    page.pass(9_000, None);
    assert_eq!(page.flex.contact_uri.as_deref(), Some(OURS), "an update takes a moment");
    page.send(configured());
    page.send(heartbeat(state(None)));
    page.pass(20_000, Some(&heartbeat(state(None))));
    assert_eq!(page.flex.contact_uri.as_deref(), Some(OURS));
    page.send(Event::Message(ToPage::Disconnected));
    page.pass(11_000, None);
    assert_eq!(page.flex.contact_uri.as_deref(), Some("client:agent"));
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!((page.flex.contact_uri.as_deref(), page.activity()), (Some(OURS), "Available"));
}

#[test]
fn an_extension_that_needs_somebody_to_do_something_gives_the_address_back() {
    let mut page = ready();
    let declined = ClientState {
        registered: false,
        status: Status::Failed,
        problem: Some(problem(ProblemCode::ConsentDeclined, false)),
        ..state(None)
    };
    page.pass(12_000, Some(&heartbeat(declined)));
    assert_eq!(page.flex.contact_uri.as_deref(), Some("client:agent"));
    let mut page = ready();
    let trying = ClientState { registered: false, status: Status::Reconnecting, ..state(None) };
    page.pass(60_000, Some(&heartbeat(trying)));
    assert_eq!(page.flex.contact_uri.as_deref(), Some(OURS), "it keeps trying");
}

#[test]
fn the_parameter_of_flex_with_several_tabs_changes_nothing() {
    let with_session = format!("{OURS}?flex_session_identifier=3f2a");
    let mut page = ready();
    page.set_flex(|flex| flex.contact_uri = Some(with_session.clone()));
    page.pass(5_000, Some(&heartbeat(state(None))));
    assert_eq!((page.status().as_str(), page.ordered()), ("Voice: ready", vec![]));
    disable(&mut page);
    assert_eq!(page.flex.contact_uri.as_deref(), Some("client:agent"));
}

#[test]
fn a_change_of_other_attributes_that_crossed_ours_is_put_back() {
    let mut page = Rig::new(boot());
    page.slow = true;
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert!(page.ordered().contains(&set_contact(OURS)));
    // Their change was made a moment before ours, which was written without it. TaskRouter tells of both.
    let theirs = r#"{"skills":["sales"]}"#;
    page.set_flex(|flex| flex.other_attributes = theirs.into());
    page.slow = false;
    page.set_flex(|flex| {
        flex.other_attributes = r#"{"skills":[]}"#.into();
        flex.contact_uri = Some(OURS.into());
    });
    let restore = Command::SetContactUri { uri: OURS.into(), previous: None, others: Some(theirs.into()) };
    assert!(page.ordered().contains(&restore));
    assert_eq!(page.flex.other_attributes, theirs);
    page.pass(30_000, Some(&heartbeat(state(None))));
    assert!(!page.ordered().iter().any(|c| matches!(c, Command::SetContactUri { .. })), "and that is all");
    // A later change of theirs is theirs alone.
    page.set_flex(|flex| flex.other_attributes = "{}".into());
    page.pass(30_000, Some(&heartbeat(state(None))));
    assert!(!page.ordered().iter().any(|c| matches!(c, Command::SetContactUri { .. })));
}
