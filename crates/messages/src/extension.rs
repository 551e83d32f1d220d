//! What the extension says: its pages, notifications, toolbar button and Chrome's own list of extensions.
//!
//! `$1`, `$2`, … are places. A comment is for whoever translates, and goes along into `_locales`.

use protocol::{ProblemCode, QualityWarning, popup::Refused};

use crate::{
    Words,
    problems::{self, CODES, REFUSALS, WARNINGS},
};

/// One message of `_locales`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its words.
    pub words: Words,
    /// For whoever translates it; may be empty.
    pub note: &'static str,
}

macro_rules! keys {
    ($($(#[doc = $note:literal])? $variant:ident $name:literal: $english:literal, $spanish:literal;)*) => {
        /// A message that the code names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Key {
            $(#[doc = $english] $variant,)*
            /// What has happened.
            Problem(ProblemCode),
            /// What can be done about it.
            ProblemHelp(ProblemCode),
            /// A command was not carried out.
            Refused(Refused),
            /// How the call sounds.
            Warning(QualityWarning),
        }

        impl Key {
            /// The name in `messages.json`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Problem(code) => problems::title_name(code),
                    Self::ProblemHelp(code) => problems::help_name(code),
                    Self::Refused(reason) => problems::refusal_name(reason),
                    Self::Warning(warning) => problems::warning_name(warning),
                }
            }

            /// The text, in every language.
            #[must_use]
            pub const fn words(self) -> Words {
                match self {
                    $(Self::$variant => Words::new($english, $spanish),)*
                    Self::Problem(code) => problems::title(code),
                    Self::ProblemHelp(code) => problems::help(code),
                    Self::Refused(reason) => problems::refusal_words(reason),
                    Self::Warning(warning) => problems::warning_words(warning),
                }
            }

            /// The names of the variants that stand for one message each, and what they stand for.
            pub const SINGLE: &'static [(&'static str, Entry)] = &[$((stringify!($variant), Entry {
                name: $name,
                words: Words::new($english, $spanish),
                note: concat!($($note)?),
            })),*];
        }
    };
}

macro_rules! named_elsewhere {
    ($($(#[doc = $note:literal])? $name:literal: $english:literal, $spanish:literal;)*) => {
        /// The messages that the HTML (`data-i18n`, `data-i18n-label`) and the manifest (`__MSG_…__`) name, and no code.
        pub const NAMED_ELSEWHERE: &[Entry] = &[$(Entry {
            name: $name,
            words: Words::new($english, $spanish),
            note: concat!($($note)?),
        }),*];
    };
}

/// Every message of `_locales`.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let of_key = |key: Key| Entry { name: key.name(), words: key.words(), note: "" };
    let mut entries: Vec<Entry> = NAMED_ELSEWHERE.to_vec();
    entries.extend(Key::SINGLE.iter().map(|(_, entry)| *entry));
    entries.extend(WARNINGS.iter().map(|&warning| of_key(Key::Warning(warning))));
    entries.extend(REFUSALS.iter().map(|&reason| of_key(Key::Refused(reason))));
    entries.extend(CODES.iter().flat_map(|&code| [Key::Problem(code), Key::ProblemHelp(code)]).map(of_key));
    entries
}

named_elsewhere! {
    /// Name of the extension; not translated.
    "extensionName": "Holdfast", "Holdfast";
    /// At most 132 characters.
    "extensionDescription": "The Flex voice client that outlives the tab: calls go on when the Flex page is refreshed or closed.",
        "El cliente de voz de Flex que sobrevive a la pestaña: las llamadas siguen aunque la página de Flex se recargue o se cierre.";
    "quality_title": "Sound quality", "Calidad del sonido";
    "sound_title": "Microphone and speaker", "Micrófono y altavoz";
    "sound_unknown": "Your devices are listed here once you are signed in to Flex.",
        "Sus dispositivos aparecerán aquí cuando haya iniciado sesión en Flex.";
    "calls_title": "Last calls", "Últimas llamadas";
    "shortcuts_title": "Keyboard shortcuts", "Atajos de teclado";
    "shortcuts_change": "Change the shortcuts", "Cambiar los atajos";
    "diagnostics_title": "Diagnostics", "Diagnóstico";
    "diagnostics_help": "The report tells support what happened. It holds no passwords, no login tokens and no phone numbers of callers.",
        "El informe cuenta a soporte lo que ha pasado. No contiene contraseñas, tokens de sesión ni números de teléfono de clientes.";
    "counters_title": "Counters", "Contadores";
    "copy_report": "Copy report", "Copiar informe";
    "save_report": "Save report", "Guardar informe";
    "call_controls": "Call controls", "Controles de la llamada";
    "consent_decline": "Don't allow", "No permitir";
    /// Name of the mute button for screen readers; contains both of its labels.
    "mute_or_unmute": "Mute or unmute", "Silenciar o activar voz";
    "keypad": "Keypad", "Teclado";
    "keypad_help": "Keypad: the number keys of your keyboard work too",
        "Teclado: también funcionan los números de su teclado";
    "settings": "Settings", "Ajustes";
    "details": "Details", "Detalles";
    "log": "Log", "Registro";
    "restart_question": "Restart Holdfast?", "¿Reiniciar Holdfast?";
    "restart_yes": "Yes, restart", "Sí, reiniciar";
    "restart_no": "No, keep running", "No, seguir así";
    "managed": "Managed by your organization", "Gestionado por su organización";
    "version": "Version", "Versión";
    "policy_title": "Your organization's settings", "Ajustes de su organización";
    "welcome_title": "Welcome to Holdfast", "Le damos la bienvenida a Holdfast";
    "welcome_lead": "Holdfast carries your Flex calls in the browser itself. Refresh the Flex tab, or close it by mistake, and your caller hears nothing of it.",
        "Holdfast lleva sus llamadas de Flex en el propio navegador. Aunque recargue la pestaña de Flex o la cierre por error, quien llama no notará nada.";
    "options_title": "Holdfast settings", "Ajustes de Holdfast";
    "command_mute": "Mute or unmute the call", "Silenciar o reactivar el micrófono";
    "command_hang_up": "Hang up", "Colgar";
    "command_answer_waiting": "Hang up and answer the call that is waiting",
        "Colgar y contestar la llamada en espera";
}

keys! {
    /// Language of the words below, for the page's lang attribute and for times.
    Locale "locale": "en", "es";
    Connecting "connecting": "Connecting…", "Conectando…";
    ConnectingHelp "connecting_help": "Waiting for the voice client to wake up.",
        "Esperando a que el cliente de voz se active.";
    Replaced "replaced": "Holdfast was updated", "Holdfast se ha actualizado";
    ReplacedHelp "replaced_help": "Close this window and open it again.",
        "Cierre esta ventana y ábrala de nuevo.";
    WaitingForFlex "status_waiting_for_flex": "Waiting for Flex", "Esperando a Flex";
    WaitingForFlexHelp "status_waiting_for_flex_help": "Open Flex and log in. Then calls can reach you.",
        "Abra Flex e inicie sesión. Entonces podrá recibir llamadas.";
    WaitingForFlexPageHelp "status_waiting_for_flex_page_help": "Flex is open and has not answered yet. If this stays, log in there or refresh the page.",
        "Flex está abierto y aún no ha respondido. Si esto no cambia, inicie sesión allí o recargue la página.";
    SignedOut "status_signed_out": "Signed out", "Sesión cerrada";
    SignedOutHelp "status_signed_out_help": "You are offline or logged out in Flex, so no calls reach you. Go to another activity there, or log in.",
        "Está sin conexión o ha cerrado la sesión en Flex, así que no recibe llamadas. Cambie allí de actividad o inicie sesión.";
    WaitingForToken "status_waiting_for_token": "Waiting for your Flex login",
        "Esperando su inicio de sesión en Flex";
    WaitingForTokenHelp "status_waiting_for_token_help": "Log in to Flex. If you are logged in already, refresh the page.",
        "Inicie sesión en Flex. Si ya la ha iniciado, recargue la página.";
    FetchingToken "status_fetching_token": "Signing in…", "Iniciando sesión…";
    FetchingTokenHelp "status_fetching_token_help": "Asking your organization's token service. This takes a moment.",
        "Consultando el servicio de tokens de su organización. Tardará un momento.";
    Registering "status_registering": "Connecting to Twilio…", "Conectando con Twilio…";
    RegisteringHelp "status_registering_help": "Almost there: calls can reach you in a moment.",
        "Ya casi está: en un momento podrá recibir llamadas.";
    Registered "status_registered": "Ready for calls", "Listo para recibir llamadas";
    RegisteredHelp "status_registered_help": "Accept calls in Flex. A call goes on even when you refresh or close the tab.",
        "Acepte las llamadas en Flex. La llamada sigue aunque recargue o cierre la pestaña.";
    RegisteredNoPageHelp "status_registered_no_page_help": "No Flex page is connected. Open Flex to accept calls.",
        "No hay ninguna página de Flex conectada. Abra Flex para aceptar llamadas.";
    Reconnecting "status_reconnecting": "Connection lost", "Conexión perdida";
    ReconnectingHelp "status_reconnecting_help": "Calls cannot reach you until it is back.",
        "Hasta que vuelva no podrá recibir llamadas.";
    Failed "status_failed": "Not ready for calls", "No puede recibir llamadas";
    FailedHelp "status_failed_help": "Restart Holdfast. If that does not help, send the report to support.",
        "Reinicie Holdfast. Si no funciona, envíe el informe a soporte.";
    CallConnecting "call_connecting": "Connecting the call…", "Conectando la llamada…";
    CallOpen "call_open": "On a call", "En llamada";
    CallMuted "call_muted": "On a call, muted", "Micrófono silenciado";
    CallReconnecting "call_reconnecting": "Repairing the connection…", "Reparando la conexión…";
    CallHold "call_hold": "Customer on hold", "Cliente en espera";
    CallHoldMuted "call_hold_muted": "On hold, and muted", "En espera, silenciado";
    CallMissed "call_missed": "Not answered", "No contestada";
    QualityGraph "quality_graph": "Sound quality in the last minute: $1",
        "Calidad del sonido en el último minuto: $1";
    QualityMeasuring "quality_measuring": "Measuring…", "Midiendo…";
    QualityMeasuringHelp "quality_measuring_help": "The first figures take a few seconds.",
        "Las primeras cifras tardan unos segundos.";
    QualityGood "quality_good": "Sounds good", "Se oye bien";
    QualityFair "quality_fair": "Sounds fair", "Se oye regular";
    QualityPoor "quality_poor": "Sounds poor", "Se oye mal";
    QualityUnknown "quality_unknown": "Sound not measured", "Sonido no medido";
    QualityFigures "quality_figures": "Delay $1 ms · Jitter $2 ms · Loss $3 %",
        "Retardo $1 ms · Variación $2 ms · Pérdida $3 %";
    WarningMicrophoneMuted "warning_microphone_muted": "Your microphone is muted by the computer or the headset. Unmute it there.",
        "El equipo o los auriculares silencian su micrófono. Active el sonido allí.";
    Microphone "microphone": "Microphone", "Micrófono";
    Speaker "speaker": "Speaker", "Altavoz";
    Volume "volume": "Volume", "Volumen";
    TestMicrophone "test_microphone": "Test microphone", "Probar el micrófono";
    TestMicrophoneStop "test_microphone_stop": "Stop the test", "Terminar la prueba";
    TestSpeaker "test_speaker": "Play a test tone", "Oír un tono de prueba";
    TonePlayed "tone_played": "You should hear a tone. If not, choose another speaker.",
        "Debería oír un tono. Si no, elija otro altavoz.";
    MicrophoneLevel "microphone_level": "How loud your microphone is", "Nivel de su micrófono";
    SoundManaged "sound_managed": "Managed by your organization: you cannot change this.",
        "Administrado por su organización: no puede cambiarlo.";
    DeviceSystem "device_system": "System default", "Predeterminado del sistema";
    DeviceMicrophone "device_microphone": "Microphone $1", "Micrófono $1";
    DeviceSpeaker "device_speaker": "Speaker $1", "Altavoz $1";
    DeviceNotConnected "device_not_connected": "$1 (not connected)", "$1 (no conectado)";
    DeviceMissing "device_missing": "$1 is not connected.", "$1 no está conectado.";
    DeviceMissingOther "device_missing_other": "$1 is not connected. $2 is used instead.",
        "$1 no está conectado. Se usa $2.";
    DeviceBusy "device_busy": "$1 cannot be used. Close other programs that use it.",
        "$1 no se puede usar. Cierre los programas que lo usen.";
    DeviceBusyOther "device_busy_other": "$1 cannot be used: another program may have it. $2 is used instead.",
        "$1 no se puede usar: quizá lo tiene otro programa. Se usa $2.";
    ChooseDevice "choose_device": "Choose a device", "Elegir un dispositivo";
    ShortcutOpen "shortcut_open": "Open Holdfast", "Abrir Holdfast";
    ShortcutNone "shortcut_none": "Not set", "Sin definir";
    ReportCopied "report_copied": "The report is in your clipboard. Paste it into your message to support.",
        "El informe está en su portapapeles. Péguelo en su mensaje a soporte.";
    ReportNotCopied "report_not_copied": "The browser did not let Holdfast write to the clipboard.",
        "El navegador no permitió a Holdfast escribir en el portapapeles.";
    ReportFile "report_file": "holdfast-report-$1.json", "informe-holdfast-$1.json";
    NotYet "not_yet": "Nothing yet", "Nada todavía";
    RestartHintPolicy "restart_hint_policy": "Your organization does not allow restarting Holdfast here.",
        "Su organización no permite reiniciar Holdfast aquí.";
    CallerUnknown "caller_unknown": "Unknown caller", "Número desconocido";
    WaitingTitle "waiting_title": "A second call is waiting", "Hay una segunda llamada en espera";
    WaitingHelp "waiting_help": "If you answer it, your present call ends.",
        "Si la contesta, su llamada actual termina.";
    WaitingFreeHelp "waiting_free_help": "Your last call is over: you can answer this one.",
        "Su última llamada ha terminado: puede contestar esta.";
    UnexpectedTitle "unexpected_title": "Unexpected call", "Llamada inesperada";
    UnexpectedHelp "unexpected_help": "Flex does not know of this call. If you answer it, your present call ends.",
        "Flex no conoce esta llamada. Si la contesta, su llamada actual termina.";
    UnexpectedFreeHelp "unexpected_free_help": "Flex does not know of this call.",
        "Flex no conoce esta llamada.";
    WaitingAnswer "waiting_answer": "Hang up and answer", "Colgar y contestar";
    WaitingAnswerFree "waiting_answer_free": "Answer", "Contestar";
    WaitingDecline "waiting_decline": "Decline", "Rechazar";
    ConsentTitle "consent_title": "May this address receive your Flex login?",
        "¿Puede recibir esta dirección su sesión de Flex?";
    ConsentHelp "consent_help": "A Flex page wants to send your Flex login there, to sign you in for calls. Allow it only if it is your company's token service. If you are not sure, choose Don't allow and ask your administrator.",
        "Una página de Flex quiere enviar allí su sesión de Flex para darle acceso a las llamadas. Permítalo solo si es el servicio de tokens de su empresa. Si no está seguro, elija No permitir y pregunte a su administrador.";
    ConsentHost "consent_host": "Server", "Servidor";
    ConsentPage "consent_page": "Asked by", "Lo pide";
    ConsentAllow "consent_allow": "Allow", "Permitir";
    ConsentStatus "consent_status": "Waiting for your answer", "Esperando su respuesta";
    ConsentStatusHelp "consent_status_help": "Calls can reach you once you have answered below.",
        "Podrá recibir llamadas cuando haya respondido abajo.";
    Mute "mute": "Mute", "Silenciar";
    Unmute "unmute": "Unmute", "Activar voz";
    HangUp "hang_up": "Hang up", "Colgar";
    HangingUp "hanging_up": "Hanging up…", "Colgando…";
    OpenFlex "open_flex": "Open Flex", "Abrir Flex";
    FixMicrophone "fix_microphone": "Fix the microphone", "Arreglar el micrófono";
    AllowMicrophone "allow_microphone": "Allow microphone", "Permitir el micrófono";
    MicrophoneSettings "microphone_settings": "Open microphone settings", "Abrir los ajustes del micrófono";
    TryAgain "try_again": "Try again", "Probar de nuevo";
    Restart "restart": "Restart", "Reiniciar";
    RestartHint "restart_hint": "It signs out of Twilio and waits for Flex again; refresh Flex afterwards.",
        "Cerrará la sesión en Twilio y volverá a esperar a Flex; después, recargue Flex.";
    RestartHintCall "restart_hint_call": "Not possible during a call.", "No es posible durante una llamada.";
    Restarting "restarting": "Restarting. Refresh Flex to sign in again.",
        "Reiniciando. Recargue Flex para volver a iniciar sesión.";
    Retrying "retrying": "Trying again…", "Probando de nuevo…";
    MicChecking "mic_checking": "Checking the microphone…", "Comprobando el micrófono…";
    MicGranted "mic_granted": "Microphone allowed", "Micrófono permitido";
    MicGrantedHelp "mic_granted_help": "There is nothing to do. Holdfast uses it only while you are on a call.",
        "No hay nada que hacer. Holdfast solo lo usa durante una llamada.";
    MicPrompt "mic_prompt": "Microphone not allowed yet", "Micrófono aún sin permiso";
    MicPromptHelp "mic_prompt_help": "Chrome asks you once. Holdfast uses the microphone only while you are on a call.",
        "Chrome se lo preguntará una vez. Holdfast solo usa el micrófono durante una llamada.";
    MicPromptPopupHelp "mic_prompt_popup_help": "Without it, callers could not hear you.",
        "Sin él, quien llama no podrá oírle.";
    MicAsking "mic_asking": "Chrome is asking…", "Chrome está preguntando…";
    MicAskingHelp "mic_asking_help": "Choose Allow in the box at the top of the window.",
        "Elija Permitir en el cuadro de la parte superior de la ventana.";
    MicDismissed "mic_dismissed": "The question was closed", "La pregunta se cerró";
    MicDismissedHelp "mic_dismissed_help": "Press the button again and choose Allow in Chrome's box.",
        "Pulse el botón de nuevo y elija Permitir en el cuadro de Chrome.";
    MicBlocked "mic_blocked": "Microphone blocked", "Micrófono bloqueado";
    MicBlockedHelp "mic_blocked_help": "Open the settings, and next to Microphone choose Allow. If that is not possible, your organization decides: ask your administrator.",
        "Abra los ajustes y, junto a Micrófono, elija Permitir. Si no es posible, lo decide su organización: consulte a su administrador.";
    MicBlockedPopupHelp "mic_blocked_popup_help": "Callers could not hear you.", "Quien llama no podrá oírle.";
    MicNone "mic_none": "No microphone found", "No se encontró ningún micrófono";
    MicNoneHelp "mic_none_help": "Plug in your headset, then try again.",
        "Conecte los auriculares y pruebe de nuevo.";
    MicBusy "mic_busy": "The microphone is in use", "El micrófono está en uso";
    MicBusyHelp "mic_busy_help": "Another program holds it, or the system does not give it to Chrome. Close the other program, then try again.",
        "Otro programa lo está usando o el sistema no lo deja a Chrome. Cierre el otro programa y pruebe de nuevo.";
    MicFailed "mic_failed": "The microphone did not start", "El micrófono no se inició";
    MicFailedHelp "mic_failed_help": "Unplug your headset and plug it in again, then try again.",
        "Desconecte los auriculares, vuelva a conectarlos y pruebe de nuevo.";
    DetailStatus "detail_status": "Status", "Estado";
    DetailProblem "detail_problem": "Problem", "Problema";
    DetailAccount "detail_account": "Account", "Cuenta";
    DetailIdentity "detail_identity": "Identity", "Identidad";
    DetailTokenService "detail_token_service": "Token service", "Servicio de tokens";
    DetailPages "detail_pages": "Flex pages", "Páginas de Flex";
    /// $1: pages whose plugin was accepted. $2: open pages.
    DetailPagesValue "detail_pages_value": "$1 of $2 connected", "$1 de $2 conectadas";
    DetailMicrophone "detail_microphone": "Microphone", "Micrófono";
    DetailVersion "detail_version": "Version", "Versión";
    DetailProtocol "detail_protocol": "Protocol", "Protocolo";
    NotKnownYet "not_known_yet": "Not known yet", "Aún no se sabe";
    PolicySome "policy_some": "Set by your organization. To change them, ask your administrator.",
        "Fijados por su organización. Para cambiarlos, consulte a su administrador.";
    PolicyNone "policy_none": "Your organization has set nothing here. Holdfast learns these values from Flex when you log in.",
        "Su organización no ha fijado nada aquí. Holdfast obtiene estos valores de Flex cuando usted inicia sesión.";
    /// $1: a key of the policy.
    ComplaintAccountSid "complaint_account_sid": "$1: a value that is no account SID (AC and 32 hexadecimal digits) is not used.",
        "$1: no se usa un valor que no es un SID de cuenta (AC y 32 cifras hexadecimales).";
    /// $1: a key of the policy.
    ComplaintTokenServiceUrl "complaint_token_service_url": "$1: a value that is no token service URL (https://host/path, without a query) is not used.",
        "$1: no se usa un valor que no es la URL de un servicio de tokens (https://host/ruta, sin consulta).";
    /// $1: a key of the policy.
    ComplaintPageOrigin "complaint_page_origin": "$1: a value that is no page address (https://host, without a path) is not used.",
        "$1: no se usa un valor que no es la dirección de una página (https://host, sin ruta).";
    /// $1: a key of the policy.
    ComplaintIdentityPrefix "complaint_identity_prefix": "$1: a value that is no identity prefix (lower-case letters and digits, then _) is not used.",
        "$1: no se usa un valor que no es un prefijo de identidad (minúsculas y cifras, y después _).";
    /// $1: a key of the policy.
    ComplaintEdge "complaint_edge": "$1: a value that is no edge location (lower-case letters, digits and hyphens) is not used.",
        "$1: no se usa un valor que no es una ubicación de Twilio (minúsculas, cifras y guiones).";
    /// $1: a key of the policy.
    ComplaintMinutes "complaint_minutes": "$1: a value that is no whole number of minutes from 1 to 1440 is not used.",
        "$1: no se usa un valor que no es un número entero de minutos de 1 a 1440.";
    /// $1: a key of the policy.
    ComplaintPercentage "complaint_percentage": "$1: a value that is no percentage from 10% to 95% is not used.",
        "$1: no se usa un valor que no es un porcentaje del 10% al 95%.";
    /// $1: a key of the policy.
    ComplaintDeviceName "complaint_device_name": "$1: a value that cannot be part of a device's name (at most 200 characters) is not used.",
        "$1: no se usa un valor que no puede ser parte del nombre de un dispositivo (200 caracteres como máximo).";
    /// $1: a key of the policy.
    ComplaintText "complaint_text": "$1: a value that is no text is not used.",
        "$1: no se usa un valor que no es texto.";
    /// $1: a key of the policy.
    ComplaintList "complaint_list": "$1: a value that is no list is not used.",
        "$1: no se usa un valor que no es una lista.";
    /// $1: a key of the policy.
    ComplaintTrueOrFalse "complaint_true_or_false": "$1: a value that is neither true nor false is not used.",
        "$1: no se usa un valor que no es ni verdadero (true) ni falso (false).";
    /// $1: a key of the policy. $2: the words that it may be.
    ComplaintOneOf "complaint_one_of": "$1: a value that is none of these is not used: $2.",
        "$1: no se usa un valor que no es ninguno de estos: $2.";
    FlexStep "flex_step": "Open Flex and log in", "Abra Flex e inicie sesión";
    FlexStepHelp "flex_step_help": "Calls arrive in Flex as always. There is nothing to set up.",
        "Las llamadas llegan a Flex como siempre. No hay nada que configurar.";
    FlexStepDone "flex_step_done": "Flex is connected", "Flex está conectado";
    FlexStepDoneHelp "flex_step_done_help": "You are ready for calls. You can close this page.",
        "Ya puede recibir llamadas. Puede cerrar esta página.";
    FlexStepMicrophone "flex_step_microphone": "Allow the microphone, and you are ready for calls.",
        "Permita el micrófono y podrá recibir llamadas.";
    BadgeOff "badge_off": "Holdfast: waiting for Flex", "Holdfast: esperando a Flex";
    BadgeConnecting "badge_connecting": "Holdfast: connecting", "Holdfast: conectando";
    BadgeReady "badge_ready": "Holdfast: ready for calls", "Holdfast: listo para recibir llamadas";
    BadgeRinging "badge_ringing": "Holdfast: a call is ringing", "Holdfast: suena una llamada";
    BadgeOnCall "badge_on_call": "Holdfast: on a call", "Holdfast: en llamada";
    BadgeMuted "badge_muted": "Holdfast: on a call, muted", "Holdfast: en llamada, micrófono silenciado";
    BadgeProblem "badge_problem": "Holdfast: needs attention. Click to see why",
        "Holdfast: requiere atención. Haga clic para ver el motivo";
    NoticeCall "notice_call": "On a call", "En una llamada";
}
