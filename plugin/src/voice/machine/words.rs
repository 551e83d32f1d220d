//! Everything that the plugin says to an agent, in one place and in every language.
//!
//! An administrator may replace any of these texts, as any text of Flex: by `manager.strings` under the key that
//! [`Text::key`] names.

use std::collections::BTreeMap;

use protocol::page::SignOutReason;
use protocol::{CallPhase, Problem, ProblemCode, QualityWarning};

use super::Intent;
use super::view::Grade;
use super::voice::{Voice, Why};

/// The language that Flex is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, and whoever speaks none of the others.
    #[default]
    English,
    /// Spanish.
    Spanish,
}

impl Language {
    /// From a language tag such as `es-MX`.
    #[must_use]
    pub fn from_tag(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("es") { Self::Spanish } else { Self::English }
    }
}

macro_rules! texts {
    ($($name:ident: $english:literal, $spanish:literal;)*) => {
        /// One text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Text {
            $(#[doc = $english] $name,)*
        }

        impl Text {
            /// Every text.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The text's key in `manager.strings`.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self { $(Self::$name => concat!("Holdfast", stringify!($name)),)* }
            }

            /// The built-in text.
            #[must_use]
            pub const fn built_in(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$name, Language::English) => $english, (Self::$name, Language::Spanish) => $spanish,)*
                }
            }
        }
    };
}

texts! {
    // The header: short.
    Ready: "Voice: ready", "Voz: lista";
    Connecting: "Voice: connecting", "Voz: conectando";
    OnCall: "Voice: on a call", "Voz: en llamada";
    OnCallMuted: "Voice: on a call, muted", "Voz: en llamada, silenciada";
    MicrophoneMuted: "Voice: your microphone is muted", "Voz: su micrófono está silenciado";
    CallConnecting: "Voice: call is connecting", "Voz: conectando la llamada";
    CallReconnecting: "Voice: call is reconnecting", "Voz: reconectando la llamada";
    NotAvailable: "Voice: not available", "Voz: no disponible";
    Off: "Voice: off", "Voz: desactivada";
    FlexsOwn: "Voice: in Flex itself", "Voz: en el propio Flex";
    NotSetUp: "Voice: not set up", "Voz: sin configurar";

    // What that means.
    ReadyDetail: "Calls reach you through the extension.", "Las llamadas le llegan a través de la extensión.";
    ConnectingDetail: "The extension is connecting to Twilio.", "La extensión se está conectando con Twilio.";
    OnCallDetail: "The call is in the extension; reloading this page does not end it.",
        "La llamada está en la extensión; recargar esta página no la corta.";
    MutedDetail: "The call is in the extension; your microphone is muted.",
        "La llamada está en la extensión; su micrófono está silenciado.";
    MicrophoneMutedDetail: "Your microphone is muted by the computer or the headset, so the customer does not hear you. Unmute it there.",
        "El equipo o los auriculares silencian su micrófono, y el cliente no le oye. Active el sonido allí.";
    CallConnectingDetail: "The call is being connected.", "Se está conectando la llamada.";
    CallReconnectingDetail: "The call's connection is being repaired.", "Se está reparando la conexión de la llamada.";
    OfflineDetail: "You are offline in Flex, so the extension is signed out. Choose another activity to take calls.",
        "Está desconectado en Flex, por lo que la extensión cerró su sesión. Elija otra actividad para atender llamadas.";
    LoggedOutDetail: "You have logged out of Flex, so the extension is signed out.",
        "Ha cerrado la sesión de Flex, por lo que la extensión cerró la suya.";
    SessionEndedDetail: "Your Flex session has ended, so the extension is signed out. Log in to Flex again.",
        "Su sesión de Flex ha terminado, por lo que la extensión cerró la suya. Vuelva a iniciar sesión en Flex.";
    InFrameDetail: "Holdfast works in a tab of its own, not in a frame of another page: here calls go through Flex's own softphone, and reloading the page ends them. Open Flex in a tab of its own to use the extension.",
        "Holdfast funciona en una pestaña propia, no dentro de otra página: aquí las llamadas pasan por el teléfono del propio Flex, y recargar la página las corta. Abra Flex en una pestaña propia para usar la extensión.";
    UnclearDetail: "Calls go through Flex's own softphone, because the worker attribute extensionVoiceClientEnabled is {value}, which is neither true nor false; ask your administrator to correct it.",
        "Las llamadas pasan por el teléfono del propio Flex, porque el atributo de trabajador extensionVoiceClientEnabled es {value}, que no es ni true ni false; pida a su administrador que lo corrija.";
    NotReady: "Voice is not ready.", "La voz no está lista.";
    Unavailable: "Voice is not available: {todo}.", "La voz no está disponible: {todo}.";
    ExtensionSays: "The extension says: {message}", "La extensión dice: {message}";

    // What to do. Clauses, without a capital and without a full stop.
    SettingMissing: "ask your administrator to set “{setting}” in the Flex configuration (ui_attributes.holdfast)",
        "pida a su administrador que configure «{setting}» en Flex (ui_attributes.holdfast)";
    SettingWrong: "ask your administrator to correct “{setting}” in the Flex configuration (ui_attributes.holdfast)",
        "pida a su administrador que corrija «{setting}» en la configuración de Flex (ui_attributes.holdfast)";
    NoExtension: "install or enable the Holdfast extension, then reload",
        "instale o active la extensión Holdfast y recargue";
    RejectedWithoutReason: "the extension belongs to another account; choose Restart in its popup, then reload Flex",
        "la extensión pertenece a otra cuenta; elija Reiniciar en su ventana y recargue Flex";
    Gone: "the extension was updated, stopped or removed; it connects by itself when it is back, else reload Flex",
        "la extensión se actualizó, se detuvo o se eliminó; se conectará sola cuando vuelva, si no, recargue Flex";
    Silent: "the extension does not answer; if this stays, reload Flex",
        "la extensión no responde; si continúa, recargue Flex";
    NoToken: "the extension waits for your Flex login; if this stays, reload Flex",
        "la extensión espera su inicio de sesión en Flex; si continúa, recargue Flex";
    NotRegistered: "the extension is not connected to Twilio; it keeps trying",
        "la extensión no está conectada con Twilio; sigue intentándolo";
    ExtensionError: "the extension reports an error; open its popup to see it",
        "la extensión informa de un error; abra su ventana para verlo";
    WrongIdentity: "the extension's identity does not start with “{prefix}”; ask your administrator",
        "la identidad de la extensión no empieza por «{prefix}»; consulte a su administrador";
    OtherAgent: "the extension is signed in for another agent; if this stays, choose Restart in its popup, then reload Flex",
        "la extensión tiene la sesión de otro agente; si continúa, elija Reiniciar en su ventana y recargue Flex";
    ContactUri: "your contact address could not be set; reload Flex",
        "no se pudo configurar su dirección de contacto; recargue Flex";
    WrongAccount: "this browser's voice client belongs to another Twilio account; ask your administrator",
        "el cliente de voz de este navegador pertenece a otra cuenta de Twilio; consulte a su administrador";
    WrongTokenUrl: "Flex and this browser name different token services; ask your administrator",
        "Flex y este navegador indican servicios de tokens distintos; consulte a su administrador";
    WrongPrefix: "Flex and this browser name different identity prefixes; ask your administrator",
        "Flex y este navegador indican prefijos de identidad distintos; consulte a su administrador";
    WrongPageOrigin: "your organisation's policy does not allow the extension on this address of Flex; ask your administrator",
        "la política de su organización no permite la extensión en esta dirección de Flex; consulte a su administrador";
    DisabledByPolicy: "your organisation's policy does not allow this; ask your administrator",
        "la política de su organización no lo permite; consulte a su administrador";
    ConsentNeeded: "open the extension's popup and allow the token service",
        "abra la ventana de la extensión y permita el servicio de tokens";
    ConsentDeclined: "the token service was declined in the extension's popup; choose Restart there to be asked again",
        "el servicio de tokens se rechazó en la ventana de la extensión; elija Reiniciar allí para que se le pregunte de nuevo";
    TooManyMessages: "this page sends the extension too many messages; reload Flex",
        "esta página envía demasiados mensajes a la extensión; recargue Flex";
    LineContested: "another script in Flex wanted to act as the voice plugin and was not listened to; tell your administrator",
        "otro programa en Flex quiso actuar como el complemento de voz y no se le hizo caso; avise a su administrador";
    InvalidFlexToken: "your Flex login was refused; log in to Flex again",
        "se rechazó su inicio de sesión en Flex; vuelva a iniciar sesión";
    WrongAgent: "the token service takes your Flex login for another agent's; reload Flex, or ask your administrator",
        "el servicio de tokens toma su inicio de sesión por el de otro agente; recargue Flex o consulte a su administrador";
    TokenServiceUnavailable: "the token service cannot be reached; it is asked again",
        "no se puede acceder al servicio de tokens; se volverá a intentar";
    TokenServiceMisconfigured: "the token service's answer is not understood; ask your administrator",
        "no se entiende la respuesta del servicio de tokens; consulte a su administrador";
    VoiceTokenRefused: "Twilio refused the voice token; ask your administrator",
        "Twilio rechazó el token de voz; consulte a su administrador";
    GatewayUnavailable: "Twilio cannot be reached; check your network, it is tried again",
        "no se puede acceder a Twilio; compruebe su red, se volverá a intentar";
    MicrophoneUnavailable: "the extension may not use the microphone; open its popup and allow it",
        "la extensión no puede usar el micrófono; abra su ventana y permítalo";
    AudioDeviceMissing: "the chosen microphone or speaker is not plugged in or cannot be used; another is in use",
        "el micrófono o altavoz elegido no está conectado o no se puede usar; se usa otro";
    CallFailed: "the last call broke; the extension's popup says more",
        "la última llamada falló; la ventana de la extensión dice más";

    // Notifications.
    CallOver: "The extension was away during your call, and the call is over. Finish its task, and call back if need be.",
        "La extensión no estuvo disponible durante su llamada, y la llamada ha terminado. Cierre su tarea y, si hace falta, devuelva la llamada.";
    CannotMute: "The installed extension cannot mute from Flex. Mute in the extension's popup, or ask for the Holdfast extension.",
        "La extensión instalada no puede silenciar desde Flex. Silencie en su ventana o pida la extensión Holdfast.";
    TooManyDigits: "These are more than {most} digits, so none of them was sent. Send them in parts.",
        "Son más de {most} dígitos, por lo que no se envió ninguno. Envíelos por partes.";
    ChooseActivity: "Voice is ready. Choose your activity.", "La voz está lista. Elija su actividad.";
    MovedOffline: "{reason} Your activity is “{activity}” until it is back.",
        "{reason} Su actividad será «{activity}» hasta que vuelva.";
    MissingActivity: "{reason} Calls would fail: choose an unavailable activity yourself. Your administrator should add an unavailable activity “{activity}”.",
        "{reason} Las llamadas fallarían: elija una actividad no disponible. Su administrador debería añadir una actividad no disponible «{activity}».";
    NotAccepted: "The call was not accepted", "No se aceptó la llamada";
    NotStarted: "The call was not started", "No se inició la llamada";
    NotMonitored: "The call is not listened to", "No se escucha la llamada";
    BecauseUnavailable: "{what}, because voice is not available: {todo}.", "{what} porque la voz no está disponible: {todo}.";
    BecauseConnecting: "{what}, because voice is still connecting. Try again in a moment.",
        "{what} porque la voz aún se está conectando. Inténtelo de nuevo en un momento.";
    OfflineIsOurs: "“{activity}” is set for you while voice is not available. Choose another activity.",
        "«{activity}» se establece automáticamente mientras la voz no está disponible. Elija otra actividad.";
    NotNowAvailable: "You cannot be “{activity}” now. Voice is not available: {todo}.",
        "Ahora no puede estar en «{activity}». La voz no está disponible: {todo}.";
    DialBusy: "The call was not started, because there is another call or reservation.",
        "No se inició la llamada porque hay otra llamada o reserva.";
    DialOffline: "The call was not started, because you are offline in Flex.",
        "No se inició la llamada porque está desconectado en Flex.";
    DialFailed: "The call was not started: Twilio refused it.", "No se inició la llamada: Twilio la rechazó.";

    // The details behind the header's button.
    Title: "Voice client", "Cliente de voz";
    Details: "{status}. Show details", "{status}. Mostrar detalles";
    Quality: "Call quality", "Calidad de la llamada";
    QualityGood: "good", "buena";
    QualityFair: "fair", "regular";
    QualityPoor: "poor", "mala";
    Figures: "round trip {rtt} ms, jitter {jitter} ms, loss {loss} %",
        "ida y vuelta {rtt} ms, fluctuación {jitter} ms, pérdida {loss} %";
    HighRtt: "Audio takes long to arrive; it may help to leave other downloads until later.",
        "El audio tarda en llegar; puede ayudar aplazar otras descargas.";
    HighJitter: "Audio arrives unevenly; a wired network may help.",
        "El audio llega de forma irregular; una red por cable puede ayudar.";
    HighPacketLoss: "Parts of the audio are lost; a wired network may help.",
        "Se pierden partes del audio; una red por cable puede ayudar.";
    LowMos: "The call sounds bad.", "La llamada se oye mal.";
    LowBytesReceived: "Nothing arrives from the customer.", "No llega nada del cliente.";
    LowBytesSent: "Nothing is sent to the customer.", "No se envía nada al cliente.";
    ConstantAudioInput: "Your microphone is silent: check that it is not muted on the headset.",
        "Su micrófono no da sonido: compruebe que no esté silenciado en los auriculares.";
    ConstantAudioOutput: "The customer's side is silent.", "El lado del cliente está en silencio.";
    IceConnectivityLost: "The connection for audio is lost; it is being repaired.",
        "Se perdió la conexión de audio; se está reparando.";
    Microphone: "Microphone", "Micrófono";
    Speaker: "Speaker", "Altavoz";
    SystemDefault: "Chosen by the system", "Elegido por el sistema";
    UnnamedDevice: "Unnamed device", "Dispositivo sin nombre";
    DeviceMissing: "{device} is not plugged in; {used} is in use.", "{device} no está conectado; se usa {used}.";
    DeviceBusy: "{device} cannot be used, perhaps because another program has it; {used} is in use.",
        "{device} no se puede usar, quizá porque lo tiene otro programa; se usa {used}.";
    AnotherDevice: "another device", "otro dispositivo";
    Volume: "Volume", "Volumen";
    OldExtension: "The installed extension is of an older kind: it cannot be muted from Flex, says nothing of quality and devices. Ask your administrator for the Holdfast extension.",
        "La extensión instalada es de un tipo anterior: no se puede silenciar desde Flex ni informa de calidad y dispositivos. Pida la extensión Holdfast a su administrador.";
    OlderVersion: "The extension ({extension}) is older than this Flex plugin ({plugin}). Ask your administrator to update it.",
        "La extensión ({extension}) es anterior a este complemento de Flex ({plugin}). Pida a su administrador que la actualice.";
    WaitingCall: "Another call is waiting: answer or decline it in the extension's popup.",
        "Hay otra llamada en espera: responda o rechácela en la ventana de la extensión.";
    UnexpectedCall: "A call that Flex does not know of is ringing: answer or decline it in the extension's popup.",
        "Suena una llamada que Flex no conoce: responda o rechácela en la ventana de la extensión.";
    Identity: "Identity", "Identidad";
    ExtensionVersion: "Extension", "Extensión";
    PluginVersion: "Flex plugin", "Complemento de Flex";
    ReloadFlex: "Reload Flex", "Recargar Flex";
}

/// Who speaks: a language, and the administrator's own words.
#[derive(Clone, Debug, Default)]
pub struct Words {
    language: Language,
    own: BTreeMap<String, String>,
}

impl Words {
    /// A speaker. `own`: texts that replace the built-in ones, by [`Text::key`].
    #[must_use]
    pub const fn new(language: Language, own: BTreeMap<String, String>) -> Self {
        Self { language, own }
    }

    /// The agent reads English.
    #[must_use]
    pub const fn are_english(&self) -> bool {
        matches!(self.language, Language::English)
    }

    /// A text with its `{places}` filled.
    #[must_use]
    pub fn say(&self, text: Text, places: &[(&str, &str)]) -> String {
        let pattern = self.own.get(text.key()).map_or(text.built_in(self.language), String::as_str);
        let mut said = String::with_capacity(pattern.len());
        let mut rest = pattern;
        // In one pass, so that what fills one place is never taken for another.
        while let Some((before, after)) = rest.split_once('{') {
            said.push_str(before);
            match after.split_once('}') {
                Some((name, tail)) if places.iter().any(|(place, _)| *place == name) => {
                    said.extend(places.iter().find(|(place, _)| *place == name).map(|(_, value)| *value));
                    rest = tail;
                }
                _ => {
                    said.push('{');
                    rest = after;
                }
            }
        }
        said.push_str(rest);
        said
    }

    /// A text that has no places.
    #[must_use]
    pub fn plain(&self, text: Text) -> String {
        self.say(text, &[])
    }

    /// The header's text, and what it means.
    #[must_use]
    pub fn status(&self, voice: &Voice) -> (String, String) {
        let (text, detail) = match voice {
            Voice::Ready => (Text::Ready, Text::ReadyDetail),
            Voice::Connecting => (Text::Connecting, Text::ConnectingDetail),
            Voice::OnCall { phase: CallPhase::Connecting, .. } => {
                (Text::CallConnecting, Text::CallConnectingDetail)
            }
            Voice::OnCall { phase: CallPhase::Reconnecting, .. } => {
                (Text::CallReconnecting, Text::CallReconnectingDetail)
            }
            Voice::OnCall { phase: CallPhase::Open, muted: true } => (Text::OnCallMuted, Text::MutedDetail),
            Voice::OnCall { phase: CallPhase::Open, muted: false } => (Text::OnCall, Text::OnCallDetail),
            Voice::SignedOut(SignOutReason::Offline) => (Text::Off, Text::OfflineDetail),
            Voice::SignedOut(SignOutReason::Logout) => (Text::Off, Text::LoggedOutDetail),
            Voice::SignedOut(SignOutReason::SessionEnded) => (Text::Off, Text::SessionEndedDetail),
            Voice::InFrame => (Text::FlexsOwn, Text::InFrameDetail),
            Voice::Unclear(value) => {
                return (self.plain(Text::NotSetUp), self.say(Text::UnclearDetail, &[("value", value)]));
            }
            Voice::Unavailable(why) => return (self.plain(Text::NotAvailable), sentence(&self.todo(why))),
        };
        (self.plain(text), self.plain(detail))
    }

    /// Calls cannot be taken.
    #[must_use]
    pub fn unavailable(&self, why: &Why) -> String {
        self.say(Text::Unavailable, &[("todo", &self.todo(why))])
    }

    /// The agent was moved out of the routing.
    #[must_use]
    pub fn moved_offline(&self, activity: &str, reason: &Voice) -> String {
        self.say(Text::MovedOffline, &[("reason", &self.reason(reason)), ("activity", activity)])
    }

    /// The agent should be moved out of the routing and cannot be.
    #[must_use]
    pub fn missing_activity(&self, activity: &str, reason: &Voice) -> String {
        self.say(Text::MissingActivity, &[("reason", &self.reason(reason)), ("activity", activity)])
    }

    /// What the agent was about to do was stopped.
    #[must_use]
    pub fn refusal(&self, intent: &Intent, voice: &Voice) -> String {
        let what = match intent {
            Intent::AcceptCall => Text::NotAccepted,
            Intent::DialOut => Text::NotStarted,
            Intent::Monitor => Text::NotMonitored,
            Intent::ChooseOffline { activity } => {
                return self.say(Text::OfflineIsOurs, &[("activity", activity)]);
            }
            Intent::ChooseAvailable { activity } => {
                let todo = match voice {
                    Voice::Unavailable(why) => self.todo(why),
                    _ => self.plain(Text::NotRegistered),
                };
                return self.say(Text::NotNowAvailable, &[("activity", activity), ("todo", &todo)]);
            }
        };
        let what = self.plain(what);
        match voice {
            Voice::Unavailable(why) => {
                self.say(Text::BecauseUnavailable, &[("what", &what), ("todo", &self.todo(why))])
            }
            _ => self.say(Text::BecauseConnecting, &[("what", &what)]),
        }
    }

    fn reason(&self, reason: &Voice) -> String {
        match reason {
            Voice::Unavailable(why) => self.unavailable(why),
            _ => self.plain(Text::NotReady),
        }
    }

    /// What to do, as a clause.
    #[must_use]
    pub fn todo(&self, why: &Why) -> String {
        let text = match why {
            Why::Missing(setting) => return self.say(Text::SettingMissing, &[("setting", setting)]),
            Why::Misconfigured(setting) => return self.say(Text::SettingWrong, &[("setting", setting)]),
            Why::WrongIdentity(prefix) => {
                return self.say(Text::WrongIdentity, &[("prefix", prefix.as_str())]);
            }
            Why::Rejected(Some(problem)) | Why::Problem(problem) => return self.problem(problem),
            Why::NoExtension => Text::NoExtension,
            Why::Rejected(None) => Text::RejectedWithoutReason,
            Why::Gone => Text::Gone,
            Why::Silent => Text::Silent,
            Why::NoToken => Text::NoToken,
            Why::NotRegistered => Text::NotRegistered,
            Why::OtherAgent => Text::OtherAgent,
            Why::Error => Text::ExtensionError,
            Why::ContactUri => Text::ContactUri,
        };
        self.plain(text)
    }

    /// What to do about a problem of the extension. What this plugin has no words for is said in the extension's.
    #[must_use]
    pub fn problem(&self, problem: &Problem) -> String {
        let text = match problem.code {
            ProblemCode::WrongAccount => Text::WrongAccount,
            ProblemCode::WrongTokenUrl => Text::WrongTokenUrl,
            ProblemCode::WrongPrefix => Text::WrongPrefix,
            ProblemCode::WrongPageOrigin => Text::WrongPageOrigin,
            ProblemCode::ConsentNeeded => Text::ConsentNeeded,
            ProblemCode::ConsentDeclined => Text::ConsentDeclined,
            ProblemCode::DisabledByPolicy => Text::DisabledByPolicy,
            ProblemCode::TooManyMessages => Text::TooManyMessages,
            ProblemCode::LineContested => Text::LineContested,
            ProblemCode::InvalidFlexToken => Text::InvalidFlexToken,
            ProblemCode::WrongIdentity => Text::WrongAgent,
            ProblemCode::TokenServiceUnavailable => Text::TokenServiceUnavailable,
            ProblemCode::TokenServiceMisconfigured => Text::TokenServiceMisconfigured,
            ProblemCode::VoiceTokenRefused => Text::VoiceTokenRefused,
            ProblemCode::GatewayUnavailable => Text::GatewayUnavailable,
            ProblemCode::MicrophoneUnavailable => Text::MicrophoneUnavailable,
            ProblemCode::AudioDeviceMissing => Text::AudioDeviceMissing,
            ProblemCode::CallFailed => Text::CallFailed,
            ProblemCode::MalformedMessage
            | ProblemCode::UnknownType
            | ProblemCode::NotConfigured
            | ProblemCode::NoCall
            | ProblemCode::Internal => return clause(&problem.message),
        };
        self.plain(text)
    }

    /// How a call sounds, in a word.
    #[must_use]
    pub fn grade(&self, grade: Grade) -> String {
        self.plain(match grade {
            Grade::Good => Text::QualityGood,
            Grade::Fair => Text::QualityFair,
            Grade::Poor => Text::QualityPoor,
        })
    }

    /// What a warning of the SDK means to an agent.
    #[must_use]
    pub fn warning(&self, warning: QualityWarning) -> String {
        self.plain(match warning {
            QualityWarning::HighRtt => Text::HighRtt,
            QualityWarning::HighJitter => Text::HighJitter,
            QualityWarning::HighPacketLoss => Text::HighPacketLoss,
            QualityWarning::LowMos => Text::LowMos,
            QualityWarning::LowBytesReceived => Text::LowBytesReceived,
            QualityWarning::LowBytesSent => Text::LowBytesSent,
            QualityWarning::ConstantAudioInput => Text::ConstantAudioInput,
            QualityWarning::ConstantAudioOutput => Text::ConstantAudioOutput,
            QualityWarning::IceConnectivityLost => Text::IceConnectivityLost,
        })
    }
}

/// A text as a sentence.
#[must_use]
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let upper: String =
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    if upper.ends_with(['.', '!', '?']) { upper } else { upper + "." }
}

fn clause(text: &str) -> String {
    text.trim().trim_end_matches('.').to_owned()
}
