//! A page of any kind, and what the extension says to it.

use kernel::{AccountSid, CallSid, ExpectationId, Identity, IdentityPrefix, Monotonic, Timestamp};
use proptest::prelude::*;
use protocol::page::{
    CallRef, ErrorReply, ExpectReason, ExpectedCall, Heartbeat, SetMute, SignOutReason, ToExtension, ToPage,
};
use protocol::state::ClientState;
use protocol::{CallPhase, CallView, PROTOCOL_VERSION, ProblemCode, Status};
use sansio::{Machine as _, rig::Rig};

use super::*;

const SID: &str = "CA11111111111111111111111111111111";
const CONFIGURE: &str = "VOICE_CLIENT_EXTENSION_CONFIGURE";
const SIGN_OUT: &str = "VOICE_CLIENT_EXTENSION_SIGN_OUT";
const EXPECT_CALLS: &str = "VOICE_CLIENT_EXTENSION_EXPECT_CALLS";
const TOKEN: &str = "the page's token";
const OFFERED: &str = "the page's token, for who takes the port";

fn identity(name: &str) -> Identity {
    Identity::new(name).unwrap()
}

fn page(presence: Presence) -> Event {
    Event::Page(Page { agent: Some(identity("ada")), presence })
}

fn call() -> CallView {
    CallView {
        sid: CallSid::new(SID).unwrap(),
        state: CallPhase::Open,
        since: Timestamp::from_millis(5),
        answered_at: None,
        muted: false,
        from: None,
        on_hold: None,
        quality: None,
        warnings: Vec::new(),
    }
}

fn state(call: Option<CallView>) -> ClientState {
    ClientState {
        protocol_version: PROTOCOL_VERSION,
        status: Status::Registered,
        registered: true,
        call,
        ..ClientState::default()
    }
}

fn beat_of(name: &str, state: ClientState) -> Event {
    Event::Message(ToPage::Heartbeat {
        payload: Heartbeat { voice_client_identity: name.into(), error: None, state },
    })
}

fn beat(state: ClientState) -> Event {
    beat_of("ext_ada", state)
}

fn configured() -> Event {
    Event::Message(ToPage::Configured { payload: Some(state(None)) })
}

fn expected(id: &str) -> Vec<ExpectedCall> {
    vec![ExpectedCall { id: ExpectationId::new(id).unwrap(), reason: ExpectReason::Reservation }]
}

type LifelineRig = Rig<Lifeline>;

/// A page that wants a voice client, and nobody has answered yet.
fn knocking() -> LifelineRig {
    let hello = Hello {
        account: AccountSid::new("AC5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a").unwrap(),
        token_url: "https://t.example.com/v1".into(),
        prefix: IdentityPrefix::new("ext_").unwrap(),
    };
    let start = Monotonic::from_millis(700);
    let mut line = Rig::new(Lifeline::new(Some(hello), start), start);
    line.event(page(Presence::Here));
    line
}

/// One whose extension is registered and beating.
fn beating() -> LifelineRig {
    let mut line = knocking();
    line.event(configured());
    line.event(beat(state(None)));
    line.take();
    line
}

fn pass(line: &mut LifelineRig, millis: u64, heartbeat: &Event) {
    for _ in 0..millis / 1_000 {
        line.pass(1_000);
        line.event(heartbeat.clone());
    }
}

/// What was said since the last look.
fn said(line: &mut LifelineRig) -> Vec<&'static str> {
    let posted = line.take().into_iter().filter_map(|command| match command {
        Command::Post(message) | Command::PostPrivately(message) => Some(message.name()),
        Command::PostToken(_) => Some(TOKEN),
        Command::OfferToken(_) => Some(OFFERED),
        Command::VideoRefused | Command::Tell(_) | Command::Refuse(_) => None,
    });
    posted.collect()
}

fn trouble(line: &LifelineRig) -> Option<Trouble> {
    line.machine.trouble(line.now)
}

#[test]
fn a_page_says_hello_at_once_and_every_two_seconds_and_after_five_nobody_is_there() {
    let mut line = knocking();
    assert_eq!((said(&mut line), trouble(&line)), (vec![CONFIGURE, OFFERED], None));
    line.pass(4_999);
    assert_eq!((said(&mut line), trouble(&line)), (vec![CONFIGURE, OFFERED, CONFIGURE, OFFERED], None));
    line.pass(1);
    assert_eq!(trouble(&line), Some(Trouble::NoAnswer));
    line.event(configured());
    assert_eq!((said(&mut line), trouble(&line)), (vec![TOKEN, EXPECT_CALLS], None));
}

#[test]
fn a_page_that_wants_nothing_says_nothing_and_hears_nothing_and_is_never_woken() {
    let mut line = beating();
    line.event(page(Presence::Away));
    assert_eq!(line.machine.poll_timeout(), None);
    line.event(configured());
    line.event(beat(state(Some(call()))));
    line.event(Event::TokenUpdated);
    line.pass(120_000);
    assert_eq!((said(&mut line), line.machine.report()), (vec![], &Report::default()));
}

#[test]
fn a_line_that_beats_wakes_its_page_for_nothing() {
    let mut line = beating();
    pass(&mut line, 10_000, &beat(state(None)));
    line.take();
    let silent_at = line.now.plus(link::SILENCE_MS);
    assert_eq!(line.machine.poll_timeout(), Some(silent_at), "and not every half second");
}

#[test]
fn a_refused_page_asks_again_slowly() {
    let mut line = knocking();
    line.take();
    line.event(Event::Message(ToPage::ConfigRejected { payload: None }));
    line.pass(link::REFUSED_MS - 1);
    assert_eq!((said(&mut line), trouble(&line)), (vec![], Some(Trouble::Rejected(None))));
    line.pass(1);
    assert_eq!(said(&mut line), [CONFIGURE, OFFERED]);
}

#[test]
fn silence_is_noticed_to_the_moment_and_ends_with_the_next_word() {
    let mut line = beating();
    line.pass(link::SILENCE_MS - 1);
    assert_eq!((said(&mut line), trouble(&line)), (vec![EXPECT_CALLS; 2], None));
    line.pass(1);
    assert_eq!((said(&mut line), trouble(&line)), (vec![CONFIGURE, OFFERED], Some(Trouble::Silent)));
    line.event(configured());
    assert_eq!(trouble(&line), None);
    assert!(!line.machine.report().beating, "a repeated CONFIGURED does not stand for a heartbeat");
}

#[test]
fn a_page_that_was_held_up_gives_the_extension_one_more_chance_whatever_wakes_it() {
    for waken_by_a_timer in [true, false] {
        let mut line = beating();
        line.now = line.now.plus(3_600_000);
        if waken_by_a_timer {
            line.pass(0);
        } else {
            line.event(Event::Hold(None));
        }
        assert_eq!(trouble(&line), None);
        line.pass(link::SILENCE_MS - 1);
        assert_eq!(trouble(&line), None);
        line.pass(1);
        assert_eq!(trouble(&line), Some(Trouble::Silent));
        line.now = line.now.plus(3_600_000);
        line.event(Event::Hold(None));
        assert_eq!(trouble(&line), Some(Trouble::Silent), "what is silent stays so");
    }
}

#[test]
fn an_extension_that_forgot_its_page_or_went_is_greeted_again() {
    let mut line = beating();
    let forgot = ErrorReply::new(None, ProblemCode::NotConfigured, "say CONFIGURE first");
    line.event(Event::Message(ToPage::Error { payload: forgot }));
    pass(&mut line, 2_000, &beat(state(None)));
    assert!(said(&mut line).contains(&CONFIGURE));
    line.event(Event::Message(ToPage::Disconnected));
    line.event(beat(state(None)));
    assert_eq!(trouble(&line), Some(Trouble::Gone), "a straggler is no recovery");
    line.pass(2_000);
    assert_eq!(said(&mut line), [CONFIGURE, OFFERED]);
}

#[test]
fn the_token_answers_every_configured_every_refresh_and_an_extension_that_waits_and_no_more() {
    let mut line = knocking();
    line.event(Event::TokenUpdated);
    assert_eq!(said(&mut line), [CONFIGURE, OFFERED], "nobody is there yet");
    line.event(configured());
    line.event(configured());
    line.event(Event::TokenUpdated);
    let tokens = |line: &mut LifelineRig| said(line).iter().filter(|one| **one == TOKEN).count();
    assert_eq!(tokens(&mut line), 3);
    let waiting = ClientState { status: Status::WaitingForToken, registered: false, ..state(None) };
    pass(&mut line, 10_000, &beat(waiting));
    assert_eq!(tokens(&mut line), 2);
}

#[test]
fn expected_calls_are_said_when_they_change_a_few_times_more_and_after_every_configured() {
    let mut line = beating();
    line.take();
    line.event(Event::Expect(expected("WR1")));
    assert_eq!(said(&mut line), [EXPECT_CALLS]);
    pass(&mut line, 60_000, &beat(state(None)));
    assert_eq!(said(&mut line), [EXPECT_CALLS; 2]);
    line.event(configured());
    assert_eq!(said(&mut line), [TOKEN, EXPECT_CALLS]);
    // One that does not ask for it is told nothing.
    let older = ClientState { protocol_version: 2, ..state(None) };
    line.event(beat(older));
    line.event(Event::Expect(Vec::new()));
    assert_eq!(said(&mut line), [""; 0]);
}

#[test]
fn another_agents_identity_is_not_believed_and_their_call_is_not_shown() {
    for (name, wrong) in [
        ("ext_bob", WrongIdentity::OtherAgent),
        ("ext_ada2", WrongIdentity::OtherAgent),
        ("ada", WrongIdentity::Prefix(IdentityPrefix::new("ext_").unwrap())),
        ("ext_", WrongIdentity::Prefix(IdentityPrefix::new("ext_").unwrap())),
        ("<b>", WrongIdentity::Prefix(IdentityPrefix::new("ext_").unwrap())),
    ] {
        let mut line = beating();
        line.event(beat_of(name, state(Some(call()))));
        let report = line.machine.report();
        assert_eq!((&report.wrong_identity, &report.identity), (&Some(wrong.clone()), &None), "{name}");
        assert!(!report.is_available());
        assert_eq!(report.state.call.is_some(), wrong != WrongIdentity::OtherAgent);
        assert_eq!(line.machine.agent(), Some(&identity("ada")));
    }
}

#[test]
fn another_agent_at_the_page_is_introduced_and_hears_nothing_of_the_one_before() {
    let mut line = beating();
    line.event(beat(state(Some(call()))));
    line.take();
    let before = line.machine.beginnings();
    line.event(Event::Page(Page { agent: Some(identity("bob")), presence: Presence::Here }));
    assert_eq!(said(&mut line), [CONFIGURE, OFFERED]);
    assert_eq!((line.machine.report(), line.machine.is_up(line.now)), (&Report::default(), false));
    assert_ne!(line.machine.beginnings(), before);
}

#[test]
fn whoever_signs_out_is_signed_out_once_and_again_only_while_the_extension_goes_on() {
    let mut line = beating();
    line.event(page(Presence::SignedOut(SignOutReason::Offline)));
    assert_eq!(said(&mut line), [SIGN_OUT]);
    line.pass(60_000);
    assert_eq!(said(&mut line), [""; 0], "neither hello nor token");
    pass(&mut line, 60_000, &beat(state(None)));
    assert_eq!(said(&mut line), [SIGN_OUT; 4]);
    line.event(page(Presence::SignedOut(SignOutReason::Logout)));
    assert_eq!(said(&mut line), [SIGN_OUT], "which means more");
    line.event(page(Presence::SignedOut(SignOutReason::Offline)));
    assert_eq!(said(&mut line), [""; 0], "which means less");
    line.event(page(Presence::Here));
    assert_eq!(said(&mut line), [CONFIGURE, OFFERED]);
}

#[test]
fn buttons_name_the_call_that_they_are_for() {
    let mut line = beating();
    line.event(beat(state(Some(call()))));
    line.take();
    line.event(Event::HangUp);
    let payload = Some(CallRef { call_sid: call().sid });
    assert_eq!(line.take(), [Command::Post(ToExtension::HangUp { payload })]);
    line.event(beat(ClientState { call: Some(call()), ..ClientState::default() }));
    line.event(Event::HangUp);
    assert_eq!(
        line.take(),
        [Command::Post(ToExtension::HangUp { payload: None })],
        "the old one takes no name"
    );
    line.event(Event::SetMute(true));
    assert_eq!(line.take(), [Command::Refuse(Refusal::CannotMute)]);
}

#[test]
fn the_agents_own_mute_goes_before_an_older_report_and_not_before_a_newer_one() {
    let reported = |muted| beat(state(Some(CallView { muted, ..call() })));
    let is_muted = |line: &LifelineRig| {
        line.machine.is_muted(line.machine.report().state.call.as_ref().unwrap(), line.now)
    };
    let mut line = beating();
    line.event(reported(false));
    line.take();
    line.event(Event::SetMute(true));
    assert_eq!(line.take(), [Command::Post(ToExtension::SetMute { payload: SetMute { muted: true } })]);
    line.event(reported(false)); // was on its way
    assert!(is_muted(&line));
    assert_eq!(line.machine.poll_timeout(), Some(line.now.plus(mute::HOLD_MS)));
    line.pass(mute::HOLD_MS);
    assert!(!is_muted(&line), "the extension has the last word");
    line.event(Event::SetMute(true));
    line.event(reported(true));
    line.event(reported(false)); // unmuted in the popup
    assert!(!is_muted(&line));
}

#[test]
fn hold_is_told_until_it_is_said_back_of_this_call_only_and_not_to_who_does_not_know_it() {
    let mut line = beating();
    line.event(beat(state(Some(call()))));
    line.take();
    let held = |sid: &str| Event::Hold(Some(Held { call_sid: Some(sid.into()), on_hold: true }));
    line.event(held("CA22222222222222222222222222222222"));
    assert_eq!(said(&mut line), [""; 0]);
    line.event(held(SID));
    pass(&mut line, 2_000, &beat(state(Some(call()))));
    assert_eq!(said(&mut line).iter().filter(|one| **one == hold::MESSAGE).count(), 2);
    pass(&mut line, 20_000, &beat(state(Some(CallView { on_hold: Some(true), ..call() }))));
    assert!(!said(&mut line).contains(&hold::MESSAGE));
    let unknown = ErrorReply::new(Some(hold::MESSAGE), ProblemCode::UnknownType, "?");
    line.event(Event::Message(ToPage::Error { payload: unknown }));
    pass(&mut line, 20_000, &beat(state(Some(call()))));
    assert!(!said(&mut line).contains(&hold::MESSAGE));
}

fn presence() -> impl Strategy<Value = Presence> {
    prop_oneof![
        4 => Just(Presence::Here),
        1 => Just(Presence::Away),
        1 => Just(Presence::SignedOut(SignOutReason::Logout)),
        1 => Just(Presence::SignedOut(SignOutReason::Offline)),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let version = 0..=PROTOCOL_VERSION;
    let said =
        (version, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(version, live, waits, muted)| {
            let status = if waits { Status::WaitingForToken } else { Status::Registered };
            let call = live.then(|| CallView { muted, ..call() });
            ClientState { protocol_version: version, status, ..state(call) }
        });
    prop_oneof![
        6 => (said.clone(), any::<bool>()).prop_map(|(state, own)| beat_of(if own { "ext_ada" } else { "ext_bob" }, state)),
        3 => said.prop_map(|state| Event::Message(ToPage::Configured { payload: Some(state) })),
        1 => Just(Event::Message(ToPage::ConfigRejected { payload: None })),
        1 => Just(Event::Message(ToPage::Disconnected)),
        2 => presence().prop_map(page),
        1 => Just(Event::Expect(expected("WR1"))),
        1 => any::<bool>().prop_map(|on_hold| Event::Hold(Some(Held { call_sid: None, on_hold }))),
        1 => Just(Event::TokenUpdated),
        1 => any::<bool>().prop_map(Event::SetMute),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_any_order_of_events_only_who_is_here_is_introduced_and_what_is_good_again_is_up_again(
        happenings in proptest::collection::vec((event(), 0_u64..20_000), 0..60)
    ) {
        let mut line = knocking();
        line.take();
        let mut presence = Presence::Here;
        for (event, wait) in happenings {
            if let Event::Page(page) = &event {
                presence = page.presence;
            }
            line.event(event);
            line.pass(wait);
            for one in said(&mut line) {
                prop_assert!(presence == Presence::Here || one == SIGN_OUT, "{one} by a page that is {presence:?}");
            }
            let of_another = line.machine.report().wrong_identity == Some(WrongIdentity::OtherAgent);
            prop_assert!(!of_another || line.machine.report().state.call.is_none());
        }
        line.event(page(Presence::Here));
        line.event(configured());
        pass(&mut line, 10_000, &beat(state(Some(call()))));
        prop_assert!(line.machine.is_up(line.now) && line.machine.report().is_available());
        prop_assert!(!line.machine.is_muted(&call(), line.now));
    }
}

fn video() -> Event {
    let key = protocol::video_window::VideoKey::new("CH11111111111111111111111111111111").unwrap();
    Event::ShowVideo(protocol::page::ShowVideo { key, link: Some(kernel::Secret::new("0123")), failed: None })
}

#[test]
fn the_window_of_video_is_asked_for_privately_of_an_extension_that_knows_it_and_is_this_agents() {
    let asked = |line: &mut LifelineRig, state: ClientState| {
        line.event(beat(state));
        line.take();
        line.event(video());
        line.take().pop()
    };
    let mut line = beating();
    let knows = ClientState { protocol_version: 4, ..state(None) };
    let Some(Command::PostPrivately(ToExtension::ShowVideo { .. })) = asked(&mut line, knows.clone()) else {
        panic!()
    };
    assert!(line.machine.shows_video(line.now));
    assert_eq!(
        asked(&mut line, ClientState { protocol_version: 3, ..knows.clone() }),
        Some(Command::VideoRefused)
    );
    line.event(beat_of("ext_somebody_else", knows));
    line.take();
    line.event(video());
    assert_eq!(line.take().pop(), Some(Command::VideoRefused));
}

#[test]
fn a_window_that_the_extension_did_not_show_is_told_to_who_asked_and_to_nobody_else() {
    let mut line = beating();
    let refusal = protocol::page::ErrorReply::new(
        Some("VOICE_CLIENT_EXTENSION_SHOW_VIDEO"),
        ProblemCode::Internal,
        "no window",
    );
    line.event(Event::Message(ToPage::Error { payload: refusal }));
    assert_eq!(line.take(), [Command::VideoRefused]);
}
