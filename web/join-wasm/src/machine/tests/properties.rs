//! Any order of events.

use proptest::prelude::*;
use protocol::{
    video::{EndReason, Joined, Looked, Pulsed, Recording, SeatRole, VideoErrorCode, Waiting, WaitingWhy},
    video_window::ToVideoWindow,
};

use super::harness::*;
use crate::machine::{
    command::{Ask, Command},
    event::{Action, Answer, Event, Fault, Permission, Place, RemoteKind, RemoteTrack, RoomEvent},
    phase::Phase,
    track::{CaptureFault, Captured, DeviceKind, TrackId},
};

#[derive(Clone, Debug)]
enum Happening {
    Event(Event),
    Wait(u64),
    /// Whatever was asked longest ago is answered: well, or with a fault.
    Answer(Kind),
    /// The SDK says something of the attempt that was begun last.
    Joins(bool, Option<u32>),
    Room(RoomEvent),
    Gives(&'static str, Gives),
    /// What the browser was asked for and has not given comes now, or a capture ends.
    Comes,
    Ends(usize),
    Lock,
    Reload,
}

#[derive(Clone, Debug)]
enum Kind {
    Well { live: bool, waits: bool, ended: bool, turned: bool, consent: bool },
    Bad(Fault),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::Join),
        3 => Just(Action::Retry),
        1 => Just(Action::AskAgain),
        1 => Just(Action::SoundOnly),
        1 => Just(Action::WatchOnly),
        1 => any::<bool>().prop_map(Action::Consent),
        2 => Just(Action::ToggleCamera),
        3 => Just(Action::ToggleMicrophone),
        1 => proptest::option::of(Just("d2".to_owned())).prop_map(|id| Action::Choose(DeviceKind::Microphone, id)),
        1 => proptest::option::of(Just("d2".to_owned())).prop_map(|id| Action::Choose(DeviceKind::Camera, id)),
        1 => Just(Action::Flip),
        2 => Just(Action::ToggleShare),
        1 => Just(Action::Leave),
        1 => Just(Action::AskEnd),
        1 => Just(Action::End),
        1 => Just(Action::Admit("w1".into())),
        1 => Just(Action::UseHere),
        1 => Just(Action::CallIsOver),
        1 => Just(Action::Hear),
    ]
}

fn fault() -> impl Strategy<Value = CaptureFault> {
    prop_oneof![
        Just(CaptureFault::Refused),
        Just(CaptureFault::Missing),
        Just(CaptureFault::Busy),
        Just(CaptureFault::Other)
    ]
}

fn room_event() -> impl Strategy<Value = RoomEvent> {
    let sid = || prop_oneof![Just("PA1".to_owned()), Just("PA2".to_owned())];
    let kind = prop_oneof![Just(RemoteKind::Sound), Just(RemoteKind::Camera), Just(RemoteKind::Screen)];
    let code = prop_oneof![
        Just(None),
        Just(Some(20_104)),
        Just(Some(53_001)),
        Just(Some(53_118)),
        Just(Some(53_205)),
        Just(Some(53_216)),
    ];
    prop_oneof![
        2 => (1_u32..3, prop_oneof![Just("agent_x"), Just("customer_y"), Just("guest_z")])
            .prop_map(|(number, identity)| RoomEvent::Came(person(number, identity))),
        1 => sid().prop_map(RoomEvent::Went),
        1 => sid().prop_map(RoomEvent::Lost),
        1 => sid().prop_map(RoomEvent::Back),
        1 => sid().prop_map(RoomEvent::Bye),
        1 => (sid(), kind).prop_map(|(sid, kind)| {
            RoomEvent::Received(sid, RemoteTrack { sid: "MTnew".into(), kind, enabled: true })
        }),
        1 => Just(RoomEvent::Dropped("MTcamera1".into())),
        1 => Just(RoomEvent::Enabled("MTsound1".into(), false)),
        1 => proptest::option::of(sid()).prop_map(RoomEvent::Speaks),
        1 => (proptest::option::of(sid()), 0_u8..6).prop_map(|(sid, level)| RoomEvent::Quality(sid, level)),
        1 => Just(RoomEvent::Reconnecting(Some(53_001))),
        1 => Just(RoomEvent::Reconnected),
        1 => any::<bool>().prop_map(RoomEvent::Recording),
        3 => code.prop_map(RoomEvent::Disconnected),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let bad = prop_oneof![
        3 => Just(Fault::Unreachable),
        1 => Just(refused(VideoErrorCode::UnknownCode)),
        1 => Just(refused(VideoErrorCode::Ended)),
        1 => Just(refused(VideoErrorCode::RoomFull)),
        1 => Just(refused(VideoErrorCode::LinkUsed)),
        1 => Just(refused(VideoErrorCode::ConsentNeeded)),
        1 => Just(Fault::Refused { code: VideoErrorCode::RateLimited, retry_after: Some(3) }),
    ];
    let flags = (any::<bool>(), 0_u8..6, 0_u8..12, 0_u8..12, 0_u8..8);
    let well = flags.prop_map(|(live, waits, ended, turned, consent)| Kind::Well {
        live,
        waits: waits == 0,
        ended: ended == 0,
        turned: turned == 0,
        consent: consent == 0,
    });
    let event = prop_oneof![
        6 => action().prop_map(Event::Act),
        2 => any::<bool>().prop_map(|live| Event::Worker(ToVideoWindow::Call { live })),
        1 => prop_oneof![Just(CODE), Just(NEW_CODE)].prop_map(|code| Event::Worker(ToVideoWindow::Link {
            service: "https://tokens.acme.test".into(),
            link: code.into(),
        })),
        1 => Just(Event::LockLost),
        1 => Just(Event::PageHidden),
        2 => Just(Event::PageShown),
        1 => any::<bool>().prop_map(Event::Visible),
        1 => Just(Event::PortOpened),
        1 => Just(Event::PortClosed),
        1 => Just(Event::SoundBlocked),
        1 => (any::<bool>(), prop_oneof![
            Just(Permission::Granted), Just(Permission::Denied), Just(Permission::Prompt)
        ]).prop_map(|(camera, permission)| {
            Event::Permission(if camera { DeviceKind::Camera } else { DeviceKind::Microphone }, permission)
        }),
        1 => any::<bool>().prop_map(|both| {
            let mut devices = vec![device(DeviceKind::Camera, "c1"), device(DeviceKind::Microphone, "m1")];
            devices.truncate(if both { 2 } else { 1 });
            Event::Devices(devices)
        }),
        1 => (0_u32..9).prop_map(|track| Event::TrackEnded(TrackId(track))),
    ];
    let device = prop_oneof![Just("camera"), Just("microphone"), Just("screen"), Just("restart")];
    let gives = prop_oneof![2 => Just(Gives::Yes), 1 => fault().prop_map(Gives::No), 1 => Just(Gives::Later)];
    prop_oneof![
        8 => event.prop_map(Happening::Event),
        5 => prop_oneof![Just(0_u64), Just(150), Just(1_000), Just(6_000), Just(31_000)].prop_map(Happening::Wait),
        8 => prop_oneof![4 => well, 1 => bad.prop_map(Kind::Bad)].prop_map(Happening::Answer),
        5 => (0_u8..5, prop_oneof![Just(None), Just(Some(53_105)), Just(Some(20_104))])
            .prop_map(|(no, code)| Happening::Joins(no != 0, code)),
        4 => room_event().prop_map(Happening::Room),
        2 => (device, gives).prop_map(|(device, gives)| Happening::Gives(device, gives)),
        2 => Just(Happening::Comes),
        1 => (0_usize..3).prop_map(Happening::Ends),
        3 => Just(Happening::Lock),
        1 => Just(Happening::Reload),
    ]
}

/// What was told of the agent's call.
#[derive(Default)]
struct Told {
    by_worker: bool,
    live: bool,
}

fn answer(world: &mut World, kind: Kind, told: &mut Told) {
    if world.open.is_empty() {
        return;
    }
    let (request, _, ask) = world.open.remove(0);
    let (live, waits, ended, turned, consent) = match kind {
        Kind::Bad(fault) => return world.event(Event::Failed(request, fault)),
        Kind::Well { live, waits, ended, turned, consent } => (live, waits, ended, turned, consent),
    };
    let window = matches!(world.rig.machine.setup().place, Place::Window(_));
    let ended = ended.then_some(EndReason::TaskOver);
    let answer = match ask {
        Ask::Look(_) => Answer::Looked(Looked {
            role: if live { SeatRole::Agent } else { SeatRole::Customer },
            organisation: String::new(),
            agent: "Ada".into(),
            recording: if consent { Recording::Asking } else { Recording::Off },
            seated: false,
            ended,
        }),
        Ask::Join(_) => {
            let role = if window || live { SeatRole::Agent } else { SeatRole::Customer };
            // Only what is new to the page counts: it has a worker, or it was told before.
            let flying = world.rig.machine.has_flight(crate::machine::Purpose::Main);
            if flying && role == SeatRole::Agent && world.rig.machine.call_live.is_none() {
                told.live |= live && !told.by_worker;
            }
            Answer::Joined(Joined {
                seat: SEAT.into(),
                role,
                admission: (!waits).then(admission),
                waiting: waits.then_some(WaitingWhy::Knock),
                call_live: live,
            })
        }
        Ask::Pulse(_) | Ask::Admit(_) | Ask::End(_) => Answer::Pulsed(Pulsed {
            admission: (!waits).then(admission),
            turned_away: turned,
            others_waiting: vec![Waiting { id: "w1".into(), why: WaitingWhy::Knock }],
            seconds: Some(5),
            ended,
            next: 5,
            ..Pulsed::default()
        }),
    };
    world.event(Event::Answered(request, answer));
}

fn happens(world: &mut World, happening: Happening, told: &mut Told) {
    match happening {
        Happening::Event(event) => {
            if let Event::Worker(ToVideoWindow::Call { live }) = event {
                // A tab has no worker.
                if matches!(world.rig.machine.setup().place, Place::Link(_)) {
                    return;
                }
                (told.by_worker, told.live) = (true, live);
            }
            if matches!(event, Event::Act(Action::CallIsOver))
                && world.rig.machine.held() == Some(crate::machine::Held::CallOfOld)
            {
                told.live = false;
            }
            if let Event::TrackEnded(track) = event {
                // A browser says it of what runs.
                if !matches!(world.captures.get(&track), Some(Capture::Running(_))) {
                    return;
                }
                world.captures.remove(&track);
            }
            world.event(event);
        }
        Happening::Wait(millis) => world.pass(millis),
        Happening::Answer(kind) => answer(world, kind, told),
        Happening::Joins(yes, code) => {
            if world.rooms == world.entered {
                return;
            }
            if yes { world.up(vec![person(1, "agent_x")]) } else { world.not_up(code) }
        }
        Happening::Room(event) => {
            if world.rooms.last().is_some_and(|attempt| world.entered.contains(attempt)) {
                world.room_event(event);
            }
        }
        Happening::Gives(device, gives) => {
            world.gives.insert(device, gives);
        }
        Happening::Comes => {
            let starting: Vec<(TrackId, DeviceKind)> = world
                .captures
                .iter()
                .filter_map(|(track, capture)| match capture {
                    Capture::Starting(kind) => Some((*track, *kind)),
                    Capture::Running(_) => None,
                })
                .collect();
            for (track, kind) in starting {
                world.captures.insert(track, Capture::Running(kind));
                let came = Some(Captured { track, device: "d1".into() });
                world.event(match kind {
                    DeviceKind::Camera => Event::Captured { camera: came, microphone: None },
                    DeviceKind::Microphone => Event::Captured { camera: None, microphone: came },
                    DeviceKind::Speaker => Event::ScreenCaptured(track),
                });
            }
        }
        Happening::Ends(at) => {
            let running: Vec<TrackId> = world.captures.keys().copied().collect();
            if let Some(track) = running.get(at).copied()
                && matches!(world.captures.get(&track), Some(Capture::Running(_)))
            {
                world.captures.remove(&track);
                world.event(Event::TrackEnded(track));
            }
        }
        Happening::Lock => world.event(Event::Locked(world.kept.clone())),
        Happening::Reload => {
            world.event(Event::PageHidden);
            *world = world.reloaded();
            *told = Told::default();
        }
    }
}

fn check(world: &mut World, told: &Told) -> Result<(), TestCaseError> {
    let machine = &world.rig.machine;
    let is_agent = machine.role() == Some(SeatRole::Agent);
    if is_agent && told.live {
        let microphone =
            world.captures.values().any(|it| matches!(it, Capture::Running(DeviceKind::Microphone)));
        prop_assert!(!microphone, "a microphone runs while a call is live");
    }
    if matches!(machine.phase(), Phase::End(_)) || machine.hidden {
        prop_assert!(world.is_dark(), "{:?} in {:?}", world.captures, machine.phase());
    }
    prop_assert!(world.rooms.len() <= 1 || machine.closing.is_some(), "in two rooms at once");
    let view = world.view();
    for video in view.videos() {
        prop_assert!(machine.source(video.track).is_some(), "a picture of nothing");
    }
    let shown = format!("{view:?}");
    for secret in
        [CODE, NEW_CODE, SEAT, TOKEN, "CH1-secret", "customer_me", "agent_x", "PA1", "MTcamera", KEY]
    {
        prop_assert!(!shown.contains(secret), "{secret} is shown");
    }
    let ordered = world.ordered();
    let told = format!("{ordered:?} {machine:?}", machine = world.rig.machine.phase());
    for secret in [SEAT, TOKEN] {
        prop_assert!(!told.contains(secret), "{secret} is in a Debug line");
    }
    Ok(())
}

/// Everything works, and a person does what the page says.
fn get_in(world: &mut World, told: &mut Told) {
    let window = matches!(world.rig.machine.setup().place, Place::Window(_));
    world.gives.clear();
    world.event(Event::PageShown);
    for _ in 0..12 {
        world.act(Action::Consent(true));
        if matches!(world.rig.machine.phase(), Phase::End(_)) {
            world.act(Action::UseHere);
            world.act(Action::Retry);
            if window {
                world.event(Event::Worker(ToVideoWindow::Link {
                    service: "https://tokens.acme.test".into(),
                    link: CODE.into(),
                }));
            }
        }
        world.event(Event::Locked(world.kept.clone()));
        world.act(Action::Join);
        while !world.open.is_empty() {
            let well = Kind::Well { live: false, waits: false, ended: false, turned: false, consent: false };
            answer(world, well, told);
        }
        if world.rooms != world.entered {
            world.up(vec![]);
        }
        if world.rooms.last().is_some() {
            world.room_event(RoomEvent::Reconnected);
        }
        world.pass(31_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn in_any_order_of_events_no_light_stays_on_no_secret_is_shown_and_a_call_has_the_only_microphone(
        window in any::<bool>(),
        happenings in proptest::collection::vec(happening(), 0..60),
    ) {
        let place = if window { Place::Window(KEY.into()) } else { Place::Link(CODE.into()) };
        let mut world = World::new(setup(place));
        world.start();
        let mut told = Told::default();
        for happening in happenings {
            happens(&mut world, happening, &mut told);
            check(&mut world, &told)?;
        }
    }

    #[test]
    fn after_another_page_has_taken_over_nothing_is_asked_before_a_person_says_so(
        before in proptest::collection::vec(happening(), 0..30),
        after in proptest::collection::vec(happening(), 0..30),
    ) {
        let mut world = World::joined();
        let mut told = Told::default();
        for happening in before {
            happens(&mut world, happening, &mut told);
        }
        get_in(&mut world, &mut told);
        world.room_event(RoomEvent::Disconnected(Some(53_205)));
        world.ordered();
        world.open.clear();
        for happening in after {
            let by_hand = matches!(
                happening,
                Happening::Event(Event::Act(_) | Event::Worker(ToVideoWindow::Link { .. })) | Happening::Reload
            );
            if !by_hand {
                happens(&mut world, happening, &mut told);
            }
            for command in world.ordered() {
                let goes_back = matches!(command, Command::Ask { .. } | Command::Connect { .. } | Command::Lock { .. });
                prop_assert!(!goes_back, "{command:?}");
            }
        }
    }

    #[test]
    fn whatever_happened_before_a_person_who_wants_in_gets_in_once_everything_works(
        window in any::<bool>(),
        happenings in proptest::collection::vec(happening(), 0..60),
    ) {
        let place = if window { Place::Window(KEY.into()) } else { Place::Link(CODE.into()) };
        let mut world = World::new(setup(place));
        world.start();
        let mut told = Told::default();
        for happening in happenings {
            happens(&mut world, happening, &mut told);
        }
        get_in(&mut world, &mut told);
        prop_assert!(world.is_up(), "{:?}", world.rig.machine.phase());
    }
}
