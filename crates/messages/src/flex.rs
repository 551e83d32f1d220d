//! What the plugin says to an agent in Flex.
//!
//! An administrator may replace any of these texts, as any text of Flex: by `manager.strings` under the key that
//! [`Text::key`] names. `{…}` are places.

use protocol::QualityWarning;

use crate::{
    Language, Words,
    problems::{self, Clause, WARNINGS},
};

macro_rules! texts {
    ($($name:ident: $english:literal, $spanish:literal;)*) => {
        /// One text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Text {
            $(#[doc = $english] $name,)*
            /// What to do about a problem of the extension.
            Problem(Clause),
            /// What a warning of the SDK means to an agent.
            Warning(QualityWarning),
        }

        impl Text {
            /// The texts that are neither of a problem nor of a warning.
            pub const SINGLE: &'static [Self] = &[$(Self::$name),*];

            /// The text's key in `manager.strings`.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("Holdfast", stringify!($name)),)*
                    Self::Problem(clause) => clause.key(),
                    Self::Warning(warning) => problems::warning_key(warning),
                }
            }

            const fn words(self) -> Words {
                match self {
                    $(Self::$name => Words::new($english, $spanish),)*
                    Self::Problem(clause) => clause.words(),
                    Self::Warning(warning) => problems::warning_in_flex(warning),
                }
            }
        }
    };
}

impl Text {
    /// Every text.
    pub fn all() -> impl Iterator<Item = Self> {
        let problems = Clause::ALL.iter().copied().map(Self::Problem);
        let warnings = WARNINGS.iter().copied().map(Self::Warning);
        Self::SINGLE.iter().copied().chain(problems).chain(warnings)
    }

    /// The built-in text.
    #[must_use]
    pub const fn built_in(self, language: Language) -> &'static str {
        self.words().in_language(language)
    }
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
    CallReconnectingDetail: "The call's connection is being repaired.",
        "Se está reparando la conexión de la llamada.";
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
    BecauseUnavailable: "{what}, because voice is not available: {todo}.",
        "{what} porque la voz no está disponible: {todo}.";
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
    Microphone: "Microphone", "Micrófono";
    Speaker: "Speaker", "Altavoz";
    SystemDefault: "Chosen by the system", "Elegido por el sistema";
    UnnamedDevice: "Unnamed device", "Dispositivo sin nombre";
    DeviceMissing: "{device} is not plugged in; {used} is in use.",
        "{device} no está conectado; se usa {used}.";
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
    // Chat history: the tab, and what stands above a task.
    HistoryTab: "History", "Historial";
    HistoryBanner: "An earlier conversation with this customer exists.", "Existe una conversación anterior con este cliente.";
    HistoryOpen: "Open it", "Abrirla";
    HistoryClose: "Close this notice", "Cerrar este aviso";
    HistoryReadOnly: "Only to read: the customer does not see this tab. Write in the chat.",
        "Solo para leer: el cliente no ve esta pestaña. Escriba en el chat.";
    HistoryMessages: "Earlier messages", "Mensajes anteriores";
    HistoryLoading: "Loading…", "Cargando…";
    HistorySlow: "Still loading. The chat beside it works meanwhile.",
        "Sigue cargando. Mientras tanto, el chat funciona.";
    HistoryPlace: "Going back to where you were…", "Volviendo a donde estaba…";
    HistoryLoaded: "{count} messages loaded", "{count} mensajes cargados";
    HistoryReading: "{count} messages read so far…", "{count} mensajes leídos hasta ahora…";
    HistoryBound: "{count} messages were read; older ones are left out.",
        "Se leyeron {count} mensajes; los más antiguos se omiten.";
    HistoryStop: "Stop", "Detener";
    HistoryEmpty: "There are no earlier messages.", "No hay mensajes anteriores.";
    HistoryBegin: "This is where it begins.", "Aquí empieza.";
    HistoryRetention: "Older messages are hidden by your organisation's rule of {days} days.",
        "Los mensajes más antiguos están ocultos por la norma de {days} días de su organización.";
    HistoryHidden: "Older messages are hidden by your organisation's rule.",
        "Los mensajes más antiguos están ocultos por una norma de su organización.";
    HistoryNoMessages: "no messages", "sin mensajes";
    HistoryGone: "can no longer be read", "ya no se puede leer";
    HistoryRetry: "Try again", "Reintentar";
    // Who wrote, and by what.
    HistoryCustomer: "Customer", "Cliente";
    HistoryAgent: "Agent", "Agente";
    HistoryBot: "Bot", "Asistente virtual";
    HistoryWeb: "Web chat", "Chat web";
    HistoryEmail: "E-mail", "Correo electrónico";
    HistoryChat: "Conversation", "Conversación";
    HistoryFile: "File", "Archivo";
    HistoryDownload: "Open {name}", "Abrir {name}";
    HistoryOpening: "Opening {name}…", "Abriendo {name}…";
    HistoryNoPicture: "{name} could not be shown. Open it", "No se pudo mostrar {name}. Abrir";
    HistoryNoFile: "The file could not be opened. Try again in a moment.",
        "No se pudo abrir el archivo. Inténtelo de nuevo en un momento.";
    HistoryPosition: "Place on the map", "Lugar en el mapa";
    HistoryNothing: "A message without text", "Un mensaje sin texto";
    // Searching, copying, printing.
    HistorySearch: "Search in earlier messages", "Buscar en los mensajes anteriores";
    HistoryHits: "{current} of {count}", "{current} de {count}";
    HistoryNoHits: "Not found", "No encontrado";
    HistoryOlder: "Older hit", "Resultado anterior";
    HistoryNewer: "Newer hit", "Resultado siguiente";
    HistoryCopy: "Copy", "Copiar";
    HistoryPrint: "Print", "Imprimir";
    HistoryLoadAll: "Load all", "Cargar todo";
    HistoryCopied: "{count} messages copied.", "{count} mensajes copiados.";
    HistoryCopiedPart: "{count} messages copied: those that are loaded. There are more.",
        "{count} mensajes copiados: los que están cargados. Hay más.";
    HistoryNotCopied: "The browser did not let us copy. Use Print instead.",
        "El navegador no permitió copiar. Use Imprimir.";
    HistoryPart: "These are the messages that were loaded. There are older ones.",
        "Estos son los mensajes cargados. Hay otros más antiguos.";
    // What went wrong, and what to do.
    HistoryNotFound: "This conversation was deleted, or this task does not give it to you. If you need it, tell your administrator which task it is.",
        "Esta conversación se eliminó o esta tarea no le da acceso. Si la necesita, indique la tarea a su administrador.";
    HistoryOff: "Chat history is not switched on at the service, or not for this Flex. Tell your administrator.",
        "El historial de chat no está activado en el servicio, o no para este Flex. Avise a su administrador.";
    HistoryToken: "Your Flex session is not accepted any more. Log in to Flex again, then try again.",
        "Su sesión de Flex ya no es válida. Vuelva a iniciar sesión en Flex y reintente.";
    HistoryWaitsForToken: "Your Flex session is being renewed; this goes on by itself.",
        "Se está renovando su sesión de Flex; esto continuará solo.";
    HistoryNotAllowed: "The service does not let you read chat history ({code}). Tell your administrator.",
        "El servicio no le permite leer el historial de chat ({code}). Avise a su administrador.";
    HistoryBusy: "Too many requests just now. This goes on by itself in {seconds} s.",
        "Demasiadas solicitudes en este momento. Continuará solo en {seconds} s.";
    HistoryUnavailable: "Earlier messages cannot be read at the moment; it is tried again by itself. The chat beside it works.",
        "Ahora no se pueden leer los mensajes anteriores; se reintentará solo. El chat funciona.";
    HistoryBroken: "The service gave an unexpected answer ({code}). If it stays, tell your administrator.",
        "El servicio dio una respuesta inesperada ({code}). Si continúa, avise a su administrador.";
    HistorySetting: "Ask your administrator to correct “{setting}” in the Flex configuration (ui_attributes.holdfast).",
        "Pida a su administrador que corrija «{setting}» en la configuración de Flex (ui_attributes.holdfast).";
    HistoryMalformed: "The task's attribute “{attribute}” is no conversation's SID (CH and 32 digits), so the earlier conversation cannot be found. Tell your administrator.",
        "El atributo «{attribute}» de la tarea no es el SID de una conversación (CH y 32 dígitos), por lo que no se encuentra la conversación anterior. Avise a su administrador.";
    // Two tasks on one conversation.
    HistoryStillOpen: "You still have this customer's chat open in another task. Complete that one first: completing either removes you from both.",
        "Aún tiene abierto el chat de este cliente en otra tarea. Complete primero aquella: completar cualquiera lo saca de ambas.";
    HistoryStillWrapping: "You still have this customer's chat open (wrapping up). Complete that one first: completing either removes you from both.",
        "Aún tiene abierto el chat de este cliente (en cierre). Complete primero aquella tarea: completar cualquiera lo saca de ambas.";
    HistoryCompleteHurts: "Another task of yours is on this same chat. Completing this one removes you from it, and you could no longer write there. Press Complete once more to do it all the same.",
        "Otra tarea suya está en este mismo chat. Completar esta lo saca de él y ya no podría escribir allí. Pulse Completar otra vez para hacerlo igualmente.";
    // Video: the button in a task's header, and the card above the task. The invitation is what the customer reads: letters of
    // GSM-7 alone, and nothing right behind the link.
    VideoInvitation: "Let's talk face to face. Open this link to start the video call: {url}",
        "Hablemos cara a cara. Abra este enlace para iniciar la videollamada: {url}";
    VideoTitle: "Video call", "Videollamada";
    VideoStart: "Start a video call", "Iniciar una videollamada";
    VideoOpening: "Opening the video call…", "Abriendo la videollamada…";
    VideoShow: "Show the video call", "Mostrar la videollamada";
    VideoFailed: "The video call could not be opened. Try again", "No se pudo abrir la videollamada. Reintentar";
    VideoInvited: "The customer has not opened the link yet.", "El cliente aún no ha abierto el enlace.";
    VideoOpened: "The customer has opened the link.", "El cliente ha abierto el enlace.";
    VideoMet: "You and the customer are in the call.", "Usted y el cliente están en la llamada.";
    VideoRunning: "A video call with this customer is running.", "Hay una videollamada en curso con este cliente.";
    VideoAway: "The customer is not in the call now. The same link brings them back.",
        "El cliente no está ahora en la llamada. Puede volver con el mismo enlace.";
    VideoSending: "Sending the link…", "Enviando el enlace…";
    VideoBusyNow: "One moment…", "Un momento…";
    VideoEnded: "The video call is over.", "La videollamada ha terminado.";
    VideoEndedTask: "The video call ended with the task.", "La videollamada terminó con la tarea.";
    VideoEndedDuration: "The video call reached the longest time that your organisation allows.",
        "La videollamada alcanzó la duración máxima que permite su organización.";
    // Who is there, and how well.
    VideoYou: "You", "Usted";
    VideoCustomer: "Customer", "Cliente";
    VideoAgent: "Colleague", "Colega";
    VideoGuest: "Guest", "Invitado";
    VideoGood: "good connection", "buena conexión";
    VideoFair: "fair connection", "conexión regular";
    VideoPoor: "poor connection", "mala conexión";
    VideoBreaksUp: "the connection breaks up", "la conexión se corta";
    VideoLost: "the connection is lost, and may come back", "conexión perdida; puede volver";
    // Who waits.
    VideoKnock: "The customer waits to be let in.", "El cliente espera a que le dejen entrar.";
    VideoOtherBrowser: "The link was opened in another browser. Let it in only if it is your customer: their place moves there.",
        "El enlace se abrió en otro navegador. Déjelo entrar solo si es su cliente: su lugar pasará allí.";
    VideoSecondBrowser: "Somebody else opened the link while the customer is in the call. Let them in only if the customer wants that.",
        "Otra persona abrió el enlace mientras el cliente está en la llamada. Déjela entrar solo si el cliente lo desea.";
    VideoAdmit: "Let in", "Dejar entrar";
    VideoRefuse: "Refuse", "Rechazar";
    // What else there is to know.
    VideoRecordingAsking: "Not recorded: not everybody has agreed yet.", "No se graba: aún no todos han aceptado.";
    VideoRecordingOn: "Recorded: everybody has agreed.", "Se graba: todos han aceptado.";
    VideoRecordingRefused: "Not recorded: somebody said no.", "No se graba: alguien no aceptó.";
    VideoMicrophoneOff: "You are on a phone call: your microphone is off in the video call.",
        "Está en una llamada telefónica: su micrófono está apagado en la videollamada.";
    VideoStale: "The service does not answer; what is shown may be old. It is asked again by itself.",
        "El servicio no responde; lo que se muestra puede estar anticuado. Se reintentará solo.";
    // What can be done.
    VideoShowWindow: "Show window", "Mostrar ventana";
    VideoJoin: "Join", "Unirse";
    VideoNewLink: "Send a new link", "Enviar un nuevo enlace";
    VideoNewLinkSure: "All links that were sent before stop working.", "Todos los enlaces enviados antes dejarán de funcionar.";
    VideoNewLinkYes: "Send", "Enviar";
    VideoNewLinkNo: "Cancel", "Cancelar";
    VideoEnd: "End", "Terminar";
    VideoRetry: "Try again", "Reintentar";
    VideoSendAgain: "Send again", "Enviar de nuevo";
    VideoOpenWindow: "Open the window", "Abrir la ventana";
    VideoOpenTab: "Open in a tab", "Abrir en una pestaña";
    // What went wrong, and what to do.
    VideoNotSent: "The link could not be sent into the chat.", "No se pudo enviar el enlace al chat.";
    VideoBlocked: "The browser blocked the window of the video call. Allow pop-ups for Flex, then open it here.",
        "El navegador bloqueó la ventana de la videollamada. Permita las ventanas emergentes para Flex y ábrala aquí.";
    VideoNoWindow: "The extension did not open the window of the video call.",
        "La extensión no abrió la ventana de la videollamada.";
    VideoWaitsForToken: "Your Flex session is being renewed; this goes on by itself.",
        "Se está renovando su sesión de Flex; esto continuará solo.";
    VideoToken: "Your Flex session is not accepted any more. Log in to Flex again, then try again.",
        "Su sesión de Flex ya no es válida. Vuelva a iniciar sesión en Flex y reintente.";
    VideoNotFound: "The service does not find this task among yours. Reload Flex; if it stays, tell your administrator.",
        "El servicio no encuentra esta tarea entre las suyas. Recargue Flex; si continúa, avise a su administrador.";
    VideoOff: "Video is not switched on at the service, or not for this Flex. Tell your administrator.",
        "El video no está activado en el servicio, o no para este Flex. Avise a su administrador.";
    VideoNotAllowed: "The service does not let you make video calls ({code}). Tell your administrator.",
        "El servicio no le permite hacer videollamadas ({code}). Avise a su administrador.";
    VideoBusy: "Too many requests just now. Try again in {seconds} s.",
        "Demasiadas solicitudes en este momento. Reintente en {seconds} s.";
    VideoUnavailable: "The video service cannot be reached at the moment. Go on in the chat, and try again.",
        "Ahora no se puede acceder al servicio de video. Siga en el chat y reintente.";
    VideoOver: "This video call is over. Start a new one.", "Esta videollamada ha terminado. Inicie otra.";
    VideoGone: "They are not waiting any more.", "Ya no está esperando.";
    VideoFull: "The call is full. Somebody has to leave first.", "La llamada está completa. Antes debe salir alguien.";
    VideoNoText: "No text message could be sent to this customer. Tell your administrator.",
        "No se pudo enviar un mensaje de texto a este cliente. Avise a su administrador.";
    VideoBroken: "The service gave an unexpected answer ({code}). If it stays, tell your administrator.",
        "El servicio dio una respuesta inesperada ({code}). Si continúa, avise a su administrador.";
    VideoSetting: "Ask your administrator to correct “{setting}” in the Flex configuration (ui_attributes.holdfast).",
        "Pida a su administrador que corrija «{setting}» en la configuración de Flex (ui_attributes.holdfast).";
}
