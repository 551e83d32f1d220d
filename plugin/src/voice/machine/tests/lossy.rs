//! The plugin and an extension with a channel between them that loses, doubles and delays what they say.
//!
//! The extension here does what the real one does as far as a page can see it: it serves only a page that has said
//! CONFIGURE, registers with a Flex token, beats every second while it is registered, and forgets everything when it is
//! replaced.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// What the channel does with the next message.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    IsLost,
    ComesTwice,
    /// Comes after whatever is said next.
    IsLate,
}

#[derive(Clone, Debug)]
enum Happening {
    Passes(u64),
    CallComes(bool),
    CallEnds,
    PhaseIs(CallPhase),
    MutedInThePopup(bool),
    AgentMutes,
    AgentHangsUp,
    RegistrationIs(bool),
    /// The extension is gone; the content script may still have said so.
    Goes,
    Returns,
}

/// The extension, as a page can see it.
#[derive(Debug, Default)]
struct Extension {
    here: bool,
    serves: bool,
    registered: bool,
    call: Option<CallView>,
}

impl Extension {
    fn state(&self) -> ClientState {
        ClientState {
            registered: self.registered,
            status: if self.registered { Status::Registered } else { Status::WaitingForToken },
            ..state(self.call.clone())
        }
    }

    /// Takes a message of the page's; says what it answers.
    fn hear(&mut self, message: &ToExtension) -> Option<ToPage> {
        if !self.here {
            return None;
        }
        match message {
            ToExtension::Configure { .. } => {
                self.serves = true;
                return Some(ToPage::Configured { payload: Some(self.state()) });
            }
            _ if !self.serves => {
                let name = Some(message.name());
                return Some(ToPage::Error {
                    payload: ErrorReply::new(name, ProblemCode::NotConfigured, ""),
                });
            }
            ToExtension::FlexToken { .. } => self.registered = true,
            ToExtension::HangUp { payload } => {
                let named = payload.as_ref().map(|one| &one.call_sid);
                if named.is_none() || named == self.call.as_ref().map(|call| &call.sid) {
                    self.call = None;
                }
            }
            ToExtension::SetMute { payload } => {
                if let Some(call) = &mut self.call {
                    call.muted = payload.muted;
                }
            }
            _ => {}
        }
        None
    }
}

struct World {
    page: Rig,
    extension: Extension,
    fates: VecDeque<Fate>,
    late: Vec<ToPage>,
    late_to_extension: Vec<ToExtension>,
}

impl World {
    fn new(fates: Vec<Fate>) -> Self {
        let extension = Extension { here: true, ..Extension::default() };
        let fates = fates.into();
        let late_to_extension = Vec::new();
        let mut world =
            Self { page: Rig::new(boot()), extension, fates, late: Vec::new(), late_to_extension };
        world.carry();
        world
    }

    fn fate(&mut self) -> Fate {
        self.fates.pop_front().unwrap_or(Fate::Arrives)
    }

    /// Carries what the page has ordered to the extension, and its answers back, until both are silent.
    fn carry(&mut self) {
        loop {
            let said: Vec<ToExtension> = self.page.ordered().into_iter().filter_map(message).collect();
            if said.is_empty() {
                return;
            }
            for message in said {
                let late = std::mem::take(&mut self.late_to_extension);
                match self.fate() {
                    Fate::IsLost => {}
                    Fate::IsLate => self.late_to_extension.push(message),
                    Fate::Arrives => self.give(&message),
                    Fate::ComesTwice => {
                        self.give(&message);
                        self.give(&message);
                    }
                }
                late.iter().for_each(|message| self.give(message));
            }
        }
    }

    fn give(&mut self, message: &ToExtension) {
        if let Some(answer) = self.extension.hear(message) {
            self.tell(answer);
        }
    }

    /// The extension says something to the page.
    fn tell(&mut self, message: ToPage) {
        let late = std::mem::take(&mut self.late);
        match self.fate() {
            Fate::IsLost => {}
            Fate::IsLate => self.late.push(message),
            Fate::Arrives => self.page.send(Event::Message(message)),
            Fate::ComesTwice => {
                self.page.send(Event::Message(message.clone()));
                self.page.send(Event::Message(message));
            }
        }
        for message in late {
            self.page.send(Event::Message(message));
        }
    }

    fn pass(&mut self, half_seconds: u64) {
        for step in 0..half_seconds {
            self.page.pass(500, None);
            self.carry();
            let extension = &self.extension;
            if step % 2 == 0 && extension.here && extension.serves && extension.registered {
                let payload = Heartbeat {
                    voice_client_identity: "ext_agent".into(),
                    error: None,
                    state: extension.state(),
                };
                self.tell(ToPage::Heartbeat { payload });
                self.carry();
            }
        }
    }

    fn happens(&mut self, happening: &Happening) {
        match happening {
            Happening::Passes(half_seconds) => self.pass(*half_seconds),
            Happening::CallComes(other) if self.extension.registered && self.extension.call.is_none() => {
                self.extension.call = Some(call(if *other { OTHER_SID } else { SID }));
            }
            Happening::CallComes(_) => {}
            Happening::CallEnds => self.extension.call = None,
            Happening::PhaseIs(phase) => {
                self.extension.call.iter_mut().for_each(|call| call.state = *phase);
            }
            Happening::MutedInThePopup(muted) => {
                self.extension.call.iter_mut().for_each(|call| call.muted = *muted);
            }
            Happening::AgentMutes => self.page.send(Event::ToggleMute),
            Happening::AgentHangsUp => self.page.send(Event::HangUp),
            Happening::RegistrationIs(registered) => {
                self.extension.registered = *registered && self.extension.serves;
            }
            Happening::Goes => {
                if self.extension.here {
                    self.extension = Extension::default();
                    self.tell(ToPage::Disconnected);
                }
            }
            Happening::Returns => self.extension.here = true,
        }
        self.carry();
    }

    /// From now on the channel is good; what was late comes first.
    fn heal(&mut self) {
        self.fates.clear();
        for message in std::mem::take(&mut self.late_to_extension) {
            self.give(&message);
        }
        for message in std::mem::take(&mut self.late) {
            self.page.send(Event::Message(message));
        }
        self.carry();
    }
}

/// What a command says to the extension.
fn message(command: Command) -> Option<ToExtension> {
    match command {
        Command::Post(message) => Some(message),
        Command::PostToken(account_sid) => Some(ToExtension::FlexToken {
            payload: FlexToken {
                token: Secret::new("token".to_owned()),
                account_sid,
                expiration: "2030-01-01T00:00:00Z".into(),
                agent_identity: None,
            },
        }),
        _ => None,
    }
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        3 => Just(Fate::Arrives),
        3 => Just(Fate::IsLost),
        1 => Just(Fate::ComesTwice),
        2 => Just(Fate::IsLate),
    ];
    proptest::collection::vec(fate, 0..300)
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (1_u64..30).prop_map(Happening::Passes),
        3 => any::<bool>().prop_map(Happening::CallComes),
        1 => Just(Happening::CallEnds),
        1 => prop_oneof![Just(CallPhase::Open), Just(CallPhase::Reconnecting)].prop_map(Happening::PhaseIs),
        1 => any::<bool>().prop_map(Happening::MutedInThePopup),
        1 => Just(Happening::AgentMutes),
        1 => Just(Happening::AgentHangsUp),
        1 => any::<bool>().prop_map(Happening::RegistrationIs),
        1 => Just(Happening::Goes),
        2 => Just(Happening::Returns),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_lost_delayed_or_doubled_flex_ends_where_the_extension_is(
        fates in fates(),
        happenings in proptest::collection::vec(happening(), 0..40),
        gone in any::<bool>(),
    ) {
        let mut world = World::new(fates);
        for happening in &happenings {
            world.happens(happening);
        }
        if gone {
            world.extension = Extension::default(); // without a word
        } else {
            world.extension.here = true;
        }
        world.heal();
        world.pass(80);
        let (flex, shown) = (&world.page.flex, world.page.machine.call.shown());
        if gone {
            prop_assert_eq!(flex.contact_uri.as_deref(), Some("client:agent"), "calls go to nobody");
            prop_assert_eq!(flex.active_call, ActiveCall::None);
            prop_assert_eq!(world.page.activity(), "Voice Client Offline");
        } else {
            let truth = world.extension.call.as_ref();
            prop_assert!(world.extension.registered, "the token was not given again");
            prop_assert_eq!(flex.contact_uri.as_deref(), Some(OURS));
            prop_assert_eq!(world.page.machine.call.sid(), truth.map(|call| call.sid.as_str()));
            prop_assert_eq!(shown, truth.map(|call| (call.state, call.muted)));
            let in_store = if truth.is_some() { ActiveCall::Ours } else { ActiveCall::None };
            prop_assert_eq!(flex.active_call, in_store);
            let expected = if truth.is_some() { "Voice: on a call" } else { "Voice: ready" };
            prop_assert!(truth.is_some_and(|call| call.state != CallPhase::Open)
                || world.page.status().starts_with(expected), "{}", world.page.status());
        }
    }
}
