use std::collections::BTreeMap;

use kernel::Secret;
use protocol::page::{ErrorReply, FlexToken};
use protocol::{
    AudioDevice, AudioSettings, AudioState, CallView, Problem, QualitySample, QualityWarning, WaitingCall,
};

use super::*;

mod agent;
mod expected;
mod lossy;
mod properties;
mod sign_out;
mod words;

const ACCOUNT: &str = "AC5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
const SID: &str = "CA11111111111111111111111111111111";
const OTHER_SID: &str = "CA22222222222222222222222222222222";
const OURS: &str = "client:ext_agent";

fn activity(name: &str) -> Activity {
    let (sid, available) = match name {
        "Available" => ("WA1", true),
        "Break" => ("WA2", false),
        "Voice Client Offline" => ("WA3", false),
        "Training" => ("WA4", true),
        _ => panic!("{name}"),
    };
    Activity { sid: sid.into(), name: name.into(), available }
}

fn flex(name: &str) -> FlexView {
    FlexView {
        enabled: true,
        agent: Some(Identity::new("agent").unwrap()),
        other_attributes: r#"{"skills":[]}"#.into(),
        activity: Some(activity(name)),
        activities: ["Available", "Break", "Voice Client Offline", "Training"].map(activity).into(),
        contact_uri: Some("client:agent".into()),
        opened_at: 7,
        ..FlexView::default()
    }
}

fn boot() -> Boot {
    Boot {
        account_sid: ACCOUNT.into(),
        settings: Settings {
            token_service_url: Some("https://t.example.com/v1".into()),
            ..Settings::default()
        },
        words: Words::default(),
        flex: flex("Available"),
    }
}

fn words() -> Words {
    Words::default()
}

fn call(sid: &str) -> CallView {
    CallView {
        sid: CallSid::new(sid).unwrap(),
        state: CallPhase::Open,
        since: Timestamp::from_millis(5),
        answered_at: None,
        muted: false,
        from: Some("+15550100".into()),
        on_hold: None,
        quality: None,
        warnings: Vec::new(),
    }
}

fn state(call: Option<CallView>) -> ClientState {
    ClientState {
        protocol_version: 2,
        status: Status::Registered,
        registered: true,
        call,
        ..ClientState::default()
    }
}

/// As an extension that knows SIGN_OUT and EXPECT_CALLS.
fn newest(call: Option<CallView>) -> ClientState {
    ClientState { protocol_version: PROTOCOL_VERSION, ..state(call) }
}

fn heartbeat(state: ClientState) -> Event {
    Event::Message(ToPage::Heartbeat {
        payload: Heartbeat { voice_client_identity: "ext_agent".into(), error: None, state },
    })
}

fn old_heartbeat(error: Option<bool>) -> Event {
    Event::Message(ToPage::Heartbeat {
        payload: Heartbeat {
            voice_client_identity: "ext_agent".into(),
            error,
            state: ClientState::default(),
        },
    })
}

fn configured() -> Event {
    Event::Message(ToPage::Configured { payload: None })
}

fn problem(code: ProblemCode, retrying: bool) -> Problem {
    Problem { code, message: "it broke. Do this.".into(), retrying }
}

/// A page around a machine: a Flex whose store takes what it is told, and a clock.
struct Page {
    machine: Machine,
    now: Timestamp,
    flex: FlexView,
    /// Everything ordered since the last look.
    ordered: Vec<Command>,
    /// TaskRouter carries out what it is asked.
    obeys: bool,
    /// TaskRouter has not answered yet.
    slow: bool,
    /// The store takes calls.
    takes_calls: bool,
}

impl Page {
    fn new(boot: Boot) -> Self {
        let now = Timestamp::from_millis(1_000_000);
        let flex = boot.flex.clone();
        let mut page = Self {
            machine: Machine::new(boot, now),
            now,
            flex,
            ordered: Vec::new(),
            obeys: true,
            slow: false,
            takes_calls: true,
        };
        page.send(Event::Started);
        page
    }

    fn send(&mut self, event: Event) {
        let mut events = vec![event];
        while !events.is_empty() {
            let event = events.remove(0);
            for command in self.machine.handle(event, self.now) {
                let before = self.flex.clone();
                match &command {
                    Command::SetContactUri { .. } if self.slow => {}
                    Command::SetContactUri { uri, previous, others } => {
                        if self.obeys {
                            self.flex.contact_uri = Some(uri.clone());
                            self.flex.previous_contact.clone_from(previous);
                            self.flex.other_attributes =
                                others.clone().unwrap_or_else(|| self.flex.other_attributes.clone());
                        }
                        events.push(Event::ContactUriSet { ok: self.obeys });
                    }
                    Command::Remember(sid) => self.flex.remembered_activity.clone_from(sid),
                    Command::SetActivity(sid) if self.obeys => {
                        self.flex.activity = self.flex.activities.iter().find(|a| a.sid == *sid).cloned();
                        self.flex.offline &= self.activity() == "Offline";
                    }
                    Command::InstallCall(_) => {
                        assert_ne!(
                            self.flex.active_call,
                            ActiveCall::Foreign,
                            "Flex's own call was replaced"
                        );
                        if self.takes_calls {
                            self.flex.active_call = ActiveCall::Ours;
                        }
                        events.push(Event::CallInstalled { took: self.takes_calls });
                    }
                    Command::RemoveCall if self.flex.active_call == ActiveCall::Ours => {
                        self.flex.active_call = ActiveCall::None;
                    }
                    _ => {}
                }
                if self.flex != before {
                    events.push(Event::Flex(self.flex.clone()));
                }
                self.ordered.push(command);
            }
        }
    }

    /// Time passes, with a tick every half second and, if wanted, a heartbeat every second.
    fn pass(&mut self, millis: u64, beat: Option<&Event>) {
        for step in 1..=millis / 500 {
            self.now = self.now.plus(500);
            self.send(Event::Tick);
            if step % 2 == 0
                && let Some(beat) = beat
            {
                self.send(beat.clone());
            }
        }
    }

    fn set_flex(&mut self, change: impl FnOnce(&mut FlexView)) {
        change(&mut self.flex);
        self.send(Event::Flex(self.flex.clone()));
    }

    fn ordered(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.ordered)
    }

    fn activity(&self) -> &str {
        &self.flex.activity.as_ref().unwrap().name
    }

    /// What the header shows.
    fn shown(&self) -> StatusLine {
        self.machine.shown.clone().unwrap()
    }

    /// The header's text and, where something is wrong, what to do.
    fn status(&self) -> String {
        let voice = self.machine.voice(self.now);
        let (text, _) = words().status(&voice);
        if let Voice::Unavailable(why) = &voice { format!("{text} – {}", words().todo(why)) } else { text }
    }

    fn notified(&mut self) -> Vec<String> {
        self.ordered()
            .into_iter()
            .filter_map(|c| if let Command::Notify(_, text) = c { Some(text) } else { None })
            .collect()
    }
}

/// A page whose extension is registered and beating.
fn ready() -> Page {
    let mut page = Page::new(boot());
    page.send(configured());
    page.send(heartbeat(state(None)));
    page.ordered();
    page
}

/// The same with a live call.
fn on_call() -> Page {
    let mut page = ready();
    page.send(heartbeat(state(Some(call(SID)))));
    page.ordered();
    page
}

fn set_contact(uri: &str) -> Command {
    Command::SetContactUri { uri: uri.into(), previous: None, others: None }
}

fn posts(commands: &[Command]) -> Vec<&'static str> {
    commands
        .iter()
        .filter_map(|c| if let Command::Post(message) = c { Some(message.name()) } else { None })
        .collect()
}

const CONFIGURE: &str = "VOICE_CLIENT_EXTENSION_CONFIGURE";

// The link.

#[test]
fn the_page_introduces_itself_at_once_and_every_two_seconds_until_it_is_answered() {
    let mut page = Page::new(boot());
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
fn every_configured_is_answered_with_the_token_and_so_is_every_refresh() {
    let mut page = Page::new(boot());
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
    let mut page = Page::new(boot());
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
    let mut page = Page::new(boot());
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
    let mut page = Page::new(boot());
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
    page.send(Event::Tick);
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
        page.send(Event::Tick);
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
    let away = |page: &mut Page| {
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
fn missing_settings_are_named_and_nothing_is_posted() {
    for (settings, account, missing) in [
        (Settings::default(), ACCOUNT, "token_service_url"),
        (
            Settings { token_service_url: Some("  ".into()), ..Settings::default() },
            ACCOUNT,
            "token_service_url",
        ),
        (Settings { identity_prefix: Some("Ja".into()), ..boot().settings }, ACCOUNT, "identity_prefix"),
        (boot().settings, "", "account_sid"),
    ] {
        let mut page = Page::new(Boot { settings, account_sid: account.into(), ..boot() });
        page.send(configured());
        page.send(heartbeat(state(None)));
        page.pass(10_000, None);
        assert!(page.status().contains(missing), "{}", page.status());
        assert!(!page.ordered().iter().any(|c| matches!(c, Command::Post(_) | Command::PostToken(_))));
    }
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

// Where calls go.

#[test]
fn contact_uri_is_set_once_when_the_extension_is_registered_and_only_then() {
    let mut page = Page::new(boot());
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
    let mut page = Page::new(boot());
    page.send(configured());
    page.send(old_heartbeat(Some(true)));
    assert_eq!(page.flex.contact_uri.as_deref(), Some("client:agent"));
    page.send(old_heartbeat(None));
    assert_eq!((page.flex.contact_uri.as_deref(), page.status().as_str()), (Some(OURS), "Voice: ready"));
}

#[test]
fn a_failing_contact_uri_is_tried_a_few_times_and_then_named() {
    let mut page = Page::new(boot());
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
        let mut page = Page::new(boot());
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
    let mut page = Page::new(Boot {
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
        let mut page = Page::new(Boot { flex: FlexView { enabled: false, ..flex }, ..boot() });
        page.pass(5_000, None);
        assert!(page.ordered().is_empty(), "{uri:?}");
    }
}

// The activity.

#[test]
fn an_agent_without_voice_leaves_the_routing_and_comes_back_to_where_they_were() {
    let mut page = ready();
    page.set_flex(|flex| flex.activity = Some(activity("Training")));
    page.pass(5_000, None);
    assert_eq!(page.activity(), "Voice Client Offline");
    let ordered = page.ordered();
    assert!(ordered.contains(&Command::Remember(Some("WA4".into()))));
    assert_eq!(ordered.iter().filter(|c| matches!(c, Command::Notify(..))).count(), 1);
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.activity(), "Training");
    assert!(page.ordered().contains(&Command::Remember(None)));
}

#[test]
fn the_activity_to_go_back_to_survives_a_reload() {
    let mut page = Page::new(Boot {
        flex: FlexView { remembered_activity: Some("WA4".into()), ..flex("Voice Client Offline") },
        ..boot()
    });
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.activity(), "Training");
    assert_eq!(
        page.flex.contact_uri.as_deref(),
        Some(OURS),
        "and only after calls are sent to the extension"
    );
}

#[test]
fn an_agent_who_went_on_a_break_meanwhile_stays_there() {
    let mut page = ready();
    page.pass(5_000, None);
    assert_eq!(page.activity(), "Voice Client Offline");
    page.set_flex(|flex| flex.activity = Some(activity("Break")));
    page.set_flex(|flex| flex.activity = Some(activity("Voice Client Offline")));
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.activity(), "Voice Client Offline");
    assert!(page.notified().contains(&words().plain(Text::ChooseActivity)));
    page.pass(30_000, Some(&heartbeat(state(None))));
    assert!(page.notified().is_empty(), "said once");
}

#[test]
fn an_agent_on_a_break_is_not_moved() {
    let mut page = ready();
    page.set_flex(|flex| flex.activity = Some(activity("Break")));
    page.pass(60_000, None);
    assert_eq!(page.activity(), "Break");
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.activity(), "Break");
}

#[test]
fn a_short_loss_of_the_registration_costs_no_activity() {
    let mut page = ready();
    let lost = heartbeat(ClientState { registered: false, status: Status::Reconnecting, ..state(None) });
    page.pass(4_000, Some(&lost));
    assert_eq!(page.activity(), "Available");
    page.pass(4_000, Some(&heartbeat(state(None))));
    page.pass(4_000, Some(&lost));
    assert_eq!(page.activity(), "Available");
    page.pass(4_000, Some(&lost));
    assert_eq!(page.activity(), "Voice Client Offline");
}

#[test]
fn during_a_call_the_activity_is_left_alone() {
    // A task in Flex, though the extension is gone.
    let mut page = ready();
    page.set_flex(|flex| flex.voice_task = Some(VoiceTask::default()));
    page.pass(60_000, None);
    assert_eq!(page.activity(), "Available");
    page.set_flex(|flex| flex.voice_task = None);
    assert_eq!(page.activity(), "Voice Client Offline");
    // A call in the extension that is not registered any more.
    let mut page = on_call();
    let unregistered =
        ClientState { registered: false, status: Status::Reconnecting, ..state(Some(call(SID))) };
    page.pass(60_000, Some(&heartbeat(unregistered)));
    assert_eq!((page.activity(), page.status().as_str()), ("Available", "Voice: on a call"));
}

#[test]
fn a_pending_reservation_is_waited_out() {
    let mut page = ready();
    page.set_flex(|flex| flex.reservation_pending = true);
    page.pass(30_000, None);
    assert_eq!(page.activity(), "Available");
    page.set_flex(|flex| flex.reservation_pending = false);
    assert_eq!(page.activity(), "Voice Client Offline");
}

#[test]
fn a_move_that_flex_swallowed_is_tried_again_ever_more_slowly() {
    let mut page = ready();
    page.obeys = false;
    page.pass(120_000, None);
    let ordered = page.ordered();
    let moves = ordered.iter().filter(|c| matches!(c, Command::SetActivity(_))).count();
    assert!((3..=6).contains(&moves), "{moves}");
    assert_eq!(ordered.iter().filter(|c| matches!(c, Command::Notify(..))).count(), 1, "said once");
    page.obeys = true;
    page.pass(160_000, None);
    assert_eq!(page.activity(), "Voice Client Offline");
}

#[test]
fn a_move_that_takes_a_while_is_not_a_failed_one() {
    let mut page = ready();
    page.obeys = false;
    page.pass(8_000, None);
    page.set_flex(|flex| flex.activity = Some(activity("Voice Client Offline")));
    page.obeys = true;
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.activity(), "Available");
}

#[test]
fn a_move_and_its_reason_are_one_notification() {
    let mut page = ready();
    page.send(Event::Message(ToPage::Disconnected));
    page.pass(10_000, None);
    assert_eq!(
        page.notified(),
        [
            "Voice is not available: the extension was updated, stopped or removed; it connects by itself when it is \
          back, else reload Flex. Your activity is “Voice Client Offline” until it is back."
        ]
    );
}

#[test]
fn without_the_offline_activity_the_agent_is_told_and_not_moved() {
    for spoil in
        [(|flex: &mut FlexView| flex.activities.retain(|a| a.sid != "WA3")) as fn(&mut FlexView), |flex| {
            flex.activities.iter_mut().for_each(|a| a.available = true)
        }]
    {
        let mut page = ready();
        page.set_flex(spoil);
        page.pass(60_000, None);
        assert_eq!(page.activity(), "Available");
        let notified = page.notified();
        assert_eq!(notified.len(), 1, "{notified:?}");
        assert!(notified[0].contains("“Voice Client Offline”"), "{notified:?}");
    }
}

// The call.

#[test]
fn a_call_of_the_extension_stands_in_flex_and_ends_there() {
    let mut page = ready();
    page.send(Event::Message(ToPage::State { payload: state(Some(call(SID))) }));
    let stand_in =
        StandIn { sid: SID.into(), from: Some("+15550100".into()), muted: false, phase: CallPhase::Open };
    assert!(page.ordered().contains(&Command::InstallCall(stand_in)));
    page.send(Event::Message(ToPage::State { payload: state(None) }));
    assert!(page.ordered().contains(&Command::RemoveCall));
    assert_eq!(page.flex.active_call, ActiveCall::None);
}

#[test]
fn a_reloaded_page_has_the_call_with_the_first_answer_before_any_heartbeat() {
    let mut page = Page::new(boot());
    page.send(Event::Message(ToPage::Configured {
        payload: Some(state(Some(CallView { muted: true, ..call(SID) }))),
    }));
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
    assert_eq!(page.status(), "Voice: on a call, muted");
    page.send(Event::Mute(false));
    assert_eq!(posts(&page.ordered()).last(), Some(&"VOICE_CLIENT_EXTENSION_SET_MUTE"));
}

#[test]
fn flexs_buttons_reach_the_extension() {
    let mut page = on_call();
    page.send(Event::HangUp);
    page.send(Event::Mute(true));
    page.send(Event::Digits("5".into()));
    let mut ordered = page.ordered();
    ordered.retain(|c| !matches!(c, Command::ShowStatus(_)));
    let call_sid = CallSid::new(SID).unwrap();
    assert_eq!(ordered[0], Command::Post(ToExtension::HangUp { payload: Some(CallRef { call_sid }) }));
    assert_eq!(ordered[1], Command::Post(ToExtension::SetMute { payload: SetMute { muted: true } }));
    assert_eq!(ordered[2], Command::ShowMute(true));
    let digits = DtmfDigits::new("5").unwrap();
    assert_eq!(ordered[3], Command::Post(ToExtension::SendDigits { payload: SendDigits { digits } }));
}

#[test]
fn buttons_without_a_call_do_nothing() {
    let mut page = ready();
    for event in [Event::HangUp, Event::Mute(true), Event::ToggleMute, Event::Digits("1".into())] {
        page.send(event);
    }
    assert!(page.ordered().is_empty());
}

#[test]
fn long_digits_travel_in_several_messages_and_nonsense_does_not_travel() {
    let mut page = on_call();
    page.send(Event::Digits("1".repeat(70)));
    assert_eq!(posts(&page.ordered()).len(), 3);
    for nonsense in ["", "abc", "é".repeat(40).as_str()] {
        page.send(Event::Digits(nonsense.into()));
        assert!(page.ordered().is_empty(), "{nonsense}");
    }
}

#[test]
fn mute_shows_at_once_outlives_a_late_report_and_bows_to_the_extension() {
    let mut page = on_call();
    page.send(Event::Mute(true));
    page.ordered();
    page.send(heartbeat(state(Some(call(SID))))); // was on its way
    assert!(!page.ordered().contains(&Command::ShowMute(false)));
    page.now = page.now.plus(call::MUTE_HOLD_MS);
    page.send(heartbeat(state(Some(call(SID))))); // the extension did not mute
    assert!(page.ordered().contains(&Command::ShowMute(false)));
    page.send(heartbeat(state(Some(CallView { muted: true, ..call(SID) })))); // muted in the popup
    assert!(page.ordered().contains(&Command::ShowMute(true)));
}

#[test]
fn a_call_that_another_script_removed_is_put_back_at_the_next_heartbeat() {
    let mut page = on_call();
    page.set_flex(|flex| flex.active_call = ActiveCall::None);
    assert!(page.ordered().is_empty());
    page.send(heartbeat(state(Some(call(SID)))));
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
}

#[test]
fn flexs_own_call_is_never_replaced_and_ours_comes_when_it_is_over() {
    let mut page = ready();
    page.set_flex(|flex| flex.active_call = ActiveCall::Foreign);
    page.pass(5_000, Some(&heartbeat(state(Some(call(SID))))));
    assert_eq!(page.flex.active_call, ActiveCall::Foreign);
    page.set_flex(|flex| flex.active_call = ActiveCall::None);
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
}

#[test]
fn a_call_that_a_silent_extension_can_no_longer_end_is_taken_out_and_comes_back_with_it() {
    let mut page = on_call();
    page.pass(5_000, None);
    assert!(page.ordered().contains(&Command::RemoveCall));
    page.send(Event::Message(ToPage::Configured { payload: Some(state(Some(call(SID)))) }));
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
}

#[test]
fn a_second_call_takes_the_firsts_place() {
    let mut page = on_call();
    page.send(heartbeat(state(Some(call(OTHER_SID)))));
    let ordered = page.ordered();
    assert_eq!(ordered[0], Command::RemoveCall);
    assert!(matches!(&ordered[1], Command::InstallCall(call) if call.sid == OTHER_SID));
}

#[test]
fn the_calls_phase_is_followed() {
    let mut page = on_call();
    let reconnecting = CallView { state: CallPhase::Reconnecting, ..call(SID) };
    page.send(heartbeat(state(Some(reconnecting))));
    assert!(page.ordered().contains(&Command::ShowPhase(CallPhase::Reconnecting)));
}

#[test]
fn where_the_store_does_not_take_the_call_the_documented_actions_are_used() {
    let mut page = ready();
    page.takes_calls = false;
    page.pass(10_000, Some(&heartbeat(state(Some(call(SID))))));
    let ordered = page.ordered();
    assert_eq!(ordered.iter().filter(|c| **c == Command::TakeOverActions).count(), 1);
    assert_eq!(ordered.iter().filter(|c| matches!(c, Command::InstallCall(_))).count(), 1);
    assert!(page.machine.takes_over(Control::Other, page.now));
    page.send(Event::ToggleMute);
    page.send(Event::ToggleMute);
    let muted: Vec<_> = page
        .ordered()
        .into_iter()
        .filter_map(|c| {
            if let Command::Post(ToExtension::SetMute { payload }) = c { Some(payload.muted) } else { None }
        })
        .collect();
    assert_eq!(muted, [true, false]);
    page.set_flex(|flex| flex.active_call = ActiveCall::Foreign);
    assert!(!page.machine.takes_over(Control::Other, page.now), "Flex's own call keeps its buttons");
    page.set_flex(|flex| flex.active_call = ActiveCall::None);
    page.send(heartbeat(state(None)));
    assert!(!page.machine.takes_over(Control::Other, page.now));
}

#[test]
fn with_an_old_extension_a_live_voice_task_stands_in_for_the_call() {
    let mut page = Page::new(boot());
    page.send(configured());
    page.send(old_heartbeat(None));
    page.set_flex(|flex| {
        flex.voice_task = Some(VoiceTask { worker_call_sid: Some(SID.into()), ..VoiceTask::default() })
    });
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
    page.ordered();
    page.send(Event::HangUp);
    assert_eq!(page.ordered(), [Command::Post(ToExtension::HangUp { payload: None })]);
    page.send(Event::Digits("7".into()));
    assert_eq!(posts(&page.ordered()), ["VOICE_CLIENT_EXTENSION_SEND_DTMF_DIGITS"]);
    page.send(Event::Mute(true));
    assert_eq!(page.ordered(), [Command::Notify(Severity::Warning, words().plain(Text::CannotMute))]);
    page.set_flex(|flex| flex.voice_task = None);
    assert_eq!(page.flex.active_call, ActiveCall::None);
}

#[test]
fn a_new_extension_without_a_call_gets_no_stand_in_for_a_task() {
    let mut page = ready();
    page.set_flex(|flex| {
        flex.voice_task = Some(VoiceTask { worker_call_sid: Some(SID.into()), ..VoiceTask::default() })
    });
    page.pass(3_000, Some(&heartbeat(state(None))));
    assert_eq!(page.flex.active_call, ActiveCall::None);
}

// The guard.

#[test]
fn a_call_that_could_not_arrive_is_refused_with_a_reason() {
    let mut page = Page::new(boot());
    assert!(page.machine.refuses(&Intent::AcceptCall, page.now));
    page.send(Event::Refused(Intent::AcceptCall));
    assert_eq!(
        page.notified(),
        ["The call was not accepted, because voice is still connecting. Try again in a moment."]
    );
    page.pass(10_000, None);
    page.ordered();
    page.send(Event::Refused(Intent::DialOut));
    assert!(page.notified()[0].contains("install or enable the Holdfast extension"));
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert!(!page.machine.refuses(&Intent::AcceptCall, page.now));
}

#[test]
fn a_notification_goes_when_voice_is_back_and_when_a_call_rings_whose_buttons_it_covers() {
    let gone = |page: &mut Page| page.ordered().contains(&Command::Dismiss);
    let mut page = Page::new(boot());
    page.send(Event::Message(ToPage::Error {
        payload: ErrorReply::new(None, ProblemCode::ConsentNeeded, "allow it"),
    }));
    assert_eq!(page.notified().len(), 1);
    page.send(configured());
    assert!(!gone(&mut page), "not yet ready");
    page.send(heartbeat(state(None)));
    assert!(gone(&mut page));
    page.pass(3_000, Some(&heartbeat(state(None))));
    page.set_flex(|flex| flex.reservation_pending = true);
    assert!(!gone(&mut page), "there is nothing to take away");

    page.send(Event::NotDialed(Text::DialBusy));
    page.pass(3_000, Some(&heartbeat(state(None))));
    assert!(!gone(&mut page), "said while it rings, so it is about that");
    page.set_flex(|flex| flex.reservation_pending = false);
    page.set_flex(|flex| flex.reservation_pending = true);
    assert!(gone(&mut page));
}

#[test]
fn a_problem_that_the_extension_names_is_shown_at_once() {
    let mut page = Page::new(boot());
    page.send(configured());
    let broken = ClientState {
        status: Status::Failed,
        registered: false,
        problem: Some(problem(ProblemCode::MicrophoneUnavailable, false)),
        ..state(None)
    };
    page.send(heartbeat(broken));
    assert!(page.status().contains("may not use the microphone"), "{}", page.status());
}

#[test]
fn no_command_shows_a_token() {
    // Tokens never enter the machine: the shell reads the current one when it carries the command out.
    let command = Command::PostToken(AccountSid::new(ACCOUNT).unwrap());
    assert_eq!(format!("{command:?}"), format!("PostToken({ACCOUNT})"));
    let message = ToExtension::FlexToken {
        payload: FlexToken {
            token: Secret::new("canary"),
            account_sid: AccountSid::new(ACCOUNT).unwrap(),
            expiration: String::new(),
            agent_identity: None,
        },
    };
    assert!(!format!("{:?}", Command::Post(message)).contains("canary"));
}

// On and off, live.

fn disable(page: &mut Page) {
    page.set_flex(|flex| flex.enabled = false);
}

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

// Where calls go, continued.

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
    let mut page = Page::new(boot());
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

// Choosing an activity, dialling, monitoring.

fn choice(name: &str) -> ActivityChoice {
    ActivityChoice { name: Some(name.into()), ..ActivityChoice::default() }
}

#[test]
fn the_offline_activity_is_never_the_agents_choice_and_an_available_one_not_without_voice() {
    let mut page = ready();
    let refuses = |page: &Page, name: &str| {
        page.machine.intent_of(&choice(name)).is_some_and(|intent| page.machine.refuses(&intent, page.now))
    };
    let judged = |page: &Page| {
        ["Available", "Training", "Break", "Voice Client Offline"].map(|name| refuses(page, name))
    };
    assert_eq!(judged(&page), [false, false, false, true]);
    page.pass(6_000, None);
    assert_eq!(judged(&page), [true, true, false, true]);
    let any = ActivityChoice { available: Some(true), ..ActivityChoice::default() };
    let intent = page.machine.intent_of(&any).unwrap();
    assert_eq!(intent, Intent::ChooseAvailable { activity: "Available".into() });
    page.ordered();
    page.send(Event::Refused(intent));
    assert!(page.notified()[0].starts_with("You cannot be “Available” now."));
    page.send(Event::Refused(Intent::ChooseOffline { activity: "Voice Client Offline".into() }));
    assert!(page.notified()[0].contains("Choose another activity"));
    disable(&mut page);
    assert_eq!(judged(&page), [false; 4]);
}

#[test]
fn our_own_move_is_not_refused() {
    let mut page = ready();
    page.obeys = false;
    page.pass(6_000, None);
    assert_eq!(page.machine.intent_of(&choice("Voice Client Offline")), None);
}

#[test]
fn two_tabs_remember_in_one_place_and_either_brings_the_agent_back() {
    let mut page = ready();
    // The other tab moved the agent, and remembered it a moment before.
    page.set_flex(|flex| flex.remembered_activity = Some("WA4".into()));
    page.pass(2_000, Some(&heartbeat(state(None))));
    assert_eq!(page.flex.remembered_activity.as_deref(), Some("WA4"), "not ours to forget");
    page.set_flex(|flex| flex.activity = Some(activity("Voice Client Offline")));
    page.pass(1_000, Some(&heartbeat(state(None))));
    assert_eq!(page.activity(), "Training");
    assert_eq!(page.flex.remembered_activity, None);
}

#[test]
fn a_call_is_dialled_past_flexs_own_softphone_when_that_is_not_well() {
    let mut page = ready();
    assert_eq!(page.machine.dial(page.now), Dial::ByFlex);
    page.set_flex(|flex| flex.own_voice_impaired = true);
    assert_eq!(page.machine.dial(page.now), Dial::ByUs);
    for (spoil, refusal) in [
        ((|flex: &mut FlexView| flex.reservation_pending = true) as fn(&mut FlexView), Text::DialBusy),
        (|flex| flex.voice_task = Some(VoiceTask::default()), Text::DialBusy),
        (|flex| flex.active_call = ActiveCall::Foreign, Text::DialBusy),
        (|flex| flex.offline = true, Text::DialOffline),
    ] {
        let before = page.flex.clone();
        page.set_flex(spoil);
        assert_eq!(page.machine.dial(page.now), Dial::Refused(refusal));
        page.set_flex(|flex| *flex = before);
    }
    page.send(Event::NotDialed(Text::DialFailed));
    assert!(page.notified().contains(&words().plain(Text::DialFailed)));
    page.pass(5_000, None);
    assert_eq!(
        page.machine.dial(page.now),
        Dial::ByFlex,
        "which refuses it with a reason, before it comes to this"
    );
    assert!(page.machine.refuses(&Intent::DialOut, page.now));
    assert!(page.machine.refuses(&Intent::Monitor, page.now));
}

#[test]
fn a_hang_up_before_the_call_has_come_ends_it_when_it_comes() {
    let mut page = ready();
    assert!(!page.machine.takes_over(Control::HangUp, page.now));
    page.set_flex(|flex| flex.voice_task = Some(VoiceTask::default()));
    assert!(page.machine.takes_over(Control::HangUp, page.now));
    assert!(!page.machine.takes_over(Control::Other, page.now), "there is nothing to mute");
    page.send(Event::HangUp);
    assert!(posts(&page.ordered()).is_empty());
    page.send(heartbeat(state(Some(call(SID)))));
    assert_eq!(posts(&page.ordered()), ["VOICE_CLIENT_EXTENSION_HANGUP_CALL"]);
    page.pass(20_000, Some(&heartbeat(state(Some(call(SID))))));
    assert!(posts(&page.ordered()).is_empty(), "once");
}

#[test]
fn by_configuration_the_documented_actions_are_used_and_the_store_is_left_alone() {
    let settings = Settings { call_controls: Some("actions".into()), ..boot().settings };
    let mut page = Page::new(Boot { settings, ..boot() });
    page.send(configured());
    page.send(heartbeat(state(Some(call(SID)))));
    let ordered = page.ordered();
    assert_eq!(ordered.iter().filter(|c| **c == Command::TakeOverActions).count(), 1);
    assert!(!ordered.iter().any(|c| matches!(c, Command::InstallCall(_))));
    assert!(page.machine.takes_over(Control::Other, page.now));
    page.send(Event::HangUp);
    assert_eq!(posts(&page.ordered()), ["VOICE_CLIENT_EXTENSION_HANGUP_CALL"]);
}

// What Flex alone knows, and what the agent chooses.

fn holding(on_hold: bool) -> impl FnOnce(&mut FlexView) {
    move |flex| {
        flex.voice_task = Some(VoiceTask {
            worker_call_sid: Some(SID.into()),
            on_hold: Some(on_hold),
            ..VoiceTask::default()
        });
    }
}

#[test]
fn the_extension_is_told_of_hold_until_it_says_it_back() {
    let mut page = on_call();
    page.set_flex(holding(false));
    assert!(posts(&page.ordered()).is_empty(), "nothing to tell");
    page.set_flex(holding(true));
    page.pass(2_000, Some(&heartbeat(state(Some(call(SID))))));
    assert_eq!(posts(&page.ordered()), [hold::MESSAGE; 2], "the first may have been lost");
    let held = CallView { on_hold: Some(true), ..call(SID) };
    page.pass(20_000, Some(&heartbeat(state(Some(held)))));
    assert!(posts(&page.ordered()).is_empty());
    page.pass(60_000, Some(&heartbeat(state(Some(call(SID))))));
    assert_eq!(
        posts(&page.ordered()).len(),
        5,
        "one that forgot is told again, and one that is deaf not for ever"
    );
}

#[test]
fn an_extension_that_does_not_know_hold_is_not_told_of_it_again() {
    let mut page = on_call();
    page.set_flex(holding(true));
    page.send(Event::Message(ToPage::Error {
        payload: ErrorReply::new(Some(hold::MESSAGE), ProblemCode::UnknownType, "?"),
    }));
    page.ordered();
    page.pass(10_000, Some(&heartbeat(state(Some(call(SID))))));
    assert!(posts(&page.ordered()).is_empty());
}

fn device(id: &str) -> AudioDevice {
    AudioDevice { id: id.into(), label: format!("the {id}") }
}

#[test]
fn devices_are_shown_as_the_extension_has_them_and_chosen_through_it() {
    let audio = AudioState {
        microphones: ["default", "headset", "webcam"].map(device).into(),
        speakers: vec![device("headset")],
        ..AudioState::default()
    };
    let mut page = ready();
    page.send(heartbeat(ClientState { audio: Some(audio.clone()), ..state(None) }));
    let shown = page.shown().audio.unwrap();
    let ids: Vec<_> = shown.choices[0].options.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["", "headset", "webcam"]);
    assert_eq!((shown.choices[0].selected.as_str(), shown.volume), ("", 100));
    page.ordered();
    page.send(Event::ChooseDevice(AudioKind::Microphone, Some("webcam".into())));
    let payload = SelectAudioDevice { kind: AudioKind::Microphone, device_id: Some("webcam".into()) };
    assert!(page.ordered().contains(&Command::Post(ToExtension::SelectAudioDevice { payload })));
    assert_eq!(page.shown().audio.unwrap().choices[0].selected, "webcam", "at once");
    page.send(Event::ChooseVolume(250));
    let loudest = Command::Post(ToExtension::SetVolume { payload: SetVolume { percent: 100 } });
    assert!(page.ordered().contains(&loudest));

    let gone = AudioState {
        wanted: AudioSettings { microphone: Some(device("phone")), ..AudioSettings::default() },
        microphone: Some(device("webcam")),
        missing: vec![AudioKind::Microphone],
        ..audio
    };
    page.send(heartbeat(ClientState { audio: Some(gone), ..state(None) }));
    assert_eq!(page.shown().notes, ["the phone is not plugged in; the webcam is in use."]);
    assert_eq!(page.shown().audio.unwrap().choices[0].selected, "phone");
}

#[test]
fn a_microphone_that_is_muted_outside_is_the_headers_first_word_and_one_that_cannot_be_opened_is_named() {
    let silent = CallView { warnings: vec![QualityWarning::ConstantAudioInput], ..call(SID) };
    let muted = |microphone_muted, call: CallView| {
        let audio = AudioState { microphone_open: true, microphone_muted, ..AudioState::default() };
        heartbeat(ClientState { audio: Some(audio), ..state(Some(call)) })
    };
    let mut page = on_call();
    page.send(muted(true, silent.clone()));
    let shown = page.shown();
    assert_eq!((shown.text.as_str(), shown.tone), ("Voice: your microphone is muted", Tone::Problem));
    assert!(shown.detail.contains("by the computer or the headset"), "{}", shown.detail);
    assert_eq!(shown.notes, [""; 0], "said once");
    page.send(muted(true, CallView { muted: true, ..silent.clone() }));
    assert_eq!(page.shown().text, "Voice: on a call, muted", "what the agent did is what is shown first");
    page.send(muted(false, call(SID)));
    assert_eq!((page.shown().text.as_str(), page.shown().tone), ("Voice: on a call", Tone::Call));

    let busy = AudioState {
        microphones: ["default", "phone"].map(device).into(),
        wanted: AudioSettings { microphone: Some(device("phone")), ..AudioSettings::default() },
        microphone: Some(device("default")),
        missing: vec![AudioKind::Microphone],
        ..AudioState::default()
    };
    page.send(heartbeat(ClientState { audio: Some(busy), ..state(Some(call(SID))) }));
    assert_eq!(
        page.shown().notes,
        ["the phone cannot be used, perhaps because another program has it; the default is in use."]
    );
}

#[test]
fn how_the_call_sounds_is_said_in_a_word_and_in_figures() {
    let sample = QualitySample {
        at: Timestamp::from_millis(9),
        rtt_ms: Some(80),
        jitter_ms: None,
        loss_permille: Some(12),
        mos_hundredths: Some(420),
    };
    let mut page = on_call();
    page.send(heartbeat(state(Some(CallView { quality: Some(sample), ..call(SID) }))));
    let quality = page.shown().quality.unwrap();
    assert_eq!(
        (quality.text.as_str(), quality.figures.as_str()),
        ("Call quality: good", "round trip 80 ms, jitter – ms, loss 1.2 %")
    );
    let muffled =
        CallView { quality: Some(sample), warnings: vec![QualityWarning::ConstantAudioInput], ..call(SID) };
    page.send(heartbeat(state(Some(muffled))));
    assert_eq!(page.shown().quality.unwrap().grade, view::Grade::Fair);
    assert!(page.shown().notes[0].starts_with("Your microphone is silent"));
    page.send(heartbeat(state(Some(call(SID)))));
    assert_eq!(page.shown().quality, None, "nothing is known yet");
}

#[test]
fn a_call_that_waits_is_told_in_flex_and_one_that_flex_does_not_know_as_such() {
    let mut page = ready();
    for (unexpected, words) in
        [(false, "Another call is waiting"), (true, "A call that Flex does not know of")]
    {
        let waiting = WaitingCall {
            sid: CallSid::new(SID).unwrap(),
            from: None,
            since: Timestamp::from_millis(9),
            unexpected,
        };
        page.send(heartbeat(ClientState { waiting: Some(waiting), ..state(None) }));
        assert!(page.shown().notes[0].starts_with(words), "{:?}", page.shown().notes);
    }
}

#[test]
fn an_extension_that_is_older_than_the_plugin_is_named() {
    let mut page = ready();
    for (version, named) in
        [("0.0.1", true), (env!("CARGO_PKG_VERSION"), false), ("9999.0.0", false), ("", false)]
    {
        page.send(heartbeat(ClientState { extension_version: version.into(), ..state(None) }));
        assert_eq!(page.shown().notes.iter().any(|note| note.contains("older")), named, "{version}");
    }
    page.send(old_heartbeat(None));
    assert!(page.shown().notes[0].contains("of an older kind"));
}

#[test]
fn a_wrong_setting_is_named_in_words() {
    let wrong = |settings: Settings| Page::new(Boot { settings, ..boot() }).status();
    let set = |name: &str, value: &str| {
        let mut settings = boot().settings;
        *settings.field(name).unwrap() = Some(value.into());
        settings
    };
    for (settings, name) in [
        (set("token_service_url", "http://t.example.com"), "token_service_url"),
        (set("token_service_url", "t.example.com/v1"), "token_service_url"),
        (set("identity_prefix", "Ext!"), "identity_prefix"),
        (set("call_controls", "magic"), "call_controls"),
        (Settings { not_text: vec!["offline_activity"], ..boot().settings }, "offline_activity"),
    ] {
        let said = wrong(settings);
        assert!(said.contains("correct “") && said.contains(name), "{said}");
    }
    for name in Settings::NAMES {
        assert!(Settings::default().field(name).is_some(), "{name}");
    }
    assert_eq!(wrong(set("offline_activity", "  ")), "Voice: connecting", "empty is as good as absent");
}
