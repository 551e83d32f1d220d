//! What is said of each problem, refusal and warning: one row each, with the words of every place that speaks of it.

use protocol::{ProblemCode, QualityWarning, popup::Refused};

use crate::Words;

macro_rules! problems {
    ($($code:ident $name:literal {
        title $title:literal, $title_es:literal;
        help $help:literal, $help_es:literal;
        $(flex $variant:ident $flex:literal, $flex_es:literal;)?
    })*) => {
        /// Every code.
        pub const CODES: &[ProblemCode] = &[$(ProblemCode::$code),*];

        /// The name of its title in `_locales`.
        #[must_use]
        pub const fn title_name(code: ProblemCode) -> &'static str {
            match code { $(ProblemCode::$code => concat!("problem_", $name)),* }
        }

        /// The name in `_locales` of what can be done about it.
        #[must_use]
        pub const fn help_name(code: ProblemCode) -> &'static str {
            match code { $(ProblemCode::$code => concat!("problem_", $name, "_help")),* }
        }

        /// What has happened.
        #[must_use]
        pub const fn title(code: ProblemCode) -> Words {
            match code { $(ProblemCode::$code => Words::new($title, $title_es)),* }
        }

        /// What can be done about it.
        #[must_use]
        pub const fn help(code: ProblemCode) -> Words {
            match code { $(ProblemCode::$code => Words::new($help, $help_es)),* }
        }

        /// What is to be done about a problem, as the plugin says it: a clause, without a capital and without a full stop.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Clause { $($(#[doc = $flex] $variant,)?)* }

        impl Clause {
            /// Every clause.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)?)*];

            /// The clause for a problem; none where the plugin says what the extension said.
            #[must_use]
            pub const fn of(code: ProblemCode) -> Option<Self> {
                match code { $($(ProblemCode::$code => Some(Self::$variant),)?)* _ => None }
            }

            pub(crate) const fn key(self) -> &'static str {
                match self { $($(Self::$variant => concat!("Holdfast", stringify!($variant)),)?)* }
            }

            pub(crate) const fn words(self) -> Words {
                match self { $($(Self::$variant => Words::new($flex, $flex_es),)?)* }
            }
        }
    };
}

macro_rules! refusals {
    ($($reason:ident $name:literal { log $log:literal; popup $english:literal, $spanish:literal; })*) => {
        /// Every reason to carry out no command.
        pub const REFUSALS: &[Refused] = &[$(Refused::$reason),*];

        /// For logs, and for pages that have no words of their own.
        #[must_use]
        pub const fn refusal(reason: Refused) -> &'static str {
            match reason { $(Refused::$reason => $log),* }
        }

        pub(crate) const fn refusal_name(reason: Refused) -> &'static str {
            match reason { $(Refused::$reason => concat!("refused_", $name)),* }
        }

        pub(crate) const fn refusal_words(reason: Refused) -> Words {
            match reason { $(Refused::$reason => Words::new($english, $spanish)),* }
        }
    };
}

macro_rules! warnings {
    ($($warning:ident $name:literal {
        popup $english:literal, $spanish:literal;
        flex $flex:literal, $flex_es:literal;
    })*) => {
        /// Every warning.
        pub const WARNINGS: &[QualityWarning] = &[$(QualityWarning::$warning),*];

        pub(crate) const fn warning_name(warning: QualityWarning) -> &'static str {
            match warning { $(QualityWarning::$warning => concat!("warning_", $name)),* }
        }

        pub(crate) const fn warning_words(warning: QualityWarning) -> Words {
            match warning { $(QualityWarning::$warning => Words::new($english, $spanish)),* }
        }

        pub(crate) const fn warning_key(warning: QualityWarning) -> &'static str {
            match warning { $(QualityWarning::$warning => concat!("Holdfast", stringify!($warning))),* }
        }

        pub(crate) const fn warning_in_flex(warning: QualityWarning) -> Words {
            match warning { $(QualityWarning::$warning => Words::new($flex, $flex_es)),* }
        }
    };
}

problems! {
    MalformedMessage "malformed_message" {
        title "A Flex page sent something unreadable", "Una página de Flex envió algo ilegible";
        help "Refresh Flex. If this comes back, the Flex plugin and Holdfast do not fit together: tell your administrator.",
            "Recargue Flex. Si se repite, el complemento de Flex y Holdfast no son compatibles: avise a su administrador.";
    }
    UnknownType "unknown_type" {
        title "The Flex plugin is of another version", "El complemento de Flex es de otra versión";
        help "What both know still works. Ask your administrator to bring Holdfast and the plugin to the same version.",
            "Lo que ambos conocen sigue funcionando. Pida a su administrador que iguale las versiones de Holdfast y del complemento.";
    }
    WrongAccount "wrong_account" {
        title "A Flex page of another account", "Una página de Flex de otra cuenta";
        help "Holdfast works for one Twilio account at a time. Log in to your own organization's Flex; if you changed accounts, restart Holdfast.",
            "Holdfast trabaja con una sola cuenta de Twilio. Inicie sesión en el Flex de su organización; si ha cambiado de cuenta, reinicie Holdfast.";
        flex WrongAccount "this browser's voice client belongs to another Twilio account; ask your administrator",
            "el cliente de voz de este navegador pertenece a otra cuenta de Twilio; consulte a su administrador";
    }
    WrongTokenUrl "wrong_token_url" {
        title "A Flex page named another token service", "Una página de Flex indicó otro servicio de tokens";
        help "Holdfast did not send your login there. Tell your administrator.",
            "Holdfast no envió allí su sesión. Avise a su administrador.";
        flex WrongTokenUrl "Flex and this browser name different token services; ask your administrator",
            "Flex y este navegador indican servicios de tokens distintos; consulte a su administrador";
    }
    WrongPrefix "wrong_prefix" {
        title "A Flex page named another identity prefix",
            "Una página de Flex indicó otro prefijo de identidad";
        help "The Flex plugin and your organization's policy differ. Tell your administrator.",
            "El complemento de Flex y la política de su organización difieren. Avise a su administrador.";
        flex WrongPrefix "Flex and this browser name different identity prefixes; ask your administrator",
            "Flex y este navegador indican prefijos de identidad distintos; consulte a su administrador";
    }
    NotConfigured "not_configured" {
        title "A Flex page has not introduced itself", "Una página de Flex no se ha presentado";
        help "Refresh the Flex page.", "Recargue la página de Flex.";
    }
    WrongPageOrigin "wrong_page_origin" {
        title "This page may not use the voice client", "Esta página no puede usar el cliente de voz";
        help "Your administrator allows other addresses only. Open Flex at the address that your company uses.",
            "Su administrador solo permite otras direcciones. Abra Flex en la dirección que usa su empresa.";
        flex WrongPageOrigin "your organisation's policy does not allow the extension on this address of Flex; ask your administrator",
            "la política de su organización no permite la extensión en esta dirección de Flex; consulte a su administrador";
    }
    ConsentNeeded "consent_needed" {
        title "Is this your company's token service?", "¿Es este el servicio de tokens de su empresa?";
        help "The voice client waits for your answer below.", "El cliente de voz espera su respuesta.";
        flex ConsentNeeded "open the extension's popup and allow the token service",
            "abra la ventana de la extensión y permita el servicio de tokens";
    }
    ConsentDeclined "consent_declined" {
        title "You declined this token service", "Rechazó este servicio de tokens";
        help "Press Restart to be asked again.", "Pulse Reiniciar para que se le pregunte de nuevo.";
        flex ConsentDeclined "the token service was declined in the extension's popup; choose Restart there to be asked again",
            "el servicio de tokens se rechazó en la ventana de la extensión; elija Reiniciar allí para que se le pregunte de nuevo";
    }
    DisabledByPolicy "disabled_by_policy" {
        title "Your administrator has switched this off", "Su administrador lo ha desactivado";
        help "Ask your administrator if you need it.", "Consulte a su administrador si lo necesita.";
        flex DisabledByPolicy "your organisation's policy does not allow this; ask your administrator",
            "la política de su organización no lo permite; consulte a su administrador";
    }
    TooManyMessages "too_many_messages" {
        title "A page sends too many messages", "Una página envía demasiados mensajes";
        help "Some were dropped. Reload the Flex page; tell support if it happens again.",
            "Algunos se descartaron. Recargue la página de Flex; avise a soporte si se repite.";
        flex TooManyMessages "this page sends the extension too many messages; reload Flex",
            "esta página envía demasiados mensajes a la extensión; recargue Flex";
    }
    LineContested "line_contested" {
        title "Something in Flex wants to act as its plugin", "Algo en Flex quiere actuar como su complemento";
        help "It was not listened to. Tell your administrator: another plugin or an extension may be doing it.",
            "No se le hizo caso. Avise a su administrador: puede ser otro complemento o una extensión.";
        flex LineContested "another script in Flex wanted to act as the voice plugin and was not listened to; tell your administrator",
            "otro programa en Flex quiso actuar como el complemento de voz y no se le hizo caso; avise a su administrador";
    }
    NoCall "no_call" {
        title "There is no call", "No hay ninguna llamada";
        help "The call had ended already.", "La llamada ya había terminado.";
    }
    InvalidFlexToken "invalid_flex_token" {
        title "Your Flex login is not valid any more", "Su sesión de Flex ya no es válida";
        help "Log in to Flex again.", "Inicie sesión en Flex de nuevo.";
        flex InvalidFlexToken "your Flex login was refused; log in to Flex again",
            "se rechazó su inicio de sesión en Flex; vuelva a iniciar sesión";
    }
    TokenServiceUnavailable "token_service_unavailable" {
        title "The token service does not answer", "El servicio de tokens no responde";
        help "Check your network or VPN. If this stays, tell your administrator.",
            "Compruebe su red o VPN. Si esto no cambia, avise a su administrador.";
        flex TokenServiceUnavailable "the token service cannot be reached; it is asked again",
            "no se puede acceder al servicio de tokens; se volverá a intentar";
    }
    TokenServiceMisconfigured "token_service_misconfigured" {
        title "The token service is not set up right", "El servicio de tokens está mal configurado";
        help "Tell your administrator to check its address and version.",
            "Pida a su administrador que compruebe su dirección y su versión.";
        flex TokenServiceMisconfigured "the token service's answer is not understood; ask your administrator",
            "no se entiende la respuesta del servicio de tokens; consulte a su administrador";
    }
    WrongIdentity "wrong_identity" {
        title "Calls would come for another agent", "Las llamadas llegarían para otro agente";
        help "Your organization's token service takes this Flex session for somebody else's, so no calls are taken. Reload Flex; if it stays so, tell your administrator.",
            "El servicio de tokens de su organización toma esta sesión de Flex por la de otra persona, así que no se atienden llamadas. Recargue Flex; si continúa, avise a su administrador.";
        flex WrongAgent "the token service takes your Flex login for another agent's; reload Flex, or ask your administrator",
            "el servicio de tokens toma su inicio de sesión por el de otro agente; recargue Flex o consulte a su administrador";
    }
    VoiceTokenRefused "voice_token_refused" {
        title "Twilio refused the sign-in", "Twilio rechazó el inicio de sesión";
        help "Refresh Flex. If this comes back, ask your administrator to check the keys of the token service.",
            "Recargue Flex. Si se repite, pida a su administrador que compruebe las claves del servicio de tokens.";
        flex VoiceTokenRefused "Twilio refused the voice token; ask your administrator",
            "Twilio rechazó el token de voz; consulte a su administrador";
    }
    GatewayUnavailable "gateway_unavailable" {
        title "Twilio cannot be reached", "No se puede conectar con Twilio";
        help "Check your network or VPN.", "Compruebe su red o VPN.";
        flex GatewayUnavailable "Twilio cannot be reached; check your network, it is tried again",
            "no se puede acceder a Twilio; compruebe su red, se volverá a intentar";
    }
    MicrophoneUnavailable "microphone_unavailable" {
        title "No microphone for your call", "No hay micrófono para su llamada";
        help "Plug in your headset and close programs that use it.",
            "Conecte los auriculares y cierre los programas que los usen.";
        flex MicrophoneUnavailable "the extension may not use the microphone; open its popup and allow it",
            "la extensión no puede usar el micrófono; abra su ventana y permítalo";
    }
    AudioDeviceMissing "audio_device_missing" {
        title "Your headset is not in use", "No se usan sus auriculares";
        help "Another device is used. Plug the headset in, close programs that use it, or choose a device.",
            "Se usa otro dispositivo. Conecte los auriculares, cierre los programas que los usen o elija un dispositivo.";
        flex AudioDeviceMissing "the chosen microphone or speaker is not plugged in or cannot be used; another is in use",
            "el micrófono o altavoz elegido no está conectado o no se puede usar; se usa otro";
    }
    CallFailed "call_failed" {
        title "The call broke off", "La llamada se cortó";
        help "It could not be connected, or its connection was lost for good. The next call is not affected.",
            "No se pudo conectar o perdió la conexión definitivamente. No afecta a la próxima llamada.";
        flex CallFailed "the last call broke; the extension's popup says more",
            "la última llamada falló; la ventana de la extensión dice más";
    }
    Internal "internal" {
        title "Something went wrong inside Holdfast", "Algo falló dentro de Holdfast";
        help "If calls do not arrive, restart Holdfast and send the report to support.",
            "Si no llegan llamadas, reinicie Holdfast y envíe el informe a soporte.";
    }
}

refusals! {
    NoCall "no_call" {
        log "There is no call.";
        popup "Not done: there is no call.", "No se ha hecho: no hay ninguna llamada.";
    }
    CallOver "call_over" {
        log "That call is over.";
        popup "Not done: that call is over.", "No se ha hecho: esa llamada ya ha terminado.";
    }
    WaitingGone "waiting_gone" {
        log "That call does not wait any more.";
        popup "Not done: that call does not wait any more.", "No se ha hecho: esa llamada ya no espera.";
    }
    DevicesFixed "devices_fixed" {
        log "Your administrator has fixed devices and volume.";
        popup "Not done: your administrator has fixed devices and volume.",
            "No se ha hecho: su administrador ha fijado los dispositivos y el volumen.";
    }
    DeviceGone "device_gone" {
        log "That device is not plugged in.";
        popup "Not done: that device is not plugged in.", "No se ha hecho: ese dispositivo no está conectado.";
    }
    DigitsTooFast "digits_too_fast" {
        log "Digits come faster than a person types. These were not sent.";
        popup "These digits were not sent: they came faster than a person types.",
            "Estos dígitos no se han enviado: llegaron más rápido de lo que se teclea.";
    }
    NotUnderstood "not_understood" {
        log "That command was not understood.";
        popup "Not done: the command was not understood. Close this window and open it again.",
            "No se ha hecho: no se entendió la orden. Cierre esta ventana y ábrala de nuevo.";
    }
    RestartFixed "restart_fixed" {
        log "Your administrator does not allow restarting by hand.";
        popup "Not done: your administrator does not allow restarting by hand.",
            "No se ha hecho: su administrador no permite reiniciar a mano.";
    }
    RestartInCall "restart_in_call" {
        log "A call is live. Hang up before you restart.";
        popup "Not done: a call is live. Hang up before you restart.",
            "No se ha hecho: hay una llamada en curso. Cuelgue antes de reiniciar.";
    }
    QuestionChanged "question_changed" {
        log "The question has changed meanwhile. Read it again.";
        popup "Not done: the question has changed meanwhile. Read it again.",
            "No se ha hecho: la pregunta ha cambiado entretanto. Léala de nuevo.";
    }
}

warnings! {
    HighRtt "high_rtt" {
        popup "You hear each other late. Pause a moment before you answer.",
            "Se oyen con retraso. Espere un momento antes de responder.";
        flex "Audio takes long to arrive; it may help to leave other downloads until later.",
            "El audio tarda en llegar; puede ayudar aplazar otras descargas.";
    }
    HighJitter "high_jitter" {
        popup "The sound may break up. Close downloads and videos.",
            "El sonido puede cortarse. Cierre descargas y vídeos.";
        flex "Audio arrives unevenly; a wired network may help.",
            "El audio llega de forma irregular; una red por cable puede ayudar.";
    }
    HighPacketLoss "high_packet_loss" {
        popup "Parts of words are lost. Move closer to the Wi-Fi, or use a cable.",
            "Se pierden partes de las palabras. Acérquese al wifi o use un cable.";
        flex "Parts of the audio are lost; a wired network may help.",
            "Se pierden partes del audio; una red por cable puede ayudar.";
    }
    LowMos "low_mos" {
        popup "The line is poor. Close downloads and videos, or use a cable.",
            "La línea es mala. Cierre descargas y vídeos, o use un cable.";
        flex "The call sounds bad.", "La llamada se oye mal.";
    }
    LowBytesReceived "low_bytes_received" {
        popup "You hear nothing from the customer: no sound arrives.",
            "Usted no oye al cliente: no llega sonido.";
        flex "Nothing arrives from the customer.", "No llega nada del cliente.";
    }
    LowBytesSent "low_bytes_sent" {
        popup "The customer does not hear you: no sound leaves.", "El cliente no le oye: no sale sonido.";
        flex "Nothing is sent to the customer.", "No se envía nada al cliente.";
    }
    ConstantAudioInput "constant_audio_input" {
        popup "Your microphone is silent. Check the mute switch of your headset.",
            "Su micrófono no da sonido. Revise el botón de silencio de sus auriculares.";
        flex "Your microphone is silent: check that it is not muted on the headset.",
            "Su micrófono no da sonido: compruebe que no esté silenciado en los auriculares.";
    }
    ConstantAudioOutput "constant_audio_output" {
        popup "The customer's side is silent.", "El lado del cliente está en silencio.";
        flex "The customer's side is silent.", "El lado del cliente está en silencio.";
    }
    IceConnectivityLost "ice_connectivity_lost" {
        popup "The sound connection broke. It is being repaired.",
            "Se cortó la conexión del sonido. Se está reparando.";
        flex "The connection for audio is lost; it is being repaired.",
            "Se perdió la conexión de audio; se está reparando.";
    }
}
