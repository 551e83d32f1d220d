//! Any order of events, in a world that obeys, refuses or ignores.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a test's own, a few hundred of them")]
enum Happening {
    Event(Event),
    Wait(u64),
    Activity(&'static str),
    VoiceTask(bool),
    Pending(bool),
    Active(ActiveCall),
    Obeys(bool),
    Slow(bool),
    Others(&'static str),
    TakesCalls(bool),
    Offline(bool),
    Session(FlexSession),
    Reservation(Option<bool>),
}

fn client_state() -> impl Strategy<Value = ClientState> {
    let live = proptest::option::of((any::<bool>(), any::<bool>()));
    let status = prop_oneof![
        Just(Status::WaitingForToken),
        Just(Status::Registering),
        Just(Status::Registered),
        Just(Status::Reconnecting),
        Just(Status::Failed)
    ];
    (0_u32..4, status, any::<bool>(), live, any::<bool>()).prop_map(
        |(version, status, registered, live, failed)| ClientState {
            protocol_version: version,
            status,
            registered,
            call: live.map(|(other, muted)| CallView { muted, ..call(if other { OTHER_SID } else { SID }) }),
            problem: failed.then(|| problem(ProblemCode::GatewayUnavailable, true)),
            ..ClientState::default()
        },
    )
}

fn happening() -> impl Strategy<Value = Happening> {
    let message = prop_oneof![
        4 => (client_state(), proptest::option::of(any::<bool>()), 0_u8..8).prop_map(|(state, error, who)| {
            let identity = if who == 0 { "ext_another" } else { "ext_agent" };
            ToPage::Heartbeat { payload: Heartbeat { voice_client_identity: identity.into(), error, state } }
        }),
        2 => proptest::option::of(client_state()).prop_map(|payload| ToPage::Configured { payload }),
        1 => client_state().prop_map(|payload| ToPage::State { payload }),
        1 => Just(ToPage::Disconnected),
        1 => Just(ToPage::ConfigRejected { payload: None }),
        1 => Just(ToPage::Error { payload: ErrorReply::new(None, ProblemCode::NotConfigured, "") }),
    ];
    prop_oneof![
        6 => message.prop_map(|m| Happening::Event(Event::Message(m))),
        4 => (1_u64..40).prop_map(|n| Happening::Wait(n * 500)),
        2 => prop_oneof![
            Just(Event::TokenUpdated),
            Just(Event::HangUp),
            any::<bool>().prop_map(Event::Mute),
            Just(Event::ToggleMute),
            "[0-9a-é]{0,40}".prop_map(Event::Digits),
            any::<bool>().prop_map(|ok| Event::ContactUriSet { ok }),
            any::<bool>().prop_map(|took| Event::CallInstalled { took }),
            Just(Event::Refused(Intent::AcceptCall)),
            Just(Event::LogOut),
            Just(Event::LogOutFailed),
            Just(Event::Expect(Coming::Outbound)),
            Just(Event::Expect(Coming::Reservation(Some("WR1".into())))),
            Just(Event::ChooseDevice(AudioKind::Speaker, None)),
            any::<u8>().prop_map(Event::ChooseVolume),
        ].prop_map(Happening::Event),
        1 => prop_oneof![Just("Available"), Just("Break"), Just("Voice Client Offline"), Just("Training")]
            .prop_map(Happening::Activity),
        1 => any::<bool>().prop_map(Happening::VoiceTask),
        1 => any::<bool>().prop_map(Happening::Pending),
        1 => prop_oneof![Just(ActiveCall::None), Just(ActiveCall::Foreign)].prop_map(Happening::Active),
        1 => any::<bool>().prop_map(Happening::Obeys),
        1 => any::<bool>().prop_map(Happening::Slow),
        2 => prop_oneof![Just("{}"), Just(r#"{"a":1}"#), Just(r#"{"a":2}"#)].prop_map(Happening::Others),
        1 => any::<bool>().prop_map(Happening::TakesCalls),
        1 => any::<bool>().prop_map(Happening::Offline),
        1 => prop_oneof![3 => Just(FlexSession::Live), 1 => Just(FlexSession::LoggedOut), 1 => Just(FlexSession::Ended)]
            .prop_map(Happening::Session),
        1 => proptest::option::of(any::<bool>()).prop_map(Happening::Reservation),
    ]
}

/// The agent is signed in, whatever was.
fn sign_in(page: &mut Rig) {
    page.set_flex(|flex| (flex.offline, flex.session) = (false, FlexSession::Live));
    page.send(Event::LogOutFailed);
}

/// One thing happens; whatever is ordered because of it is checked against what the world was like.
fn happens(page: &mut Rig, happening: Happening) {
    match happening {
        Happening::Event(event) => page.send(event),
        Happening::Wait(millis) => page.pass(millis, None),
        Happening::Activity(name) => page.set_flex(|flex| flex.activity = Some(activity(name))),
        Happening::VoiceTask(live) => page.set_flex(|flex| {
            flex.voice_task =
                live.then(|| VoiceTask { worker_call_sid: Some(SID.into()), ..VoiceTask::default() });
        }),
        Happening::Pending(pending) => page.set_flex(|flex| flex.reservation_pending = pending),
        Happening::Active(call) => page.set_flex(|flex| flex.active_call = call),
        Happening::Obeys(obeys) => page.obeys = obeys,
        Happening::Slow(slow) => page.slow = slow,
        Happening::Others(json) => page.set_flex(|flex| flex.other_attributes = json.into()),
        Happening::TakesCalls(takes) => page.takes_calls = takes,
        Happening::Offline(offline) => page.set_flex(|flex| flex.offline = offline),
        Happening::Session(session) => page.set_flex(|flex| flex.session = session),
        Happening::Reservation(accepted) => page.set_flex(|flex| {
            flex.voice_reservations = accepted
                .map(|accepted| VoiceReservation {
                    sid: "WR1".into(),
                    task_sid: "WT1".into(),
                    accepted,
                    reason: ExpectReason::Reservation,
                })
                .into_iter()
                .collect();
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_any_order_of_events_nothing_is_done_that_must_not_be(
        happenings in proptest::collection::vec(happening(), 0..60)
    ) {
        let mut page = Rig::new(boot());
        page.ordered(); // the first hello
        let mut placed = false;
        let mut taken_over = 0;
        for happening in happenings {
            let single = !matches!(happening, Happening::Wait(_));
            let live_task = page.flex.voice_task.is_some() && !matches!(happening, Happening::VoiceTask(false));
            let available = match happening {
                Happening::Activity(name) => activity(name).available,
                _ => page.flex.activity.as_ref().unwrap().available,
            };
            let was_out = page.machine.session.signed_out().is_some();
            happens(&mut page, happening);
            let mut moves = 0;
            for command in page.ordered() {
                match command {
                    Command::Post(ToExtension::Configure { .. }) | Command::PostToken(_) => {
                        let gone = single && was_out && page.machine.session.signed_out().is_some();
                        prop_assert!(!gone, "an extension was greeted after the agent had signed out");
                    }
                    Command::Post(ToExtension::ExpectCalls { payload }) => {
                        let ids: std::collections::BTreeSet<_> = payload.calls.iter().map(|one| &one.id).collect();
                        prop_assert_eq!(ids.len(), payload.calls.len(), "one call under two names");
                    }
                    Command::SetActivity(sid) => {
                        moves += 1;
                        prop_assert!(!live_task, "the activity was changed during a call");
                        prop_assert!(!single || available || sid != "WA3", "an agent on a break was moved");
                        prop_assert!(sid != "WA2", "a break is the agent's own choice");
                    }
                    Command::InstallCall(_) => placed = true, // `Rig` refuses to replace Flex's own call.
                    Command::RemoveCall => {
                        prop_assert!(placed, "a call was removed that was never there");
                        placed = false;
                    }
                    Command::ShowMute(_) | Command::ShowPhase(_) => prop_assert!(placed),
                    Command::Post(
                        message @ (ToExtension::HangUp { .. }
                        | ToExtension::SendDigits { .. }
                        | ToExtension::SetMute { .. }),
                    ) => prop_assert!(placed, "{message:?} without a call"),
                    Command::TakeOverActions => taken_over += 1,
                    Command::SetContactUri { uri, .. } => {
                        prop_assert!(uri == OURS || uri == "client:agent", "{uri}");
                    }
                    _ => {}
                }
            }
            prop_assert!(!single || moves <= 2, "moved {moves} times at once");
        }
        prop_assert!(taken_over <= 1);
    }

    #[test]
    fn whatever_happened_before_a_minute_of_good_heartbeats_puts_everything_right(
        happenings in proptest::collection::vec(happening(), 0..60),
        muted in any::<bool>(),
    ) {
        let mut page = Rig::new(boot());
        for happening in happenings {
            happens(&mut page, happening);
        }
        (page.obeys, page.slow, page.takes_calls) = (true, false, true);
        page.set_flex(|flex| {
            flex.active_call = ActiveCall::None;
            flex.voice_task = None;
            flex.reservation_pending = false;
        });
        sign_in(&mut page);
        // Everything is quiet for longer than the slowest retry, then a call comes.
        page.send(configured());
        page.pass(310_000, Some(&heartbeat(state(None))));
        prop_assert_eq!(page.status(), "Voice: ready");
        prop_assert_eq!(page.flex.contact_uri.as_deref(), Some(OURS));
        prop_assert!(!page.machine.refuses(&Intent::AcceptCall, page.now));
        prop_assert_eq!(page.flex.active_call, ActiveCall::None);
        let live = CallView { muted, ..call(SID) };
        page.pass(4_000, Some(&heartbeat(state(Some(live)))));
        prop_assert_eq!(page.flex.active_call, ActiveCall::Ours);
        prop_assert!(page.status().starts_with("Voice: on a call"), "{}", page.status());
        page.ordered();
        page.send(Event::ToggleMute);
        let ordered = page.ordered();
        prop_assert!(ordered.contains(&Command::ShowMute(!muted)), "{:?}", ordered);
    }

    #[test]
    fn a_worker_who_is_not_enabled_sees_at_most_the_own_address_again(
        happenings in proptest::collection::vec(happening(), 0..40)
    ) {
        let start = FlexView { enabled: false, contact_uri: Some(OURS.into()), ..flex("Available") };
        let mut page = Rig::new(Boot { flex: start, ..boot() });
        for happening in happenings {
            happens(&mut page, happening);
        }
        for command in page.ordered() {
            prop_assert_eq!(command, set_contact("client:agent"));
        }
    }

    #[test]
    fn whatever_was_lost_before_the_next_heartbeat_makes_flex_show_what_the_extension_has(
        happenings in proptest::collection::vec(happening(), 0..60),
        live in proptest::option::of((any::<bool>(), any::<bool>(), any::<bool>())),
    ) {
        let mut page = Rig::new(boot());
        for happening in happenings {
            happens(&mut page, happening);
        }
        (page.obeys, page.slow, page.takes_calls) = (true, false, true);
        page.set_flex(|flex| (flex.active_call, flex.voice_task) = (ActiveCall::None, None));
        let truth = live.map(|(other, muted, open)| CallView {
            muted,
            state: if open { CallPhase::Open } else { CallPhase::Reconnecting },
            ..call(if other { OTHER_SID } else { SID })
        });
        sign_in(&mut page);
        page.ordered();
        page.send(configured());
        // The newest mute of the agent is held against late reports for as long as one may be late.
        page.pass(lifeline::mute::HOLD_MS + 500, Some(&heartbeat(state(truth.clone()))));
        page.pass(1_000, Some(&heartbeat(state(truth.clone()))));
        let shown = page.machine.call.shown();
        prop_assert_eq!(shown, truth.as_ref().map(|call| (call.state, call.muted)));
        prop_assert_eq!(page.machine.call.sid(), truth.as_ref().map(|call| call.sid.as_str()));
        let in_store = page.flex.active_call == ActiveCall::Ours;
        prop_assert!(!in_store || truth.is_some(), "a call that is over is still shown");
    }

    #[test]
    fn contact_uri_is_never_left_pointing_at_a_client_that_is_gone(
        happenings in proptest::collection::vec(happening(), 0..60),
        end in 0_u8..3,
    ) {
        let mut page = Rig::new(boot());
        for happening in happenings {
            happens(&mut page, happening);
        }
        (page.obeys, page.slow) = (true, false);
        sign_in(&mut page);
        match end {
            0 => page.send(Event::Message(ToPage::Disconnected)),
            1 => page.send(Event::Message(ToPage::ConfigRejected { payload: None })),
            _ => {} // Chrome was killed, or the tab is in another browser: nobody says a word.
        }
        page.pass(240_000, None);
        prop_assert_ne!(page.flex.contact_uri.as_deref(), Some(OURS));
    }

    #[test]
    fn an_attribute_that_is_taken_away_ends_everything_however_it_stood(
        happenings in proptest::collection::vec(happening(), 0..60)
    ) {
        let mut page = Rig::new(boot());
        for happening in happenings {
            happens(&mut page, happening);
        }
        (page.obeys, page.slow) = (true, false);
        page.set_flex(|flex| (flex.enabled, flex.voice_task) = (false, None));
        page.pass(120_000, None);
        prop_assert_ne!(page.flex.contact_uri.as_deref(), Some(OURS));
        prop_assert_ne!(page.flex.active_call, ActiveCall::Ours);
        prop_assert!(!page.machine.refuses(&Intent::AcceptCall, page.now));
        page.ordered();
        page.pass(120_000, Some(&heartbeat(state(Some(call(SID))))));
        prop_assert_eq!(page.ordered(), []);
    }
    #[test]
    fn in_any_order_of_events_no_call_is_sent_to_another_agents_client_and_none_of_theirs_is_shown(
        happenings in proptest::collection::vec(happening(), 0..60)
    ) {
        let mut page = Rig::new(boot());
        for happening in happenings {
            let theirs = matches!(
                &happening,
                Happening::Event(Event::Message(ToPage::Heartbeat { payload }))
                    if payload.voice_client_identity == "ext_another"
            );
            happens(&mut page, happening);
            prop_assert_ne!(page.flex.contact_uri.as_deref(), Some("client:ext_another"));
            if theirs && page.machine.lifeline.is_up(page.now) {
                prop_assert!(page.machine.refuses(&Intent::AcceptCall, page.now));
                prop_assert!(!page.machine.call.is_live());
            }
        }
    }

    #[test]
    fn whoever_signs_out_is_signed_out_at_the_extension_and_whoever_is_back_is_greeted(
        happenings in proptest::collection::vec(happening(), 0..60),
        offline in any::<bool>(),
    ) {
        let mut page = Rig::new(boot());
        for happening in happenings {
            happens(&mut page, happening);
        }
        (page.obeys, page.slow, page.takes_calls) = (true, false, true);
        sign_in(&mut page);
        page.set_flex(|flex| {
            (flex.active_call, flex.voice_task) = (ActiveCall::None, None);
            flex.reservation_pending = false;
        });
        page.send(configured());
        page.send(heartbeat(newest(None)));
        page.ordered();
        if offline {
            page.set_flex(|flex| (flex.activity, flex.offline) = (Some(activity("Break")), true));
        } else {
            page.send(Event::LogOut);
        }
        let ordered = page.ordered();
        let said = posts(&ordered);
        prop_assert_eq!(said.iter().filter(|one| **one == "VOICE_CLIENT_EXTENSION_SIGN_OUT").count(), 1);
        sign_in(&mut page);
        prop_assert_eq!(posts(&page.ordered()), [CONFIGURE]);
    }
}
