//! The link to the extension, as an agent sees it.

use super::*;

#[test]
fn the_page_introduces_itself_at_once_and_every_two_seconds_until_it_is_answered() {
    let mut page = Rig::new(boot());
    let first = page.ordered();
    let Some(Command::Post(ToExtension::Configure { payload })) = first.first() else { panic!("{first:?}") };
    assert_eq!(payload.voice_client_token_generator_url, "https://t.example.com/v1");
    assert_eq!(payload.account_sid.as_str(), ACCOUNT);
    assert_eq!(payload.extension_voice_client_prefix.as_str(), "ext_");
    assert_eq!(payload.protocol_version, Some(PROTOCOL_VERSION));
    page.pass(6_000, None);
    assert_eq!(posts(&page.ordered()), [CONFIGURE; 3]);
    page.send(configured());
    page.pass(4_000, Some(&heartbeat(state(None))));
    assert!(posts(&page.ordered()).is_empty());
}

#[test]
fn each_hello_is_followed_by_the_token_for_whoever_takes_its_port() {
    let mut page = Rig::new(boot());
    page.pass(4_000, None);
    let mut hellos = page.ordered().into_iter().filter(|command| {
        matches!(command, Command::Post(ToExtension::Configure { .. }) | Command::OfferToken(_))
    });
    for _ in 0..2 {
        assert!(matches!(hellos.next(), Some(Command::Post(_))));
        assert_eq!(hellos.next(), Some(Command::OfferToken(AccountSid::new(ACCOUNT).unwrap())));
    }
}

#[test]
fn every_configured_is_answered_with_the_token_and_so_is_every_refresh() {
    let mut page = Rig::new(boot());
    page.send(Event::TokenUpdated);
    assert!(
        !page.ordered().contains(&Command::PostToken(AccountSid::new(ACCOUNT).unwrap())),
        "nobody is there yet"
    );
    for event in [configured(), configured(), Event::TokenUpdated] {
        page.send(event);
        assert_eq!(page.ordered().iter().filter(|c| matches!(c, Command::PostToken(_))).count(), 1);
    }
}

#[test]
fn an_extension_that_waits_for_a_token_gets_it_again_but_not_at_every_heartbeat() {
    let mut page = Rig::new(boot());
    page.send(configured());
    page.ordered();
    let waiting =
        heartbeat(ClientState { status: Status::WaitingForToken, registered: false, ..state(None) });
    page.pass(10_000, Some(&waiting));
    let tokens = page.ordered().iter().filter(|c| matches!(c, Command::PostToken(_))).count();
    assert_eq!(tokens, 2);
}

#[test]
fn without_an_extension_the_agent_is_told_once_what_to_do() {
    let mut page = Rig::new(boot());
    assert_eq!(page.status(), "Voice: connecting");
    page.set_flex(|flex| flex.activity = Some(activity("Break")));
    page.pass(20_000, None);
    assert_eq!(page.status(), "Voice: not available – install or enable the Holdfast extension, then reload");
    assert_eq!(
        page.notified(),
        ["Voice is not available: install or enable the Holdfast extension, then reload."]
    );
}

#[test]
fn a_refused_page_says_why_asks_again_slowly_and_recovers() {
    let mut page = Rig::new(boot());
    page.ordered();
    page.send(Event::Message(ToPage::ConfigRejected {
        payload: Some(problem(ProblemCode::WrongAccount, false)),
    }));
    assert!(page.status().contains("another Twilio account"), "{}", page.status());
    page.pass(29_000, None);
    assert!(posts(&page.ordered()).is_empty());
    page.pass(2_000, None);
    assert_eq!(posts(&page.ordered()), [CONFIGURE]);
    page.pass(20_000, None);
    assert!(posts(&page.ordered()).is_empty());
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.status(), "Voice: ready");
}

#[test]
fn every_reason_for_refusal_has_words_that_say_what_to_do() {
    let reasons = [
        None,
        Some(problem(ProblemCode::WrongAccount, false)),
        Some(problem(ProblemCode::WrongTokenUrl, false)),
        Some(problem(ProblemCode::WrongPrefix, false)),
        Some(problem(ProblemCode::Internal, false)),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for reason in reasons {
        assert!(seen.insert(words().unavailable(&Why::Rejected(reason))));
    }
    assert!(seen.contains("Voice is not available: it broke. Do this."));
}

#[test]
fn silence_within_five_seconds_makes_voice_unavailable_and_a_heartbeat_makes_it_ready_again() {
    let mut page = ready();
    page.pass(4_000, None);
    assert_eq!(page.status(), "Voice: ready");
    page.pass(500, None);
    assert!(
        page.status().starts_with("Voice: not available – the extension does not answer"),
        "{}",
        page.status()
    );
    assert!(posts(&page.ordered()).contains(&CONFIGURE), "a silent extension is asked");
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.status(), "Voice: ready");
}

#[test]
fn a_repeated_configured_does_not_stand_for_a_heartbeat() {
    let mut page = ready();
    for _ in 0..10 {
        page.pass(5_000, None);
        page.send(configured());
    }
    assert_ne!(page.status(), "Voice: ready");
    assert!(page.machine.refuses(&Intent::AcceptCall, page.now));
}

#[test]
fn a_computer_that_slept_is_not_mistaken_for_a_silent_extension() {
    let mut page = ready();
    page.now = page.now.plus(3_600_000);
    page.wake();
    assert_eq!((page.status().as_str(), page.activity()), ("Voice: ready", "Available"));
    page.send(heartbeat(state(None)));
    page.pass(4_000, Some(&heartbeat(state(None))));
    assert!(!page.ordered().iter().any(|c| matches!(c, Command::SetActivity(_))));
}

#[test]
fn a_hidden_tab_whose_every_tick_is_late_still_notices_silence() {
    let mut page = ready();
    for _ in 0..3 {
        page.now = page.now.plus(60_000);
        page.wake();
    }
    assert!(page.status().starts_with("Voice: not available"), "{}", page.status());
}

#[test]
fn after_disconnected_the_page_keeps_knocking_and_a_new_content_script_is_welcome() {
    let mut page = on_call();
    page.send(Event::Message(ToPage::Disconnected));
    assert_eq!(
        page.status(),
        "Voice: not available – the extension was updated, stopped or removed; it connects by itself when it is back, \
         else reload Flex"
    );
    assert!(page.ordered().contains(&Command::RemoveCall), "Flex's hang-up must reach TaskRouter now");
    page.send(heartbeat(state(None)));
    assert!(page.status().contains("reload Flex"), "a straggler is no recovery");
    page.pass(6_000, None);
    assert_eq!(posts(&page.ordered()), [CONFIGURE; 3]);
    page.send(configured());
    page.send(heartbeat(state(Some(call(SID)))));
    assert_eq!(page.status(), "Voice: on a call");
}

#[test]
fn an_extension_that_comes_back_without_its_call_is_no_riddle_to_the_agent() {
    let over = words().plain(Text::CallOver);
    let away = |page: &mut Rig| {
        page.send(Event::Message(ToPage::Disconnected));
        page.pass(3_000, None);
        page.ordered();
        page.send(configured());
    };
    let mut page = on_call();
    away(&mut page);
    let registering = ClientState { registered: false, status: Status::Registering, ..state(None) };
    page.send(heartbeat(registering));
    assert!(page.notified().is_empty(), "what is said before voice is ready would be taken away at once");
    page.send(heartbeat(state(None)));
    assert_eq!(page.notified(), [&*over]);
    page.pass(5_000, Some(&heartbeat(state(None))));
    assert!(page.notified().is_empty(), "once");

    let mut page = on_call();
    away(&mut page);
    page.send(heartbeat(state(Some(call(SID)))));
    page.send(heartbeat(state(None)));
    assert!(page.notified().is_empty(), "a call that was there again has ended as any other");

    let mut page = on_call();
    page.send(heartbeat(state(None)));
    away(&mut page);
    page.send(heartbeat(state(None)));
    assert!(page.notified().is_empty(), "there was none when the extension went");
}

#[test]
fn an_extension_that_forgot_the_page_is_introduced_again() {
    let mut page = ready();
    page.send(Event::Message(ToPage::Error {
        payload: ErrorReply::new(None, ProblemCode::NotConfigured, "say CONFIGURE first"),
    }));
    page.pass(2_000, Some(&heartbeat(state(None))));
    assert_eq!(posts(&page.ordered()), [CONFIGURE]);
}

#[test]
fn an_error_of_the_extension_is_shown_in_its_words() {
    let mut page = ready();
    page.send(Event::Message(ToPage::Error {
        payload: ErrorReply::new(None, ProblemCode::MicrophoneUnavailable, "allow the microphone"),
    }));
    assert_eq!(page.notified(), ["The extension may not use the microphone; open its popup and allow it."]);
}

#[test]
fn an_extension_that_is_back_and_still_registering_is_not_called_silent() {
    let mut page = ready();
    page.pass(5_000, None);
    let registering = ClientState { registered: false, status: Status::Registering, ..state(None) };
    page.send(Event::Message(ToPage::Configured { payload: Some(registering) }));
    page.pass(8_500, None);
    assert_eq!(
        page.status(),
        "Voice: not available – the extension is not connected to Twilio; it keeps trying"
    );
    page.pass(500, None);
    assert!(page.status().contains("does not answer"), "{}", page.status());
}

#[test]
fn a_change_of_state_does_not_stand_for_a_heartbeat() {
    let mut page = ready();
    page.pass(6_000, Some(&Event::Message(ToPage::State { payload: state(None) })));
    assert!(page.status().contains("does not answer"), "{}", page.status());
}

#[test]
fn a_window_of_video_is_not_asked_for_where_the_voice_client_is_not_this_workers() {
    let window = |key: char| {
        let key = protocol::video_window::VideoKey::new(format!("CH{}", key.to_string().repeat(32))).unwrap();
        Event::ShowVideo(protocol::page::ShowVideo { key, link: None, failed: None })
    };
    let mut page = ready();
    page.send(heartbeat(newest(None)));
    page.ordered();
    page.send(window('1'));
    assert!(matches!(&*page.ordered(), [Command::PostPrivately(ToExtension::ShowVideo { .. })]));
    assert!(page.machine.shows_video(page.now));
    disable(&mut page);
    page.ordered();
    page.send(window('2'));
    assert_eq!(page.ordered(), [Command::VideoRefused]);
    assert!(!page.machine.shows_video(page.now));
}
