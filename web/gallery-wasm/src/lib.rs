//! Every screen of the page of a call in its states, for people and for tests. It is built by tests alone, and nothing of it ships.

#![cfg(target_arch = "wasm32")]

use std::{cell::RefCell, rc::Rc};

use join_wasm::{
    draw,
    machine::{
        event::Action,
        track::{DeviceKind, TrackId},
    },
    view::{
        Banner, Busy, Button, Check, ConsentView, Knock, Menu, Note, Notice, NoticeKind, PersonView,
        Presence, QualityWord, Question, RecordingView, Room, Screen, Tile, TileKey, Toggle, Tone, Trouble,
        Video, View, WaitingView,
    },
};
use messages::Language;
use wasm_bindgen::prelude::wasm_bindgen;

thread_local! {
    static SHOW: Box<dyn Fn(View)> = draw::mount(Rc::new(|action| {
        ACTED.with_borrow_mut(|acted| acted.push(format!("{action:?}")));
    }));
    static ACTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The names of all states.
#[wasm_bindgen]
#[must_use]
pub fn states() -> Vec<String> {
    console_error_panic_hook::set_once();
    STATES.iter().map(|state| (*state).to_owned()).collect()
}

/// What was pressed so far.
#[wasm_bindgen]
#[must_use]
pub fn acted() -> Vec<String> {
    ACTED.with_borrow(Clone::clone)
}

/// Shows one, in place of the one before.
#[wasm_bindgen]
pub fn show(state: &str, spanish: bool) {
    let say = Say { spanish };
    let view = View {
        language: if spanish { Language::Spanish } else { Language::English },
        title: say.say("Video call", "Videollamada"),
        screen: say.screen(state),
        notes: match state {
            "room-notes" => vec![
                Note {
                    number: 1,
                    text: say.say("Ada has joined.", "Ada ha entrado.").into(),
                    urgent: false,
                    drawn: true,
                },
                Note {
                    number: 2,
                    text: say
                        .say(
                            "The connection is lost. Trying again.",
                            "Se ha perdido la conexión. Lo estamos intentando de nuevo.",
                        )
                        .into(),
                    urgent: true,
                    drawn: true,
                },
            ],
            _ => Vec::new(),
        },
    };
    SHOW.with(|show| show(view));
}

const STATES: &[&str] = &[
    "busy",
    "check",
    "check-refused",
    "check-consent",
    "consent",
    "waiting",
    "room-alone",
    "room-two",
    "room-notes",
    "room-lost",
    "room-share",
    "room-four",
    "room-agent",
    "room-question",
    "over",
    "trouble",
    "elsewhere",
    "in-app",
];

#[derive(Clone, Copy)]
struct Say {
    spanish: bool,
}

impl Say {
    const fn say(self, english: &'static str, spanish: &'static str) -> &'static str {
        if self.spanish { spanish } else { english }
    }

    fn button(self, action: Action, label: &'static str, tone: Tone) -> Button {
        let _ = self;
        Button { action, label, tone, enabled: true, busy: false }
    }

    fn screen(self, state: &str) -> Screen {
        match state {
            "busy" => Screen::Busy(Busy {
                heading: self.say("You are joining", "Está entrando"),
                sentence: Some(self.say("This takes longer than usual.", "Está tardando más de lo normal.")),
                own: None,
                buttons: vec![self.button(Action::Leave, self.say("Leave", "Salir"), Tone::Plain)],
            }),
            "check" | "check-refused" | "check-consent" => Screen::Check(Box::new(self.check(state))),
            "consent" => Screen::Consent(self.consent(None)),
            "waiting" => Screen::Waiting(WaitingView {
                heading: self.say("One moment: you will be let in", "Un momento: le van a dejar entrar"),
                sentence: self.say(
                    "The link was used in another browser before. The person you talk to is asked whether it is you.",
                    "El enlace ya se usó en otro navegador. Se está preguntando a la persona con la que habla si es usted.",
                ),
                trouble: None,
                own: Some(Video { track: TrackId(1), mirrored: true }),
                leave: self.button(Action::Leave, self.say("Leave", "Salir"), Tone::Plain),
            }),
            "over" => self.notice(NoticeKind::Over, "The call is over", "La llamada ha terminado", &[
                ("You can close this page. Your conversation in the chat is still there.", "Puede cerrar esta página. Su conversación en el chat sigue ahí."),
            ], &[]),
            "trouble" => self.notice(NoticeKind::Trouble, "This link does not work", "Este enlace no funciona", &[
                ("It is mistyped, was replaced by another, or the call is long over.", "Está mal escrito, fue sustituido por otro o la llamada terminó hace tiempo."),
                ("Ask for a new one in the chat: it is still there.", "Pida uno nuevo en el chat: sigue ahí."),
            ], &[self.button(Action::Retry, self.say("Try again", "Intentar de nuevo"), Tone::Primary)]),
            "elsewhere" => self.notice(NoticeKind::Elsewhere, "The call goes on in another tab", "La llamada continúa en otra pestaña", &[
                ("You can bring it here.", "Puede traerla aquí."),
            ], &[self.button(Action::UseHere, self.say("Use here", "Usar aquí"), Tone::Primary)]),
            "in-app" => self.notice(NoticeKind::InApp, "This app has no camera for the call", "Esta aplicación no da cámara a la llamada", &[
                ("Open the link in Safari or Chrome: by the menu of this app, or copy it and paste it there.", "Abra el enlace en Safari o Chrome: con el menú de esta aplicación, o cópielo y péguelo allí."),
            ], &[
                self.button(Action::CopyLink, self.say("Copy link", "Copiar enlace"), Tone::Primary),
                self.button(Action::WatchOnly, self.say("Join without camera and microphone", "Entrar sin cámara ni micrófono"), Tone::Plain),
            ]),
            _ => Screen::Room(Box::new(self.room(state))),
        }
    }

    fn notice(
        self,
        kind: NoticeKind,
        english: &'static str,
        spanish: &'static str,
        sentences: &[(&'static str, &'static str)],
        buttons: &[Button],
    ) -> Screen {
        Screen::Notice(Notice {
            kind,
            heading: self.say(english, spanish),
            sentences: sentences.iter().map(|(english, spanish)| self.say(english, spanish).into()).collect(),
            buttons: buttons.to_vec(),
        })
    }

    fn consent(self, answer: Option<bool>) -> ConsentView {
        ConsentView {
            question: self.say("May this call be recorded?", "¿Se puede grabar esta llamada?"),
            help: self.say(
                "Nothing is recorded unless everybody agrees. You can join either way.",
                "No se graba nada si no están todos de acuerdo. Puede entrar de todos modos.",
            ),
            yes: self.say("Yes, it may", "Sí, se puede"),
            no: self.say("No", "No"),
            answer,
        }
    }

    fn microphone(self, on: bool) -> Toggle {
        Toggle {
            action: Action::ToggleMicrophone,
            label: if on { self.say("Mute", "Silenciar") } else { self.say("Unmute", "Activar micrófono") },
            on,
            enabled: true,
            busy: false,
            note: None,
        }
    }

    fn camera(self, on: bool) -> Toggle {
        Toggle {
            action: Action::ToggleCamera,
            label: if on {
                self.say("Camera off", "Apagar cámara")
            } else {
                self.say("Camera on", "Encender cámara")
            },
            on,
            enabled: true,
            busy: false,
            note: None,
        }
    }

    fn menus(self) -> Vec<Menu> {
        let of = |kind, label, names: &[&str]| Menu {
            kind,
            label,
            options: names.iter().map(|name| (Some((*name).to_owned()), (*name).to_owned())).collect(),
            chosen: 1,
        };
        vec![
            of(
                DeviceKind::Camera,
                self.say("Camera", "Cámara"),
                &["Automatic", "FaceTime HD Camera (Built-in) (05ac:8514)"],
            ),
            of(
                DeviceKind::Microphone,
                self.say("Microphone", "Micrófono"),
                &["Automatic", "Headset Microphone (Jabra Evolve2 65)"],
            ),
            of(
                DeviceKind::Speaker,
                self.say("Speaker", "Altavoz"),
                &["Automatic", "Headset Earphone (Jabra Evolve2 65)"],
            ),
        ]
    }

    fn check(self, state: &str) -> Check {
        let refused = state == "check-refused";
        Check {
            heading: self
                .say("Ada of Acme Insurance invites you to a video call", "Ada, de Seguros Acme, le invita a una videollamada")
                .into(),
            sentence: self.say("This is what you look like. Nobody sees you yet.", "Así se le ve. Todavía no le ve nadie."),
            own: (!refused).then_some(Video { track: TrackId(1), mirrored: true }),
            no_picture: refused.then_some(self.say("No picture", "Sin imagen")),
            camera: self.camera(!refused),
            microphone: self.microphone(!refused),
            level_label: self.say("Your microphone", "Su micrófono"),
            level: (!refused).then_some(60),
            trouble: refused.then(|| Trouble {
                sentence: self.say(
                    "The browser was told not to give this page your camera and microphone.",
                    "El navegador tiene orden de no dar su cámara ni su micrófono a esta página.",
                ),
                help: Some(self.say(
                    "Allow both by the sign left of the address, or join without them: you will see and hear the others.",
                    "Permita ambos con el símbolo a la izquierda de la dirección, o entre sin ellos: verá y oirá a los demás.",
                )),
                buttons: vec![
                    self.button(Action::AskAgain, self.say("Ask again", "Preguntar de nuevo"), Tone::Plain),
                    self.button(Action::SoundOnly, self.say("Microphone only", "Solo micrófono"), Tone::Plain),
                ],
            }),
            menus: if refused { Vec::new() } else { self.menus() },
            test_speaker: Some(self.button(Action::TestSpeaker, self.say("Play a tone", "Reproducir un tono"), Tone::Plain)),
            consent: (state == "check-consent").then(|| self.consent(Some(true))),
            join: Button {
                enabled: state != "check-consent",
                ..self.button(Action::Join, self.say("Join", "Entrar"), Tone::Primary)
            },
        }
    }

    fn person(self, key: u32, name: &str) -> PersonView {
        let _ = self;
        PersonView {
            key,
            name: name.to_owned(),
            you: key == 0,
            camera: true,
            microphone: true,
            speaking: false,
            presence: Presence::Here,
            presence_words: None,
            quality: Some(QualityWord::Good),
            quality_words: None,
            described: [name, ": camera on, microphone on"].concat(),
        }
    }

    fn room(self, state: &str) -> Room {
        let mut people = vec![self.person(0, self.say("You", "Usted"))];
        let tile = |person: &PersonView, large| Tile {
            person: person.key,
            key: TileKey::Person(person.key),
            video: person.camera.then_some(Video { track: TrackId(person.key + 10), mirrored: person.you }),
            label: person.name.clone(),
            caption: person.presence_words,
            screen: false,
            large,
        };
        if state != "room-alone" {
            people.push(self.person(1, "Ada"));
        }
        if matches!(state, "room-four" | "room-agent") {
            people.extend([
                self.person(2, self.say("Customer", "Cliente")),
                self.person(3, self.say("Guest", "Invitado")),
            ]);
            people[2].speaking = true;
            people[3].camera = false;
            people[3].microphone = false;
            people[3].quality = Some(QualityWord::Poor);
            people[3].quality_words = Some(self.say("poor connection", "conexión mala"));
        }
        if state == "room-lost" {
            people[1].presence = Presence::Lost;
            people[1].presence_words =
                Some(self.say("Connection lost, trying again", "Conexión perdida, lo intentamos de nuevo"));
        }
        let mut tiles: Vec<Tile> = people[1..].iter().map(|person| tile(person, person.key == 1)).collect();
        if state == "room-share" {
            tiles[0].large = false;
            tiles.insert(
                0,
                Tile {
                    key: TileKey::Screen(1),
                    video: Some(Video { track: TrackId(50), mirrored: false }),
                    label: self.say("Ada (screen)", "Ada (pantalla)").to_owned(),
                    screen: true,
                    large: true,
                    ..tiles[0].clone()
                },
            );
        }
        let agent = matches!(state, "room-agent" | "room-question");
        Room {
            own: tile(&people[0], false),
            tiles,
            alone: (state == "room-alone").then_some(self.say(
                "Nobody else is here yet. Ada was told that you wait.",
                "Todavía no hay nadie más. Ada sabe que usted espera.",
            )),
            banners: match state {
                "room-lost" => vec![Banner {
                    urgent: true,
                    sentence: self.say(
                        "Your connection is poor. Without the camera it is often better.",
                        "Su conexión es mala. Sin la cámara suele ir mejor.",
                    ),
                    button: None,
                }],
                "room-agent" => vec![Banner {
                    urgent: false,
                    sentence: self.say(
                        "Your phone call has the microphone: here nobody hears you.",
                        "Su llamada telefónica tiene el micrófono: aquí no se le oye.",
                    ),
                    button: Some(self.button(
                        Action::CallIsOver,
                        self.say("The call is over", "La llamada ha terminado"),
                        Tone::Plain,
                    )),
                }],
                _ => Vec::new(),
            },
            microphone: Toggle {
                enabled: state != "room-agent",
                note: (state == "room-agent").then_some(self.say("Your call has it", "Lo tiene su llamada")),
                ..self.microphone(state != "room-agent")
            },
            camera: self.camera(true),
            flip: (state == "room-two")
                .then(|| self.button(Action::Flip, self.say("Switch camera", "Cambiar cámara"), Tone::Plain)),
            share: Some(Toggle {
                action: Action::ToggleShare,
                label: self.say("Share screen", "Compartir pantalla"),
                on: false,
                enabled: true,
                busy: false,
                note: None,
            }),
            menus: self.menus(),
            menus_label: self.say("Devices", "Dispositivos"),
            leave: self.button(
                Action::Leave,
                self.say("Leave", "Salir"),
                if agent { Tone::Plain } else { Tone::Danger },
            ),
            end: agent.then(|| {
                self.button(Action::AskEnd, self.say("End for all", "Terminar para todos"), Tone::Danger)
            }),
            waiting: if state == "room-agent" {
                vec![Knock {
                    sentence: self.say(
                        "Somebody opened the link in a second browser while the customer is here.",
                        "Alguien abrió el enlace en un segundo navegador mientras el cliente está aquí.",
                    ),
                    admit: self.button(
                        Action::Admit(String::new()),
                        self.say("Let in", "Dejar entrar"),
                        Tone::Primary,
                    ),
                    refuse: self.button(
                        Action::Refuse(String::new()),
                        self.say("Refuse", "Rechazar"),
                        Tone::Plain,
                    ),
                }]
            } else {
                Vec::new()
            },
            recording: matches!(state, "room-four" | "room-agent")
                .then(|| RecordingView { on: true, words: self.say("Recording", "Grabando") }),
            seconds: (state != "room-alone").then_some(754),
            seconds_label: self.say("Time together", "Tiempo juntos"),
            question: (state == "room-question").then(|| Question {
                heading: self.say("End the call for everybody?", "¿Terminar la llamada para todos?"),
                sentence: self.say(
                    "The customer’s link stops working. The chat goes on.",
                    "El enlace del cliente deja de funcionar. El chat continúa.",
                ),
                yes: self.button(Action::End, self.say("End for all", "Terminar para todos"), Tone::Danger),
                no: self.button(Action::Cancel, self.say("Cancel", "Cancelar"), Tone::Plain),
            }),
            people,
        }
    }
}
