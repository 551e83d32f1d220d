//! Whose voice client it is, whose address, and for whom the voice client is not.

use super::*;

fn agent(name: &str) -> Option<Identity> {
    Some(Identity::new(name).unwrap())
}

fn named(identity: &str, state: ClientState) -> Event {
    Event::Message(ToPage::Heartbeat {
        payload: Heartbeat { voice_client_identity: identity.into(), error: None, state },
    })
}

fn page_of(name: &str, contact_uri: &str, enabled: bool) -> Rig {
    Rig::new(Boot {
        flex: FlexView {
            agent: agent(name),
            contact_uri: Some(contact_uri.into()),
            enabled,
            ..flex("Available")
        },
        ..boot()
    })
}

fn written(page: &mut Rig) -> Vec<(String, Option<String>)> {
    page.ordered()
        .into_iter()
        .filter_map(|command| match command {
            Command::SetContactUri { uri, previous, .. } => Some((uri, previous)),
            _ => None,
        })
        .collect()
}

// Who the agent is.

#[test]
fn the_page_says_who_its_agent_is_and_says_it_anew_when_another_signs_in() {
    let mut page = ready();
    page.set_flex(|flex| flex.agent = agent("another"));
    let said: Vec<_> = page
        .ordered()
        .into_iter()
        .filter_map(|command| match command {
            Command::Post(ToExtension::Configure { payload }) => payload.agent_identity,
            _ => None,
        })
        .collect();
    assert_eq!(said, [Identity::new("another").unwrap()]);
    assert_eq!(page.status(), "Voice: connecting", "what was said to the agent before is not for this one");
}

#[test]
fn another_agents_identity_is_not_believed_and_named_when_it_stays() {
    for identity in ["ext_agent2", "ext_agen", "ext_Agent", "ext_ext_agent", "ext_another"] {
        let mut page = Rig::new(boot());
        page.send(configured());
        let theirs = named(identity, newest(Some(call(SID))));
        page.send(theirs.clone());
        assert_eq!(page.status(), "Voice: connecting", "a moment of it is no matter");
        assert_eq!(page.flex.active_call, ActiveCall::None, "another agent's call is not this agent's");
        page.pass(20_000, Some(&theirs));
        assert_eq!(page.flex.contact_uri.as_deref(), Some("client:agent"), "{identity}");
        assert!(page.status().contains("another agent"), "{}", page.status());
        assert!(page.machine.refuses(&Intent::AcceptCall, page.now));
        assert_eq!(page.activity(), "Voice Client Offline");
        page.send(named("ext_agent", newest(None)));
        assert_eq!((page.status().as_str(), page.activity()), ("Voice: ready", "Available"));
    }
}

#[test]
fn where_flex_does_not_name_the_agent_the_prefix_alone_is_compared() {
    let mut page = Rig::new(Boot { flex: FlexView { agent: None, ..flex("Available") }, ..boot() });
    page.send(configured());
    page.send(named("boss_agent", newest(None)));
    assert_eq!(page.flex.contact_uri.as_deref(), Some("client:agent"));
    page.send(named("ext_whoever", newest(None)));
    assert_eq!(page.flex.contact_uri.as_deref(), Some("client:ext_whoever"));
    page.pass(20_000, None);
    assert_eq!(page.flex.contact_uri.as_deref(), Some("client:agent"), "given back as it was");
}

// Whose address it is.

/// `ext.jones@example.com`, `ext-jones@example.com`, `ext@example.com`: Flex writes `_2E`, `_2D` and `_40`.
const LOOK_ALIKES: [&str; 3] =
    ["ext_2Ejones_40example_2Ecom", "ext_2Djones_40example_2Ecom", "ext_40example_2Ecom"];

#[test]
fn an_agent_whose_name_begins_like_the_prefix_keeps_the_own_address() {
    for name in LOOK_ALIKES {
        for enabled in [false, true] {
            let own = format!("client:{name}");
            let mut page = page_of(name, &own, enabled);
            page.pass(60_000, None);
            assert_eq!(written(&mut page), [], "{own}");
        }
    }
}

#[test]
fn an_agent_whose_name_begins_like_the_prefix_uses_the_voice_client_as_anybody() {
    for name in LOOK_ALIKES {
        let mut page = page_of(name, &format!("client:{name}"), true);
        page.send(configured());
        let beat = named(&format!("ext_{name}"), newest(None));
        page.pass(5_000, Some(&beat));
        assert_eq!(page.status(), "Voice: ready");
        page.pass(20_000, None);
        assert_eq!(
            written(&mut page),
            [(format!("client:ext_{name}"), None), (format!("client:{name}"), None)],
            "taken and given back, each once"
        );
    }
}

#[test]
fn a_page_that_does_not_know_its_agent_gives_nothing_back_by_guess() {
    for uri in ["client:ext_2Ejones_40example_2Ecom", OURS] {
        for enabled in [false, true] {
            let flex = FlexView { agent: None, contact_uri: Some(uri.into()), enabled, ..flex("Available") };
            let mut page = Rig::new(Boot { flex, ..boot() });
            page.pass(60_000, None);
            assert_eq!(written(&mut page), [], "{uri}");
        }
    }
}

#[test]
fn an_own_address_of_another_kind_comes_back_as_it_was_from_the_worker_and_not_the_browser() {
    for own in [
        "sip:ada@pbx.example.com;transport=tls",
        "+15550199",
        "client:custom_ada",
        "client:ext_another",
        "client:custom_ada?line=2",
    ] {
        let mut page = page_of("agent", own, true);
        page.send(configured());
        page.send(heartbeat(newest(None)));
        assert_eq!(written(&mut page), [(OURS.to_owned(), Some(own.to_owned()))]);
        // Another browser: all that is known is what the worker says.
        let mut page = Rig::new(Boot { flex: FlexView { enabled: false, ..page.flex }, ..boot() });
        page.pass(5_000, None);
        assert_eq!(written(&mut page), [(own.to_owned(), None)], "and nothing is left behind");
        assert_eq!(page.flex.previous_contact, None);
    }
}

#[test]
fn an_own_address_survives_any_number_of_turns() {
    let own = "sip:ada@pbx.example.com";
    let mut page = page_of("agent", own, true);
    for _ in 0..5 {
        page.send(configured());
        page.pass(10_000, Some(&heartbeat(newest(None))));
        assert_eq!(page.flex.contact_uri.as_deref(), Some(OURS));
        page.send(Event::Message(ToPage::Disconnected));
        page.pass(20_000, None);
        assert_eq!((page.flex.contact_uri.as_deref(), page.flex.previous_contact.clone()), (Some(own), None));
    }
}

#[test]
fn an_address_that_somebody_sets_meanwhile_is_the_one_that_comes_back() {
    let mut page = page_of("agent", "+15550199", true);
    page.send(configured());
    page.send(heartbeat(newest(None)));
    page.set_flex(|flex| flex.contact_uri = Some("sip:desk@pbx.example.com".into()));
    page.pass(10_000, Some(&heartbeat(newest(None))));
    assert_eq!(page.flex.contact_uri.as_deref(), Some(OURS));
    disable(&mut page);
    assert_eq!(page.flex.contact_uri.as_deref(), Some("sip:desk@pbx.example.com"));
    // And Flex's own, which needs no keeping, clears what was kept.
    page.set_flex(|flex| {
        (flex.contact_uri, flex.previous_contact) = (Some("client:agent".into()), Some("+1".into()));
        flex.enabled = true;
    });
    page.send(configured());
    page.send(heartbeat(newest(None)));
    disable(&mut page);
    assert_eq!(page.flex.contact_uri.as_deref(), Some("client:agent"));
}

#[test]
fn a_kept_address_that_would_send_calls_nowhere_is_not_given_back() {
    for kept in ["", "  ", OURS, "client:ext_agent?flex_session_identifier=1"] {
        let flex = FlexView {
            enabled: false,
            contact_uri: Some(OURS.into()),
            previous_contact: Some(kept.into()),
            ..flex("Available")
        };
        let mut page = Rig::new(Boot { flex, ..boot() });
        page.pass(5_000, None);
        assert_eq!(written(&mut page), [("client:agent".to_owned(), None)], "{kept:?}");
    }
}

#[test]
fn a_change_that_crossed_ours_is_put_back_with_the_kept_address() {
    let own = "sip:ada@pbx.example.com";
    let mut page = page_of("agent", own, true);
    page.slow = true;
    page.send(configured());
    page.send(heartbeat(newest(None)));
    assert_eq!(written(&mut page), [(OURS.to_owned(), Some(own.to_owned()))]);
    let theirs = r#"{"skills":["sales"]}"#;
    page.set_flex(|flex| flex.other_attributes = theirs.into());
    page.slow = false;
    page.set_flex(|flex| {
        flex.other_attributes = r#"{"skills":[]}"#.into();
        (flex.contact_uri, flex.previous_contact) = (Some(OURS.into()), Some(own.into()));
    });
    assert_eq!(page.flex.other_attributes, theirs);
    assert_eq!(page.flex.previous_contact.as_deref(), Some(own));
}

// For whom it is not.

#[test]
fn an_attribute_that_is_neither_true_nor_false_is_told_to_the_agent_and_in_the_console() {
    let mut page = Rig::new(Boot {
        flex: FlexView { enabled: false, unclear: Some("\"yes\"".into()), ..flex("Available") },
        ..boot()
    });
    let console: Vec<_> = page
        .ordered()
        .into_iter()
        .filter_map(|command| if let Command::Console(text) = command { Some(text) } else { None })
        .collect();
    assert_eq!(console.len(), 1);
    assert!(console[0].contains("extensionVoiceClientEnabled is \"yes\""), "{console:?}");
    let shown = page.shown();
    assert_eq!((shown.tone, shown.text.as_str()), (Tone::Problem, "Voice: not set up"));
    assert!(shown.detail.contains("neither true nor false"), "{}", shown.detail);
    page.pass(60_000, None);
    assert_eq!(page.ordered(), [], "said once, and calls are left where they are");
    assert!(!page.machine.refuses(&Intent::AcceptCall, page.now));
    page.set_flex(|flex| (flex.enabled, flex.unclear) = (true, None));
    assert_eq!(posts(&page.ordered()), [CONFIGURE]);
    page.set_flex(|flex| flex.enabled = false);
    assert_eq!(page.machine.shown, None);
}

fn in_a_frame(contact_uri: &str) -> Rig {
    Rig::new(Boot {
        flex: FlexView { in_frame: true, contact_uri: Some(contact_uri.into()), ..flex("Available") },
        ..boot()
    })
}

#[test]
fn in_a_frame_calls_are_left_with_flex_and_the_agent_on_the_queue_and_the_header_says_why() {
    let mut page = in_a_frame("client:agent");
    page.pass(120_000, None);
    assert_eq!((page.activity(), page.flex.contact_uri.as_deref()), ("Available", Some("client:agent")));
    let ordered = page.ordered();
    assert!(matches!(&ordered[..], [Command::ShowStatus(Some(_))]), "{ordered:?}");
    let shown = page.shown();
    assert_eq!(shown.tone, Tone::Off);
    assert!(shown.detail.contains("in a tab of its own"), "{}", shown.detail);
    for intent in [Intent::AcceptCall, Intent::DialOut, Intent::Monitor] {
        assert!(!page.machine.refuses(&intent, page.now));
    }
    assert_eq!(page.machine.dial(page.now), Dial::ByFlex);
    disable(&mut page);
    assert_eq!(page.machine.shown, None, "an agent without the voice client is told nothing of it");
}

#[test]
fn in_a_frame_an_address_that_was_left_behind_is_given_back_once_and_a_tab_of_its_own_may_take_it() {
    let mut page = in_a_frame(OURS);
    assert_eq!(written(&mut page), [("client:agent".to_owned(), None)]);
    page.set_flex(|flex| flex.contact_uri = Some(OURS.into()));
    page.pass(120_000, None);
    assert_eq!(written(&mut page), [], "the agent did as told and opened Flex in a tab");
}

// Digits.

#[test]
fn a_long_string_of_digits_goes_in_one_message() {
    let mut page = ready();
    page.send(heartbeat(newest(Some(call(SID)))));
    page.ordered();
    // As many as a message carries.
    let most = (1..=MAX_DIGITS).rev().find(|n| DtmfDigits::new("1".repeat(*n)).is_ok()).unwrap();
    for digits in ["12345678901234567890123456789012345678#", &("w".repeat(most - 1) + "1")] {
        let digits = &digits[..digits.len().min(most)];
        page.send(Event::Digits(digits.into()));
        let digits = DtmfDigits::new(digits).unwrap();
        let whole = Command::Post(ToExtension::SendDigits { payload: SendDigits { digits } });
        assert_eq!(page.ordered(), [whole]);
    }
}

#[test]
fn more_digits_than_one_message_carries_are_refused_before_the_first_and_so_is_a_string_with_nonsense() {
    let mut page = ready();
    page.send(heartbeat(newest(Some(call(SID)))));
    page.ordered();
    page.send(Event::Digits("1".repeat(MAX_DIGITS + 1)));
    assert_eq!(
        page.ordered(),
        [Command::Notify(
            Severity::Warning,
            "These are more than 256 digits, so none of them was sent. Send them in parts.".into()
        )]
    );
    page.send(Event::Digits("1".repeat(40) + "é"));
    assert_eq!(page.ordered(), [], "not even the good half");
}
