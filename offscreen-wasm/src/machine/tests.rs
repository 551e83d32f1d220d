use proptest::prelude::*;
use protocol::{AudioKind, AudioSettings, ProblemCode, QualityWarning};
use sansio::{Machine as _, rig};

use super::*;

fn at(millis: u64) -> Monotonic {
    Monotonic::from_millis(millis)
}

fn sid(n: u8) -> CallSid {
    CallSid::new(format!("CA{}", format!("{n:02x}").repeat(16))).unwrap()
}

fn token(text: &str) -> Secret {
    Secret::new(text)
}

fn prepare(text: &str, edge: Option<&str>) -> ToOffscreen {
    ToOffscreen::Prepare { token: token(text), edge: edge.map(str::to_owned) }
}

fn connect(n: u8, text: &str, edge: Option<&str>) -> ToOffscreen {
    ToOffscreen::Connect {
        call_sid: sid(n),
        connect_token: token("connect"),
        token: token(text),
        edge: edge.map(str::to_owned),
        tone: false,
    }
}

fn fault(code: u32, message: &str) -> SdkError {
    SdkError { code: Some(code), message: message.into() }
}

fn build(device: DeviceId, text: &str, edge: Option<&str>) -> Command {
    Command::Build { device, token: token(text), edge: edge.map(str::to_owned) }
}

fn call(n: u8, state: CallPhase, muted: bool) -> FromOffscreen {
    FromOffscreen::Call { call: OffscreenCall { sid: sid(n), state, muted } }
}

/// A document with its clock, so that a test reads as a story.
#[derive(Default)]
struct Rig {
    machine: Machine,
    now: u64,
    port: PortId,
}

impl Rig {
    /// Connected to the worker, which has answered.
    fn started() -> Self {
        let mut document = Self::default();
        document.when(Event::Start);
        document.port = 1;
        document.told(ToOffscreen::Pong);
        document
    }

    /// With call 1 being accepted on device 1, whose `Call` exists.
    fn dialling() -> Self {
        let mut document = Self::started();
        document.told(prepare("t1", Some("ashburn")));
        document.told(connect(1, "t1", Some("ashburn")));
        document.when(Event::CallMade(1));
        document
    }

    /// With call 1 open on device 1.
    fn in_call() -> Self {
        let mut document = Self::dialling();
        document.when(Event::Call(1, CallEvent::Accepted));
        document
    }

    fn when(&mut self, event: Event) -> Vec<Command> {
        self.now += 1;
        self.machine.handle(event, at(self.now))
    }

    /// The time of this timer is over, and of no other. Nothing happens when it is not armed.
    fn over(&mut self, timer: Timer) -> Vec<Command> {
        self.now += 1;
        over(&mut self.machine, timer, self.now)
    }

    /// How long it is until this timer's time is over; `None` when it is not armed.
    fn left(&self, timer: Timer) -> Option<u64> {
        self.machine.timers.at(timer).map(|over| over.since(at(self.now)))
    }

    fn told(&mut self, message: ToOffscreen) -> Vec<Command> {
        self.when(Event::Message(self.port, message))
    }

    fn call(&mut self, event: CallEvent) -> Vec<Command> {
        self.when(Event::Call(1, event))
    }
}

fn over(machine: &mut Machine, timer: Timer, now: u64) -> Vec<Command> {
    let mut out = Vec::new();
    if machine.timers.is_armed(timer) {
        machine.timers.disarm(timer);
        machine.on_timer(timer, at(now), &mut out);
    }
    out
}

fn sent(commands: &[Command]) -> Vec<&FromOffscreen> {
    commands
        .iter()
        .filter_map(|c| if let Command::Send(_, message) = c { Some(message) } else { None })
        .collect()
}

/// The one report of a call's end, and the problem that it names.
fn ended(commands: &[Command]) -> (CallSid, Option<ProblemCode>, String) {
    let mut ends = sent(commands).into_iter().filter_map(|message| match message {
        FromOffscreen::Ended { call_sid, problem } => Some((call_sid.clone(), problem.clone())),
        _ => None,
    });
    let (sid, problem) = ends.next().unwrap_or_else(|| panic!("no end in {commands:?}"));
    assert!(ends.next().is_none(), "two ends in {commands:?}");
    (sid, problem.as_ref().map(|p| p.code), problem.map(|p| p.message).unwrap_or_default())
}

#[test]
fn the_first_words_to_a_worker_say_what_really_is() {
    let mut document = Rig::default();
    let out = document.when(Event::Start);
    assert!(out.contains(&Command::Connect(1)));
    assert_eq!(sent(&out), [&FromOffscreen::Hello { call: None }]);

    let mut document = Rig::in_call();
    document.when(Event::Closed { port: 1, alive: true });
    assert_eq!(document.left(Timer::Reconnect), Some(0));
    let out = document.over(Timer::Reconnect);
    let live = OffscreenCall { sid: sid(1), state: CallPhase::Open, muted: false };
    assert_eq!(sent(&out), [&FromOffscreen::Hello { call: Some(live) }]);
}

#[test]
fn the_worker_is_pinged_every_twenty_seconds_over_an_open_connection_only() {
    let mut document = Rig::started();
    let out = document.over(Timer::Ping);
    assert_eq!(out, [Command::Send(1, FromOffscreen::Ping)]);
    assert_eq!(document.left(Timer::Ping), Some(20_000));
    document.when(Event::Closed { port: 1, alive: true });
    assert!(document.over(Timer::Ping).is_empty());
}

#[test]
fn a_worker_that_dies_over_and_over_is_tried_at_growing_intervals_up_to_five_seconds() {
    let mut document = Rig::started();
    let mut pauses = Vec::new();
    for port in 1..=8 {
        document.when(Event::Closed { port, alive: true });
        pauses.extend(document.left(Timer::Reconnect));
        assert!(document.over(Timer::Reconnect).contains(&Command::Connect(port + 1)));
    }
    assert_eq!(pauses, [0, 250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    document.port = 9;
    document.told(ToOffscreen::Pong);
    document.when(Event::Closed { port: 9, alive: true });
    assert_eq!(document.left(Timer::Reconnect), Some(0), "an answer ends the series");
}

#[test]
fn a_removed_extension_is_not_reached_for_again() {
    let mut document = Rig::started();
    assert!(document.when(Event::Closed { port: 1, alive: false }).is_empty());
    assert_eq!(document.machine.poll_timeout(), None);
}

#[test]
fn the_end_of_a_call_is_reported_also_to_a_worker_that_was_away() {
    let mut document = Rig::in_call();
    document.when(Event::Closed { port: 1, alive: true });
    document.call(CallEvent::Over);
    assert!(sent(&document.over(Timer::Settle)).is_empty());
    let out = document.over(Timer::Reconnect);
    let end = FromOffscreen::Ended { call_sid: sid(1), problem: None };
    assert_eq!(sent(&out), [&FromOffscreen::Hello { call: None }, &end]);
}

#[test]
fn a_device_is_built_before_the_call_and_dials_at_once() {
    let mut document = Rig::started();
    assert_eq!(document.told(prepare("t1", None)), [Command::CheckPermission, build(1, "t1", None)]);
    let out = document.told(connect(1, "t1", None));
    let expected = [
        Command::OpenMicrophone(1, vec!["default".into()]),
        Command::Dial(1, token("connect")),
        Command::Send(1, call(1, CallPhase::Connecting, false)),
    ];
    assert_eq!(out, expected);
    assert_eq!(document.left(Timer::Microphone), Some(20_000));
}

#[test]
fn the_gateways_time_begins_when_the_microphone_is_open_because_nothing_is_sent_before() {
    let mut document = Rig::started();
    document.told(prepare("t1", None));
    document.told(connect(1, "t1", None));
    document.when(open(1, "default"));
    let clocks = [Timer::Microphone, Timer::Connect, Timer::Answer].map(|timer| document.left(timer));
    assert_eq!(clocks, [None, Some(15_000), Some(4_000)]);
    document.when(Event::CallMade(1));
    document.call(CallEvent::Accepted);
    let armed = document.machine.timers.clone();
    document.when(open(1, "default"));
    assert_eq!(document.machine.timers, armed, "another microphone");
}

#[test]
fn a_microphone_that_does_not_open_in_time_ends_the_call_under_its_own_name() {
    let mut document = Rig::started();
    document.told(prepare("t1", None));
    document.told(connect(1, "t1", None));
    let out = document.over(Timer::Microphone);
    let (_, problem, words) = ended(&out);
    assert_eq!(problem, Some(ProblemCode::MicrophoneUnavailable));
    assert!(words.contains("microphone did not open in time") && !words.contains("etwork"), "{words}");
    assert!(out.contains(&Command::CloseMicrophone), "one that opens too late is closed");
    let mut document = Rig::dialling();
    document.when(open(1, "default"));
    assert!(document.over(Timer::Microphone).is_empty());
}

#[test]
fn a_call_that_nobody_clicked_for_is_told_by_one_tone_on_the_wanted_speaker_when_it_is_open() {
    let tones = |out: &[Command]| {
        out.iter().filter(|command| matches!(command, Command::PlayTone(..))).cloned().collect::<Vec<_>>()
    };
    for (wanted, volume, heard) in [(true, 70, Some(70)), (true, 0, Some(30)), (false, 70, None)] {
        let mut document = Rig::started();
        document.when(found(&["default", "headset"]));
        let settings = AudioSettings { microphone: None, speaker: Some(device("headset")), volume };
        document.told(ToOffscreen::SetAudio { settings });
        let ToOffscreen::Connect { call_sid, connect_token, token, edge, .. } = connect(1, "t1", None) else {
            panic!("a Connect")
        };
        let command = ToOffscreen::Connect { call_sid, connect_token, token, edge, tone: wanted };
        let mut out = document.told(command.clone());
        out.extend(document.when(open(1, "default")));
        out.extend(document.when(Event::CallMade(1)));
        assert_eq!(tones(&out), [], "nothing is answered yet");
        let heard: Vec<_> = heard
            .map(|volume| Command::PlayTone(Tone::Answered, "headset".into(), volume))
            .into_iter()
            .collect();
        assert_eq!(tones(&document.call(CallEvent::Accepted)), heard);
        // The worker was restarted, or the line was repaired.
        let mut out = document.told(command);
        for event in [CallEvent::Reconnecting, CallEvent::Reconnected, CallEvent::Accepted] {
            out.extend(document.call(event));
        }
        assert_eq!(tones(&out), [], "once");
    }
}

#[test]
fn a_call_needs_no_preparation() {
    let mut document = Rig::started();
    let out = document.told(connect(1, "t1", Some("ashburn")));
    assert_eq!(
        out[..2],
        [build(1, "t1", Some("ashburn")), Command::OpenMicrophone(1, vec!["default".into()])]
    );
    assert_eq!(out[2], Command::Dial(1, token("connect")));
}

#[test]
fn a_newer_token_gets_a_new_device_and_an_equal_one_changes_nothing() {
    let mut document = Rig::started();
    document.told(prepare("t1", None));
    assert_eq!(document.told(prepare("t1", None)), [Command::CheckPermission]);
    let newer = [Command::CheckPermission, Command::Destroy(1), build(2, "t2", None)];
    assert_eq!(document.told(prepare("t2", None)), newer);
    assert_eq!(document.told(connect(1, "t3", None))[..2], [Command::Destroy(2), build(3, "t3", None)]);
}

#[test]
fn a_call_whose_waiting_socket_is_lost_or_does_not_answer_is_taken_on_a_new_one_once() {
    for lost in [true, false] {
        let mut document = Rig::dialling();
        document.when(open(1, "default"));
        let out = if lost { document.when(Event::SocketLost(1)) } else { document.over(Timer::Answer) };
        let again = [
            Command::KeepMicrophone(2),
            Command::Destroy(1),
            build(2, "t1", Some("ashburn")),
            Command::Dial(2, token("connect")),
        ];
        assert_eq!(out[..4], again, "the microphone is kept, and not asked for twice");
        assert!(document.when(Event::Call(1, CallEvent::Over)).is_empty(), "the old one is no longer heard");
        assert!(document.over(Timer::Answer).is_empty(), "once");
        document.when(Event::CallMade(2));
        let out = document.when(Event::Call(2, CallEvent::Accepted));
        assert_eq!(sent(&out), [&call(1, CallPhase::Open, false)]);
    }
}

#[test]
fn a_device_that_was_built_for_the_call_is_given_all_its_time() {
    let mut document = Rig::started();
    document.told(connect(1, "t1", None));
    document.when(open(1, "default"));
    assert_eq!(document.left(Timer::Answer), None);
}

#[test]
fn an_open_call_or_one_that_is_to_end_is_never_dialled_again() {
    assert!(Rig::in_call().over(Timer::Answer).is_empty());
    let mut document = Rig::dialling();
    document.when(open(1, "default"));
    document.told(ToOffscreen::HangUp { call_sid: sid(1) });
    assert!(document.over(Timer::Answer).is_empty());
}

#[test]
fn in_another_network_the_waiting_socket_is_opened_anew_and_a_call_is_left_alone() {
    let mut document = Rig::started();
    document.told(prepare("t1", None));
    assert_eq!(document.when(Event::NetworkChanged), [Command::Destroy(1), build(2, "t1", None)]);
    assert!(Rig::in_call().when(Event::NetworkChanged).is_empty());
}

#[test]
fn a_waiting_device_whose_token_is_refused_is_given_up_and_repeats_itself_only_once() {
    let mut document = Rig::started();
    document.told(prepare("t1", None));
    let lost = Event::DeviceError(1, fault(31005, "WebSocket - Connection lost"));
    assert_eq!(document.when(lost.clone()).len(), 1);
    assert!(document.when(lost).is_empty());
    let out = document.when(Event::DeviceError(1, fault(20104, "AccessTokenExpired")));
    assert!(out.contains(&Command::Destroy(1)));
    assert!(document.told(prepare("t2", None)).contains(&build(2, "t2", None)));
}

#[test]
fn another_edge_needs_another_device() {
    let mut document = Rig::started();
    document.told(prepare("t1", None));
    let out = document.told(connect(1, "t1", Some("dublin")));
    assert_eq!(out[..2], [Command::Destroy(1), build(2, "t1", Some("dublin"))]);
    assert!(out.contains(&Command::Dial(2, token("connect"))));
}

#[test]
fn a_token_that_comes_during_a_call_is_for_the_next_one() {
    let mut document = Rig::in_call();
    assert_eq!(document.told(prepare("t2", Some("dublin"))), [Command::CheckPermission]);
    document.call(CallEvent::Over);
    let out = document.over(Timer::Settle);
    assert!(out.contains(&Command::Destroy(1)));
    assert_eq!(out.last(), Some(&build(2, "t2", Some("dublin"))));
}

#[test]
fn a_call_goes_from_connecting_to_open_and_through_a_repair_to_its_end() {
    let mut document = Rig::dialling();
    let out = document.call(CallEvent::Accepted);
    assert_eq!(sent(&out), [&call(1, CallPhase::Open, false)]);
    assert!(document.left(Timer::Connect).is_none() && !out.contains(&Command::CloseMicrophone));
    let repair =
        [(CallEvent::Reconnecting, CallPhase::Reconnecting), (CallEvent::Reconnected, CallPhase::Open)];
    for (event, phase) in repair {
        assert_eq!(sent(&document.call(event.clone())), [&call(1, phase, false)]);
        assert!(document.call(event).is_empty(), "said once");
    }
    assert!(document.call(CallEvent::Over).is_empty());
    assert_eq!(document.left(Timer::Settle), Some(0));
    assert_eq!(ended(&document.over(Timer::Settle)), (sid(1), None, String::new()));
    assert!(document.call(CallEvent::Over).is_empty());
}

#[test]
fn accepting_the_same_call_twice_reports_it_and_does_nothing_else() {
    let mut document = Rig::in_call();
    let out = document.told(connect(1, "t9", Some("dublin")));
    assert_eq!(out, [Command::Send(1, call(1, CallPhase::Open, false))]);
}

#[test]
fn a_second_call_is_refused_and_the_first_one_goes_on() {
    let mut document = Rig::in_call();
    let out = document.told(connect(2, "t2", None));
    assert_eq!(out.len(), 1);
    assert_eq!(ended(&out).0, sid(2));
    assert_eq!(ended(&out).1, Some(ProblemCode::CallFailed));
    assert_eq!(sent(&document.told(connect(1, "t1", None))), [&call(1, CallPhase::Open, false)]);
}

#[test]
fn a_call_that_follows_right_after_another_is_accepted() {
    let mut document = Rig::in_call();
    document.call(CallEvent::Over);
    let out = document.told(connect(2, "t2", Some("ashburn")));
    assert_eq!(ended(&out), (sid(1), None, String::new()));
    assert!(out.contains(&Command::Dial(2, token("connect"))));
}

#[test]
fn a_hang_up_that_comes_before_the_sdk_has_a_call_is_carried_out_when_it_has() {
    let mut document = Rig::started();
    document.told(connect(1, "t1", None));
    let early = document.told(ToOffscreen::HangUp { call_sid: sid(1) });
    assert!(early.is_empty());
    assert_eq!(document.left(Timer::HangUp), Some(5_000));
    assert!(document.when(Event::CallMade(1)).contains(&Command::Disconnect(1)));
    document.call(CallEvent::Over);
    assert_eq!(ended(&document.over(Timer::Settle)), (sid(1), None, String::new()));
}

#[test]
fn a_hang_up_ends_the_call_even_if_the_sdk_does_not() {
    for mut document in [Rig::in_call(), Rig::dialling()] {
        let out = document.told(ToOffscreen::HangUp { call_sid: sid(1) });
        assert_eq!((out, document.left(Timer::HangUp)), (vec![Command::Disconnect(1)], Some(2_000)));
        let out = document.over(Timer::HangUp);
        assert_eq!(ended(&out), (sid(1), None, String::new()));
        assert!(out.contains(&Command::Destroy(1)));
    }
}

#[test]
fn mute_is_remembered_until_there_is_something_to_mute_and_forgotten_with_the_call() {
    let mut document = Rig::started();
    document.told(connect(1, "t1", None));
    let out = document.told(ToOffscreen::SetMute { call_sid: sid(1), muted: true });
    assert_eq!(out, [Command::Send(1, call(1, CallPhase::Connecting, true))]);
    assert_eq!(document.when(Event::CallMade(1)), [Command::Mute(1, true)]);
    assert!(document.call(CallEvent::Muted(true)).is_empty(), "reported already");
    assert_eq!(sent(&document.call(CallEvent::Accepted)), [&call(1, CallPhase::Open, true)]);
    assert_eq!(sent(&document.call(CallEvent::Muted(false))), [&call(1, CallPhase::Open, false)]);

    document.call(CallEvent::Muted(true));
    document.call(CallEvent::Over);
    document.over(Timer::Settle);
    let out = document.told(connect(2, "t1", None));
    assert_eq!(sent(&out), [&call(2, CallPhase::Connecting, false)]);
}

#[test]
fn digits_go_into_an_open_call_only() {
    let digits = ToOffscreen::SendDigits { call_sid: sid(1), digits: DtmfDigits::new("1#").unwrap() };
    let mut document = Rig::dialling();
    assert!(matches!(sent(&document.told(digits.clone()))[..], [FromOffscreen::Note { .. }]));
    document.call(CallEvent::Accepted);
    assert_eq!(document.told(digits), [keys("1#")]);
    assert_eq!(document.left(Timer::Digits), Some(460));
}

fn keys(digits: &str) -> Command {
    Command::SendDigits(1, DtmfDigits::new(digits).unwrap())
}

fn typed(digits: &str) -> ToOffscreen {
    ToOffscreen::SendDigits { call_sid: sid(1), digits: DtmfDigits::new(digits).unwrap() }
}

#[test]
fn fast_typing_loses_no_key() {
    let mut document = Rig::in_call();
    assert_eq!((document.told(typed("1")), document.left(Timer::Digits)), (vec![keys("1")], Some(230)));
    assert_eq!(document.told(typed("5")), []);
    assert_eq!(document.told(typed("9")), []);
    assert_eq!((document.over(Timer::Digits), document.left(Timer::Digits)), (vec![keys("59")], Some(460)));
    assert_eq!((document.over(Timer::Digits), document.left(Timer::Digits)), (vec![], None));
    assert_eq!((document.told(typed("2")), document.left(Timer::Digits)), (vec![keys("2")], Some(230)));
}

#[test]
fn a_pause_waits_until_the_digits_before_it_have_sounded() {
    let mut document = Rig::in_call();
    assert_eq!((document.told(typed("12w#")), document.left(Timer::Digits)), (vec![keys("12")], Some(460)));
    assert_eq!((document.over(Timer::Digits), document.left(Timer::Digits)), (vec![], Some(500)));
    assert_eq!((document.over(Timer::Digits), document.left(Timer::Digits)), (vec![keys("#")], Some(230)));
    assert_eq!((document.over(Timer::Digits), document.left(Timer::Digits)), (vec![], None));
}

#[test]
fn a_long_row_of_digits_sounds_whole_in_runs_that_do_not_cut_each_other_off() {
    let mut document = Rig::in_call();
    let long = "1234567890".repeat(25) + "wwww*#";
    let mut out = document.told(typed(&long));
    let (mut heard, mut pauses) = (String::new(), 0);
    loop {
        let waits = document.left(Timer::Digits);
        let digits = out.iter().find_map(|command| match command {
            Command::SendDigits(1, digits) => Some(digits.to_string()),
            _ => None,
        });
        let Some(waits) = waits else { break };
        match digits {
            Some(digits) => {
                let sounding = 230 * u64::try_from(digits.len()).unwrap();
                assert!(digits.len() <= 10 && waits >= sounding, "{digits} {waits}");
                heard.push_str(&digits);
            }
            None => {
                assert_eq!(waits, 500);
                pauses += 1;
            }
        }
        out = document.over(Timer::Digits);
    }
    assert_eq!((heard, pauses), (long.replace('w', ""), 4));
}

#[test]
fn a_hang_up_ends_the_digits_that_still_wait() {
    let mut document = Rig::in_call();
    document.told(typed(&"1".repeat(200)));
    document.told(ToOffscreen::HangUp { call_sid: sid(1) });
    assert_eq!(document.over(Timer::Digits), []);
    assert_eq!(document.told(typed("2")), []);
}

#[test]
fn more_digits_than_the_worker_ever_admits_are_refused_and_noted() {
    let mut document = Rig::in_call();
    document.told(typed("1"));
    for _ in 0..4 {
        document.told(typed(&"2".repeat(256)));
    }
    assert!(matches!(sent(&document.told(typed("4")))[..], [FromOffscreen::Note { .. }]));
}

#[test]
fn a_command_for_another_call_is_noted_and_ignored() {
    let commands = [
        ToOffscreen::HangUp { call_sid: sid(2) },
        ToOffscreen::SetMute { call_sid: sid(2), muted: true },
        ToOffscreen::SendDigits { call_sid: sid(2), digits: DtmfDigits::new("1").unwrap() },
    ];
    for command in commands {
        for mut document in [Rig::in_call(), Rig::started()] {
            let out = document.told(command.clone());
            let [Command::Send(1, FromOffscreen::Note { message })] = &out[..] else { panic!("{out:?}") };
            assert!(message.contains(sid(2).as_str()));
        }
    }
}

#[test]
fn commands_over_an_old_connection_are_ignored() {
    let mut document = Rig::in_call();
    document.when(Event::Closed { port: 1, alive: true });
    document.over(Timer::Reconnect);
    assert!(document.told(ToOffscreen::HangUp { call_sid: sid(1) }).is_empty());
}

#[test]
fn what_the_sdk_says_around_the_end_of_a_call_becomes_its_problem_in_either_order() {
    let cases = [
        (31401, ProblemCode::MicrophoneUnavailable, "allow it"),
        (31402, ProblemCode::MicrophoneUnavailable, "Connect one"),
        (20104, ProblemCode::VoiceTokenRefused, "20104"),
        (53405, ProblemCode::CallFailed, "audio connection was lost"),
        (53000, ProblemCode::CallFailed, "MediaConnectionError (53000)"),
    ];
    for (code, expected, words) in cases {
        let error = CallEvent::Error(fault(code, "MediaConnectionError"));
        for order in [[error.clone(), CallEvent::Over], [CallEvent::Over, error.clone()]] {
            for mut document in [Rig::dialling(), Rig::in_call()] {
                for event in order.clone() {
                    document.call(event);
                }
                let (_, problem, message) = ended(&document.over(Timer::Settle));
                assert_eq!(problem, Some(expected));
                assert!(message.contains(words), "{message}");
            }
        }
    }
}

#[test]
fn an_error_that_an_open_call_survives_is_only_noted() {
    let mut document = Rig::in_call();
    document.call(CallEvent::Error(fault(31009, "TransportError (31009): No transport available.")));
    let out = document.over(Timer::Settle);
    let [Command::Send(1, FromOffscreen::Note { message })] = &out[..] else { panic!("{out:?}") };
    assert_eq!(message, "An error of the call: TransportError (31009): No transport available.");
    document.call(CallEvent::Over);
    assert_eq!(ended(&document.over(Timer::Settle)).1, None, "an old error is not why it ended");
}

#[test]
fn an_error_before_the_call_is_open_ends_it_though_the_sdk_would_let_it_hang() {
    let mut document = Rig::dialling();
    document.call(CallEvent::Error(fault(53402, "ClientRemoteDescFailed")));
    let out = document.over(Timer::Settle);
    assert_eq!(ended(&out).1, Some(ProblemCode::CallFailed));
    assert!(out.contains(&Command::Disconnect(1)) && out.contains(&Command::Destroy(1)));
}

#[test]
fn a_caller_who_gives_up_first_is_noted_and_no_problem() {
    let gone = CallEvent::Error(fault(31404, "NotFound"));
    for story in [vec![CallEvent::Over], vec![gone.clone(), CallEvent::Over], vec![CallEvent::Over, gone]] {
        let mut document = Rig::dialling();
        for event in story {
            document.call(event);
        }
        let out = document.over(Timer::Settle);
        assert_eq!(ended(&out), (sid(1), None, String::new()));
        let note = FromOffscreen::Note { message: "The caller hung up before the call was answered.".into() };
        assert!(sent(&out).contains(&&note));
    }
}

#[test]
fn a_call_that_the_gateway_gave_up_while_its_signalling_was_lost_says_why_it_ended() {
    let mut document = Rig::in_call();
    document.call(CallEvent::Reconnecting);
    document.call(CallEvent::Error(fault(31404, "NotFound")));
    document.call(CallEvent::Over);
    let (_, problem, message) = ended(&document.over(Timer::Settle));
    assert_eq!(problem, Some(ProblemCode::CallFailed));
    assert!(message.contains("lost and did not come back"), "{message}");
}

#[test]
fn a_connection_that_does_not_come_back_ends_the_call_within_35_s_unless_the_other_side_is_heard() {
    let mut document = Rig::in_call();
    document.call(sample(10, 10));
    document.call(CallEvent::Reconnecting);
    assert_eq!(document.left(Timer::GiveUp), Some(34_000));
    document.now += 34_000;
    document.call(sample(20, 20));
    let again = document.over(Timer::GiveUp);
    assert_eq!((again, document.left(Timer::GiveUp)), (vec![], Some(3_000)), "it is heard");
    document.now += 3_001;
    document.call(sample(20, 30));
    let (_, problem, message) = ended(&document.over(Timer::GiveUp));
    assert_eq!(problem, Some(ProblemCode::CallFailed));
    assert!(message.contains("lost and did not come back"), "{message}");
}

#[test]
fn a_lost_media_path_is_negotiated_anew_every_few_seconds_while_nothing_is_heard() {
    let mut document = Rig::in_call();
    document.call(sample(10, 10));
    document.call(CallEvent::Reconnecting);
    assert_eq!(document.left(Timer::Repair), Some(4_000));
    let out = document.over(Timer::Repair);
    assert_eq!((out, document.left(Timer::Repair)), (vec![], Some(4_000)), "only the signalling is lost");
    document.now += 4_000;
    for _ in 0..3 {
        let out = document.over(Timer::Repair);
        assert_eq!((out, document.left(Timer::Repair)), (vec![Command::RestartMedia(1)], Some(4_000)));
    }
    document.call(CallEvent::Reconnected);
    assert_eq!(document.left(Timer::Repair), None);
}

#[test]
fn a_connection_that_is_back_is_not_given_up() {
    let mut document = Rig::in_call();
    document.when(open(1, "default"));
    document.call(CallEvent::Reconnecting);
    document.call(CallEvent::Reconnected);
    assert_eq!(document.left(Timer::GiveUp), None);
    let mut rig = rig::Rig::new(document.machine, at(document.now));
    rig.pass(40_000);
    assert!(rig.machine.live.is_some());
}

#[test]
fn a_call_that_does_not_open_in_time_is_given_up_and_its_late_coming_too() {
    let mut document = Rig::started();
    document.told(connect(1, "t1", None));
    document.when(open(1, "default"));
    let out = document.over(Timer::Connect);
    assert_eq!(ended(&out).1, Some(ProblemCode::CallFailed));
    assert!(out.contains(&Command::Destroy(1)) && out.contains(&build(2, "t1", None)));
    let late = document.when(Event::CallMade(1));
    assert_eq!(late, [Command::Disconnect(1)]);
    assert!(Rig::in_call().over(Timer::Connect).is_empty());
}

#[test]
fn a_call_that_the_sdk_refuses_to_make_ends() {
    let mut document = Rig::started();
    document.told(connect(1, "t1", None));
    let out =
        document.when(Event::CallRefused(1, fault(31400, "InvalidArgumentError: Cannot parse connectToken")));
    assert_eq!(ended(&out).1, Some(ProblemCode::CallFailed));

    let mut document = Rig::started();
    document.told(connect(1, "t1", None));
    document.told(ToOffscreen::HangUp { call_sid: sid(1) });
    let out = document.when(Event::CallRefused(1, fault(31005, "closed")));
    assert_eq!(ended(&out).1, None, "it was to end anyway");
}

#[test]
fn a_refused_token_ends_the_call_at_once_and_never_an_open_one() {
    let refusal = Event::DeviceError(1, fault(20104, "AccessTokenExpired"));
    assert_eq!(ended(&Rig::dialling().when(refusal.clone())).1, Some(ProblemCode::VoiceTokenRefused));
    assert!(matches!(sent(&Rig::in_call().when(refusal))[..], [FromOffscreen::Note { .. }]));
    let lost = Event::DeviceError(1, fault(31005, "WebSocket - Connection lost"));
    assert!(matches!(sent(&Rig::dialling().when(lost))[..], [FromOffscreen::Note { .. }]));
}

#[test]
fn a_device_that_cannot_be_built_ends_the_call_or_is_noted_and_tried_again_with_the_next_token() {
    let failed =
        |device| Event::DeviceFailed(device, SdkError { code: None, message: "not supported".into() });
    let mut document = Rig::started();
    document.told(prepare("t1", None));
    assert!(matches!(sent(&document.when(failed(1)))[..], [FromOffscreen::Note { .. }]));
    assert!(document.told(prepare("t1", None)).contains(&build(2, "t1", None)));
    document.told(connect(1, "t1", None));
    assert_eq!(ended(&document.when(failed(2))).1, Some(ProblemCode::CallFailed));
}

#[test]
fn without_a_microphone_the_gateway_hears_nothing_and_the_caller_rings_on() {
    let mut document = Rig::started();
    document.when(Event::Permission(Permission::Denied));
    let out = document.told(connect(1, "t1", None));
    assert_eq!(ended(&out).1, Some(ProblemCode::MicrophoneUnavailable));
    assert!(!out.iter().any(|command| matches!(command, Command::Dial(..) | Command::Build { .. })));

    let mut document = Rig::started();
    document.told(connect(1, "t1", None));
    let out = document.when(Event::NoMicrophone(1, false));
    assert_eq!(ended(&out).1, Some(ProblemCode::MicrophoneUnavailable));
    assert!(!out.contains(&Command::Disconnect(1)));
    assert!(Rig::dialling().when(Event::NoMicrophone(1, true)).is_empty(), "the SDK tells it itself");
}

#[test]
fn a_missing_microphone_permission_is_noted_once_per_change() {
    let mut document = Rig::started();
    for (permission, notes) in [
        (Permission::Granted, 0),
        (Permission::Denied, 1),
        (Permission::Denied, 0),
        (Permission::Granted, 0),
        (Permission::Prompt, 1),
    ] {
        let out = document.when(Event::Permission(permission));
        assert_eq!(sent(&out).len(), notes, "{permission:?}");
    }
}

#[test]
fn a_warning_is_passed_on_when_it_comes_and_when_it_is_over() {
    let mut document = Rig::in_call();
    let told = |raised| FromOffscreen::Warning { call_sid: sid(1), warning: QualityWarning::HighRtt, raised };
    let warning = |raised| CallEvent::Warning("high-rtt".into(), raised);
    assert_eq!(sent(&document.call(warning(true))), [&told(true)]);
    assert!(document.call(warning(true)).is_empty());
    assert_eq!(sent(&document.call(warning(false))), [&told(false)]);
    let unknown = document.call(CallEvent::Warning("high-tide".into(), true));
    assert!(matches!(sent(&unknown)[..], [FromOffscreen::Note { .. }]));
}

fn device(id: &str) -> AudioDevice {
    AudioDevice { id: id.into(), label: format!("Label of {id}") }
}

fn wants(microphone: &str, volume: u8) -> ToOffscreen {
    let microphone = Some(device(microphone));
    ToOffscreen::SetAudio { settings: AudioSettings { microphone, speaker: None, volume } }
}

/// A microphone is open for the call on this device: the one that was tried.
fn open(device: DeviceId, id: &str) -> Event {
    opened(device, id, id)
}

/// As [`open`], but perhaps another than the one that was tried first.
fn opened(call: DeviceId, tried: &str, id: &str) -> Event {
    Event::MicrophoneOpen(call, Opened { tried: tried.into(), device: device(id), muted: false })
}

fn found(ids: &[&str]) -> Event {
    let devices: Vec<_> = ids.iter().map(|id| device(id)).collect();
    Event::Devices { microphones: devices.clone(), speakers: devices }
}

fn audio(commands: &[Command]) -> AudioState {
    let told = sent(commands).into_iter().find_map(|message| match message {
        FromOffscreen::Audio { state } => Some((**state).clone()),
        _ => None,
    });
    told.unwrap_or_else(|| panic!("nothing of devices in {commands:?}"))
}

#[test]
fn devices_are_listed_at_the_start_at_every_change_and_told_again_to_a_new_worker() {
    let mut document = Rig::default();
    assert!(document.when(Event::Start).contains(&Command::ListDevices));
    document.port = 1;
    let out = document.when(found(&["default", "headset"]));
    assert_eq!(audio(&out).microphones.len(), 2);
    assert_eq!(audio(&out).microphone, Some(device("default")));
    assert!(document.when(found(&["default", "headset"])).is_empty(), "no news");
    assert_eq!(document.when(Event::DevicesChanged), [Command::ListDevices]);
    document.when(Event::Closed { port: 1, alive: true });
    let out = document.over(Timer::Reconnect);
    assert!(matches!(sent(&out)[0], FromOffscreen::Hello { .. }));
    assert_eq!(audio(&out).microphones.len(), 2);
}

#[test]
fn the_wanted_microphone_is_opened_for_a_call_and_closed_with_it() {
    let mut document = Rig::started();
    document.when(found(&["default", "headset"]));
    assert_eq!(audio(&document.told(wants("headset", 100))).microphone, Some(device("headset")));
    let out = document.told(connect(1, "t1", None));
    assert!(out.contains(&Command::OpenMicrophone(1, vec!["headset".into(), "default".into()])), "{out:?}");
    assert!(audio(&document.when(open(1, "headset"))).microphone_open);
    document.when(Event::CallMade(1));
    document.call(CallEvent::Accepted);
    document.call(CallEvent::Over);
    let out = document.over(Timer::Settle);
    assert!(out.contains(&Command::CloseMicrophone));
    assert!(!audio(&out).microphone_open);
}

#[test]
fn a_headset_that_is_unplugged_in_a_call_is_stood_in_for_and_taken_again_when_it_is_back() {
    let mut document = Rig::in_call();
    document.when(found(&["default", "headset"]));
    let out = document.told(wants("headset", 100));
    assert!(out.contains(&Command::SwitchMicrophone(1, vec!["headset".into(), "default".into()])));
    assert!(document.when(Event::MicrophoneLost(1)).contains(&Command::ListDevices));
    let out = document.when(found(&["default"]));
    assert!(out.contains(&Command::SwitchMicrophone(1, vec!["default".into()])), "{out:?}");
    assert_eq!(audio(&out).missing, [AudioKind::Microphone]);
    let out = document.when(found(&["default", "headset"]));
    assert!(out.contains(&Command::SwitchMicrophone(1, vec!["headset".into(), "default".into()])));
    assert!(audio(&out).missing.is_empty());
}

/// A call on the headset, which is wanted as microphone and speaker.
fn on_the_headset() -> Rig {
    let mut document = Rig::started();
    document.when(found(&["default", "headset", "webcam"]));
    let settings = AudioSettings {
        microphone: Some(device("headset")),
        speaker: Some(device("headset")),
        ..AudioSettings::default()
    };
    document.told(ToOffscreen::SetAudio { settings });
    document.told(connect(1, "t1", None));
    document.when(open(1, "headset"));
    document.when(Event::CallMade(1));
    document.call(CallEvent::Accepted);
    document
}

/// What is told of the microphone now, whatever was told before.
fn told_now(document: &mut Rig) -> AudioState {
    let port = document.port;
    document.when(Event::Closed { port, alive: true });
    document.port += 1;
    let out = document.over(Timer::Reconnect);
    document.told(ToOffscreen::Pong);
    audio(&out)
}

#[test]
fn the_microphone_that_is_told_is_the_one_that_was_opened_and_the_wanted_one_is_missing() {
    let mut document = Rig::started();
    document.when(found(&["default", "headset"]));
    document.told(wants("headset", 100));
    document.told(connect(1, "t1", None));
    let now = audio(&document.when(opened(1, "headset", "default")));
    assert_eq!((now.microphone, now.missing), (Some(device("default")), vec![AudioKind::Microphone]));
    assert_eq!(now.wanted.microphone, Some(device("headset")), "still wanted");
    document.when(Event::CallMade(1));
    document.call(CallEvent::Accepted);
    document.call(CallEvent::Over);
    let after = audio(&document.over(Timer::Settle));
    assert_eq!((after.microphone, after.missing), (Some(device("headset")), vec![]), "for the next call");
}

#[test]
fn a_change_of_the_microphone_is_told_when_it_is_done_and_one_that_fails_too() {
    let mut document = on_the_headset();
    let now = audio(&document.told(wants("webcam", 100)));
    assert_eq!((now.microphone, now.missing), (Some(device("headset")), vec![]), "not yet");
    let now = audio(&document.when(open(1, "webcam")));
    assert_eq!((now.microphone, now.missing), (Some(device("webcam")), vec![]));

    document.told(wants("headset", 100));
    let failed = |tried: &str| Event::NotSwitched { device: 1, tried: tried.into(), words: "busy".into() };
    let now = audio(&document.when(failed("headset")));
    assert_eq!((now.microphone, now.missing), (Some(device("webcam")), vec![AudioKind::Microphone]));

    // Both wished for quickly: the end of the first is no verdict on the second.
    document.told(wants("webcam", 100));
    document.told(wants("headset", 100));
    document.when(opened(1, "webcam", "webcam"));
    assert_eq!(told_now(&mut document).missing, []);
    let now = audio(&document.when(opened(1, "headset", "default")));
    assert_eq!((now.microphone, now.missing), (Some(device("default")), vec![AudioKind::Microphone]));
}

#[test]
fn a_microphone_that_could_not_be_opened_is_tried_again_when_devices_come_or_somebody_looks_and_not_else() {
    let all = ["default", "headset", "webcam"];
    let is_switch = |command: &Command| matches!(command, Command::SwitchMicrophone(..));
    for occasion in [Event::DevicesChanged, Event::Message(1, ToOffscreen::ListDevices)] {
        let mut document = on_the_headset();
        document.when(opened(1, "headset", "default"));
        assert!(!document.when(found(&all)).iter().any(is_switch), "its own listing is no occasion");
        assert_eq!(document.when(occasion), [Command::ListDevices]);
        let out = document.when(found(&all));
        assert!(out.contains(&Command::SwitchMicrophone(1, vec!["headset".into()])), "{out:?}");
        assert!(!document.when(found(&all)).iter().any(is_switch), "once");
        assert!(audio(&document.when(open(1, "headset"))).missing.is_empty());
        document.when(Event::DevicesChanged);
        assert!(!document.when(found(&all)).iter().any(is_switch), "it is in use");
    }
}

#[test]
fn a_call_whose_microphone_ended_and_cannot_be_replaced_has_none() {
    let mut document = on_the_headset();
    document.when(Event::MicrophoneLost(1));
    document.when(found(&["default", "headset", "webcam"]));
    let failed = Event::NotSwitched { device: 1, tried: "headset".into(), words: "gone".into() };
    let now = audio(&document.when(failed));
    assert_eq!((now.microphone, now.missing), (None, vec![AudioKind::Microphone]));
}

#[test]
fn a_microphone_that_the_computer_or_the_headset_mutes_is_told_and_our_own_mute_is_left_alone() {
    let mut document = on_the_headset();
    let out = document.when(Event::MicrophoneMuted(1, true));
    assert!(audio(&out).microphone_muted);
    assert_eq!(out.len(), 1, "nothing else is done: {out:?}");
    assert!(told_now(&mut document).microphone_muted, "also to a restarted worker");
    assert!(!audio(&document.when(Event::MicrophoneMuted(1, false))).microphone_muted);
    document.when(Event::MicrophoneMuted(1, true));
    document.told(wants("webcam", 100));
    assert!(!audio(&document.when(open(1, "webcam"))).microphone_muted, "another one is not muted");
    let muted = Opened { tried: "webcam".into(), device: device("webcam"), muted: true };
    assert!(audio(&document.when(Event::MicrophoneOpen(1, muted))).microphone_muted, "from its start");
    assert!(document.when(Event::MicrophoneMuted(7, false)).is_empty(), "of another call");
    document.call(CallEvent::Over);
    assert!(!audio(&document.over(Timer::Settle)).microphone_muted);
}

#[test]
fn the_speaker_that_is_told_is_the_one_that_plays_and_the_wanted_one_is_tried_again() {
    let all = ["default", "headset", "webcam"];
    let played = |used: &str| Event::Played { tried: "headset".into(), used: used.into() };
    let mut document = on_the_headset();
    let now = audio(&document.when(played("default")));
    assert_eq!((now.speaker, now.missing), (Some(device("default")), vec![AudioKind::Speaker]));
    assert_eq!(document.when(played("default")), [], "said once");
    let again = |command: &Command| *command == Command::UseSpeaker("headset".into(), 100);
    assert!(!document.when(found(&all)).iter().any(again));
    document.when(Event::DevicesChanged);
    assert!(document.when(found(&all)).iter().any(again));
    document.when(played("headset"));
    let now = told_now(&mut document);
    assert_eq!((now.speaker, now.missing), (Some(device("headset")), vec![]));
    document.when(played("default"));
    document.call(CallEvent::Over);
    assert!(audio(&document.over(Timer::Settle)).missing.is_empty(), "for the next call");
}

#[test]
fn a_test_tells_the_microphone_and_the_speaker_that_it_is_heard_with() {
    let mut document = Rig::started();
    document.when(found(&["default", "headset"]));
    document.told(wants("headset", 100));
    document.told(ToOffscreen::TestMicrophone { on: true });
    let other = Opened { tried: "headset".into(), device: device("default"), muted: true };
    let now = audio(&document.when(Event::TestOpen(other.clone())));
    assert_eq!((now.microphone, now.missing), (Some(device("default")), vec![AudioKind::Microphone]));
    assert!(now.microphone_muted);
    assert!(!audio(&document.when(Event::TestMuted(false))).microphone_muted);
    let after = audio(&document.told(ToOffscreen::TestMicrophone { on: false }));
    assert_eq!((after.microphone, after.missing), (Some(device("headset")), vec![]));
    assert!(document.when(Event::TestOpen(other)).is_empty(), "it came too late");
    let settings = AudioSettings { speaker: Some(device("headset")), ..AudioSettings::default() };
    document.told(ToOffscreen::SetAudio { settings });
    let silent = Event::Played { tried: "headset".into(), used: "default".into() };
    assert_eq!(audio(&document.when(silent)).missing, [AudioKind::Speaker]);
}

#[test]
fn another_microphone_that_is_chosen_while_the_call_connects_is_used_as_soon_as_it_is_open() {
    let mut document = Rig::started();
    document.when(found(&["default", "headset"]));
    document.told(connect(1, "t1", None));
    document.when(Event::CallMade(1));
    let is_switch = |command: &Command| matches!(command, Command::SwitchMicrophone(..));
    assert!(!document.told(wants("headset", 100)).iter().any(is_switch), "the SDK could not do it");
    assert!(document.call(CallEvent::Accepted).iter().any(is_switch));
}

#[test]
fn a_microphone_that_ends_again_and_again_is_not_opened_without_end() {
    let mut document = Rig::in_call();
    let reopened = (0..20).filter(|_| !document.when(Event::MicrophoneLost(1)).is_empty()).count();
    assert_eq!(reopened, 5);
}

#[test]
fn speaker_and_volume_are_set_in_a_running_call_and_without_one() {
    for mut document in [Rig::in_call(), Rig::started()] {
        document.when(found(&["default", "headset"]));
        let settings = AudioSettings { microphone: None, speaker: Some(device("headset")), volume: 40 };
        let out = document.told(ToOffscreen::SetAudio { settings });
        assert!(out.contains(&Command::UseSpeaker("headset".into(), 40)), "{out:?}");
        let out = document.told(ToOffscreen::TestSpeaker);
        assert_eq!(out, [Command::PlayTone(Tone::Test, "headset".into(), 40)]);
    }
}

#[test]
fn the_microphone_is_open_for_a_test_until_it_is_ended_or_forgotten() {
    let on = ToOffscreen::TestMicrophone { on: true };
    let off = Event::Message(1, ToOffscreen::TestMicrophone { on: false });
    for end in [Some(off), None, Some(Event::TestFailed)] {
        let mut document = Rig::started();
        document.when(found(&["default"]));
        assert!(document.when(Event::Level(50)).is_empty(), "nobody asked");
        let out = document.told(on.clone());
        assert!(out.contains(&Command::StartTest(vec!["default".into()])));
        assert_eq!(document.left(Timer::Test), Some(60_000));
        assert!(audio(&out).microphone_open);
        assert_eq!(sent(&document.when(Event::Level(50))), [&FromOffscreen::Level { percent: 50 }]);
        let out = match end {
            Some(event) => document.when(event),
            None => document.over(Timer::Test),
        };
        assert!(out.contains(&Command::StopTest));
        assert!(!audio(&out).microphone_open);
        assert!(document.when(Event::Level(50)).is_empty());
    }
}

/// By the wall clock.
const SAMPLED_AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn sample(bytes_received: u64, bytes_sent: u64) -> CallEvent {
    let sample = Sample { rtt_ms: Some(40.0), bytes_received, bytes_sent, ..Sample::default() };
    CallEvent::Sample(sample, SAMPLED_AT)
}

#[test]
fn every_sample_is_passed_on() {
    let mut document = Rig::in_call();
    let out = document.call(sample(1, 1));
    let [FromOffscreen::Quality { call_sid, sample }] = sent(&out)[..] else { panic!("{out:?}") };
    assert_eq!((call_sid, sample.rtt_ms, sample.at), (&sid(1), Some(40), SAMPLED_AT));
}

#[test]
fn an_answered_call_without_a_packet_is_repaired_once_and_then_surfaced() {
    let mut document = Rig::dialling();
    document.call(CallEvent::Accepted);
    assert_eq!(document.left(Timer::Silence), Some(2_500));
    document.call(sample(0, 0));
    let out = document.over(Timer::Silence);
    assert!(out.contains(&Command::RestartMedia(1)) && document.left(Timer::Silence) == Some(5_000));
    assert!(sent(&out).contains(&&call(1, CallPhase::Reconnecting, false)));
    let out = document.over(Timer::Silence);
    assert!(!out.contains(&Command::RestartMedia(1)), "once");
    let warned = |raised| FromOffscreen::Warning {
        call_sid: sid(1),
        warning: QualityWarning::LowBytesReceived,
        raised,
    };
    assert!(sent(&out).contains(&&warned(true)));
    let out = document.call(sample(5, 5));
    assert!(sent(&out).contains(&&warned(false)));
    assert!(sent(&out).contains(&&call(1, CallPhase::Open, false)), "{out:?}");
}

#[test]
fn a_call_that_is_heard_is_left_alone() {
    let mut document = Rig::in_call();
    document.call(sample(5, 5));
    assert_eq!(document.left(Timer::Silence), None);
}

#[test]
fn a_restarted_worker_hears_which_warnings_stand() {
    let mut document = Rig::in_call();
    document.call(CallEvent::Warning("low-mos".into(), true));
    document.when(Event::Closed { port: 1, alive: true });
    let out = document.over(Timer::Reconnect);
    let low_mos = FromOffscreen::Warning { call_sid: sid(1), warning: QualityWarning::LowMos, raised: true };
    assert!(sent(&out).contains(&&low_mos));
}

fn any_message() -> impl Strategy<Value = ToOffscreen> {
    let edge = prop_oneof![Just(None), Just(Some("ashburn"))];
    prop_oneof![
        2 => ("[ab]", edge.clone()).prop_map(|(token, edge)| prepare(&token, edge)),
        4 => (1..4_u8, "[ab]", edge).prop_map(|(n, token, edge)| connect(n, &token, edge)),
        2 => (1..4_u8).prop_map(|n| ToOffscreen::HangUp { call_sid: sid(n) }),
        1 => (1..4_u8, any::<bool>()).prop_map(|(n, muted)| ToOffscreen::SetMute { call_sid: sid(n), muted }),
        1 => (1..4_u8).prop_map(|n| ToOffscreen::SendDigits {
            call_sid: sid(n),
            digits: DtmfDigits::new("1").unwrap(),
        }),
        1 => (0..120_u8).prop_map(|volume| wants("headset", volume)),
        1 => any::<bool>().prop_map(|on| ToOffscreen::TestMicrophone { on }),
        1 => Just(ToOffscreen::TestSpeaker),
        1 => Just(ToOffscreen::ListDevices),
        1 => Just(ToOffscreen::Pong),
    ]
}

fn any_call_event() -> impl Strategy<Value = CallEvent> {
    prop_oneof![
        4 => Just(CallEvent::Accepted),
        1 => Just(CallEvent::Reconnecting),
        1 => Just(CallEvent::Reconnected),
        1 => any::<bool>().prop_map(CallEvent::Muted),
        1 => any::<bool>().prop_map(|raised| CallEvent::Warning("high-rtt".into(), raised)),
        1 => (0..2_u64, 0..2_u64).prop_map(|(received, sent)| sample(received, sent)),
        1 => Just(CallEvent::Error(fault(53405, "x"))),
        2 => Just(CallEvent::Over),
    ]
}

/// Something happens, or a timer's time is over: of any that is armed, so that the times do not matter.
#[derive(Clone, Debug)]
enum Step {
    Event(Event),
    Over(Timer),
}

/// Devices are counted back from the newest one, so that most events are about one that exists.
fn any_step() -> impl Strategy<Value = (Step, DeviceId)> {
    let timer = prop_oneof![
        Just(Timer::Reconnect),
        Just(Timer::Ping),
        Just(Timer::Connect),
        Just(Timer::Settle),
        Just(Timer::HangUp),
        Just(Timer::Answer),
        Just(Timer::Silence),
        Just(Timer::GiveUp),
        Just(Timer::Repair),
        Just(Timer::Test),
        Just(Timer::Microphone),
        Just(Timer::Digits),
    ];
    let event = prop_oneof![
        8 => any_message().prop_map(|message| Event::Message(0, message)),
        1 => Just(Event::Closed { port: 0, alive: true }),
        1 => Just(Event::DeviceFailed(0, fault(1, "x"))),
        1 => prop_oneof![Just(20101), Just(31005)].prop_map(|code| Event::DeviceError(0, fault(code, "x"))),
        4 => Just(Event::CallMade(0)),
        1 => Just(Event::CallRefused(0, fault(1, "x"))),
        8 => any_call_event().prop_map(|event| Event::Call(0, event)),
        1 => any::<bool>().prop_map(|denied| Event::NoMicrophone(0, denied)),
        1 => Just(Event::SocketLost(0)),
        1 => Just(Event::NetworkChanged),
        2 => any::<bool>().prop_map(|it| opened(0, "headset", if it { "headset" } else { "default" })),
        1 => Just(Event::MicrophoneLost(0)),
        1 => any::<bool>().prop_map(|muted| Event::MicrophoneMuted(0, muted)),
        1 => Just(Event::NotSwitched { device: 0, tried: "headset".into(), words: "x".into() }),
        1 => Just(Event::Played { tried: "headset".into(), used: "default".into() }),
        1 => Just(Event::DevicesChanged),
        1 => any::<bool>().prop_map(|more| found(if more { &["default", "headset"] } else { &["default"] })),
        1 => Just(Event::Level(9)),
        1 => Just(Event::Permission(Permission::Granted)),
    ];
    let step = prop_oneof![4 => event.prop_map(Step::Event), 1 => timer.prop_map(Step::Over)];
    (step, prop_oneof![6 => Just(0_u32), 1 => Just(1), 1 => Just(2)])
}

proptest! {
    #[test]
    fn in_any_order_of_events_every_accepted_call_ends_once_and_no_token_meets_a_call(
        steps in prop::collection::vec(any_step(), 0..120)
    ) {
        let mut machine = Machine::default();
        let (mut port, mut newest) = (0, 0);
        let mut devices: Vec<DeviceId> = Vec::new();
        let mut carrying: Option<DeviceId> = None;
        let mut live: Option<CallSid> = None;
        let mut later = 0;
        let story = std::iter::once((Step::Event(Event::Start), 0)).chain(steps);
        for (now, (step, back)) in (0_u64..).zip(story) {
            later = now + 1;
            let device = newest - back.min(newest);
            let mut asked = None;
            let commands;
            match step {
                Step::Over(timer) => commands = over(&mut machine, timer, now),
                Step::Event(event) => {
            let event = match event {
                Event::Message(_, message) => Event::Message(port, message),
                Event::Closed { alive, .. } => Event::Closed { port, alive },
                Event::DeviceFailed(_, e) => Event::DeviceFailed(device, e),
                Event::DeviceError(_, e) => Event::DeviceError(device, e),
                Event::CallMade(_) => Event::CallMade(device),
                Event::CallRefused(_, e) => Event::CallRefused(device, e),
                Event::Call(_, e) => Event::Call(device, e),
                Event::NoMicrophone(_, denied) => Event::NoMicrophone(device, denied),
                Event::SocketLost(_) => Event::SocketLost(device),
                Event::MicrophoneOpen(_, opened) => Event::MicrophoneOpen(device, opened),
                Event::MicrophoneMuted(_, muted) => Event::MicrophoneMuted(device, muted),
                Event::NotSwitched { tried, words, .. } => Event::NotSwitched { device, tried, words },
                Event::MicrophoneLost(_) => Event::MicrophoneLost(device),
                other => other,
            };
            match &event {
                Event::Message(_, ToOffscreen::Connect { call_sid, .. }) => asked = Some(call_sid.clone()),
                Event::DeviceFailed(failed, _) => devices.retain(|id| id != failed),
                _ => {}
            }
            commands = machine.handle(event, at(now));
                }
            }
            let mut answered = false;
            let mut hello = false;
            for command in commands {
                match command {
                    Command::Connect(id) => { port = id; hello = true; }
                    Command::Send(id, message) => {
                        prop_assert_eq!(id, port);
                        let is_hello = matches!(message, FromOffscreen::Hello { .. });
                        prop_assert_eq!(std::mem::take(&mut hello), is_hello);
                        match message {
                            FromOffscreen::Hello { call } => {
                                prop_assert_eq!(call.map(|call| call.sid), live.clone());
                            }
                            FromOffscreen::Call { call } => {
                                answered |= Some(&call.sid) == asked.as_ref();
                                prop_assert!(live.is_none() || live.as_ref() == Some(&call.sid));
                                live = Some(call.sid);
                            }
                            FromOffscreen::Ended { call_sid, .. } => {
                                answered |= Some(&call_sid) == asked.as_ref();
                                if live.as_ref() == Some(&call_sid) { live = None; }
                            }
                            _ => {}
                        }
                    }
                    Command::Build { device, .. } => {
                        prop_assert!(devices.iter().all(|id| *id < device) && carrying.is_none());
                        newest = device;
                        devices.push(device);
                    }
                    Command::Dial(id, _) => {
                        prop_assert!(devices.contains(&id));
                        prop_assert_eq!(carrying.replace(id), None);
                    }
                    Command::Destroy(id) => {
                        devices.retain(|device| *device != id);
                        carrying.take_if(|device| *device == id);
                    }
                    Command::Mute(id, _) | Command::SendDigits(id, _) => prop_assert_eq!(carrying, Some(id)),
                    _ => {}
                }
            }
            prop_assert!(asked.is_none() || answered || machine.link.is_away(), "a Connect is always answered");
            prop_assert!(devices.len() <= 1, "one device at a time");
            prop_assert_eq!(machine.live.is_some(), carrying.is_some());
            live = machine.live.as_ref().map(|live| live.sid.clone());
        }
        // However it stands: the timers alone bring every call to an end, except an open one nobody wants to end.
        let mut rig = rig::Rig::new(machine, at(later));
        rig.pass(60_000);
        if let Some(live) = rig.machine.live {
            prop_assert!(live.phase != CallPhase::Connecting && !live.hang_up && !live.over);
        }
    }

    #[test]
    fn no_command_shows_a_secret_when_it_is_printed(message in any_message()) {
        let mut document = Rig::started();
        let secrets = match &message {
            ToOffscreen::Prepare { .. } | ToOffscreen::Connect { .. } => {
                let canary = token("canary-token");
                match message.clone() {
                    ToOffscreen::Prepare { edge, .. } => ToOffscreen::Prepare { token: canary, edge },
                    ToOffscreen::Connect { call_sid, edge, tone, .. } => ToOffscreen::Connect {
                        call_sid, connect_token: canary.clone(), token: canary, edge, tone,
                    },
                    other => other,
                }
            }
            other => other.clone(),
        };
        let printed = format!("{:?} {:?}", document.told(secrets), document.machine);
        prop_assert!(!printed.contains("canary"));
    }
}
