//! What the page of a video call says: to customers who have never heard of us, and to agents.
//!
//! `{…}` are places.

use crate::{Language, Words};

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

            /// The text, in every language.
            #[must_use]
            pub const fn words(self) -> Words {
                match self {
                    $(Self::$name => Words::new($english, $spanish),)*
                }
            }
        }
    };
}

impl Text {
    /// In this language.
    #[must_use]
    pub const fn say(self, language: Language) -> &'static str {
        self.words().in_language(language)
    }

    /// In this language, with something in its only place.
    #[must_use]
    pub fn with(self, language: Language, value: &str) -> String {
        let text = self.say(language);
        let Some(((before, _), (_, after))) = text.split_once('{').zip(text.split_once('}')) else {
            return text.to_owned();
        };
        [before, value, after].concat()
    }
}

texts! {
    // Titles of the page.
    Title: "Video call", "Videollamada";
    TitleOver: "Video call: over", "Videollamada: terminada";
    TitleTrouble: "Video call: not connected", "Videollamada: sin conexión";
    // On the way.
    OneMoment: "One moment…", "Un momento…";
    Joining: "Connecting…", "Conectando…";
    GoingBack: "Going back into the call…", "Volviendo a la llamada…";
    AwaitingLink: "Waiting for Flex to open the call…", "Esperando a que Flex abra la llamada…";
    StillTrying: "This takes longer than it should. Trying again.", "Tarda más de lo normal. Se intenta de nuevo.";
    // Before joining.
    Invites: "{host} invites you to a video call", "{host} le invita a una videollamada";
    InvitesNobody: "You are invited to a video call", "Le invitan a una videollamada";
    CheckSentence: "See how you look and sound. Nobody sees or hears you before you join.",
        "Compruebe su imagen y su sonido. Nadie le ve ni le oye hasta que entre.";
    Join: "Join", "Entrar";
    TestSpeaker: "Play a test tone", "Oír un tono de prueba";
    TonePlays: "You should hear a tone", "Debería oír un tono";
    Level: "How loud your microphone is", "Nivel de su micrófono";
    CameraIsOff: "Camera is off", "La cámara está apagada";
    CameraStarts: "The camera is starting…", "Encendiendo la cámara…";
    NoCamera: "No camera", "Sin cámara";
    // Camera and microphone.
    CameraOn: "Turn camera on", "Encender la cámara";
    CameraOff: "Turn camera off", "Apagar la cámara";
    Mute: "Mute", "Silenciar";
    Unmute: "Unmute", "Activar el micrófono";
    MicrophoneOn: "Turn microphone on", "Encender el micrófono";
    Camera: "Camera", "Cámara";
    Microphone: "Microphone", "Micrófono";
    Speaker: "Speaker", "Altavoz";
    Devices: "Devices", "Dispositivos";
    SystemDefault: "Chosen by the system", "Elegido por el sistema";
    Device: "Device {number}", "Dispositivo {number}";
    Flip: "Other camera", "Otra cámara";
    Share: "Share screen", "Compartir pantalla";
    StopSharing: "Stop sharing", "Dejar de compartir";
    // What is wrong with them.
    BothRefused: "The browser does not let this page use your camera and microphone.",
        "El navegador no permite que esta página use su cámara y su micrófono.";
    CameraRefused: "The browser does not let this page use your camera.",
        "El navegador no permite que esta página use su cámara.";
    MicrophoneRefused: "The browser does not let this page use your microphone.",
        "El navegador no permite que esta página use su micrófono.";
    HowToAllow: "Open the site settings beside the address, allow camera and microphone, then try again. On a phone, the browser itself needs permission in the phone's settings.",
        "Abra los ajustes del sitio junto a la dirección, permita la cámara y el micrófono e inténtelo de nuevo. En un teléfono, el propio navegador necesita permiso en los ajustes del teléfono.";
    AppInTheWay: "The app that shows this page may be in the way. Open the page in Safari or Chrome: use the app's menu, or copy the link.",
        "Puede que lo impida la aplicación que muestra esta página. Ábrala en Safari o Chrome: use el menú de la aplicación o copie el enlace.";
    BothMissing: "No camera and no microphone were found.", "No se encontró ninguna cámara ni micrófono.";
    CameraMissing: "No camera was found.", "No se encontró ninguna cámara.";
    MicrophoneMissing: "No microphone was found.", "No se encontró ningún micrófono.";
    ConnectOne: "Connect one and try again, or join without.", "Conecte uno e inténtelo de nuevo, o entre sin él.";
    BothBusy: "Camera and microphone cannot be opened.", "No se pueden abrir la cámara y el micrófono.";
    CameraBusy: "The camera cannot be opened.", "No se puede abrir la cámara.";
    MicrophoneBusy: "The microphone cannot be opened.", "No se puede abrir el micrófono.";
    CloseOthers: "Close other programs that use it, then try again.",
        "Cierre otros programas que lo usen e inténtelo de nuevo.";
    Retry: "Try again", "Reintentar";
    SoundOnly: "With sound only", "Solo con sonido";
    WatchOnly: "Only watch and listen", "Solo ver y escuchar";
    CopyLink: "Copy link", "Copiar enlace";
    // The agent's phone call.
    CallHasMicrophone: "Your phone call has the microphone: in the video you are not heard.",
        "Su llamada telefónica usa el micrófono: en el vídeo no se le oye.";
    CallUnknown: "The microphone waits until it is clear that no phone call is live.",
        "El micrófono espera hasta que se sepa que no hay ninguna llamada telefónica.";
    CallIsOver: "My phone call is over", "Mi llamada telefónica ha terminado";
    CallOver: "Your phone call is over. Turn the microphone on to be heard here.",
        "Su llamada telefónica ha terminado. Encienda el micrófono para que se le oiga aquí.";
    // Recording.
    ConsentQuestion: "May this call be recorded?", "¿Se puede grabar esta llamada?";
    ConsentHelp: "It is recorded only if everybody agrees. You can join either way.",
        "Solo se graba si todos están de acuerdo. Puede entrar en cualquier caso.";
    ConsentYes: "Yes, it may", "Sí, se puede";
    ConsentNo: "No, do not record", "No, no grabar";
    RecordingOn: "Recording", "Grabando";
    RecordingAsking: "Not recorded: not everybody has answered", "Sin grabar: no todos han respondido";
    RecordingRefused: "Not recorded", "Sin grabar";
    RecordingBegan: "This call is now recorded.", "Esta llamada se está grabando.";
    RecordingEnded: "This call is no longer recorded.", "Esta llamada ya no se graba.";
    // Waiting.
    WaitingHeading: "Waiting to be let in", "Esperando a que le dejen entrar";
    WaitingKnock: "The agent knows that you are here and will let you in.",
        "El agente sabe que está aquí y le dejará entrar.";
    WaitingOtherBrowser: "This link was opened in another browser before. The agent has to say yes to this one.",
        "Este enlace se abrió antes en otro navegador. El agente tiene que aceptar este.";
    WaitingSecond: "Somebody has joined by this link already. The agent has to say yes to one more.",
        "Ya ha entrado alguien con este enlace. El agente tiene que aceptar a otra persona.";
    ServiceSilent: "The service does not answer just now. Trying again.",
        "El servicio no responde en este momento. Se intenta de nuevo.";
    StopWaiting: "Stop waiting", "Dejar de esperar";
    // In the room: people.
    You: "You", "Usted";
    Agent: "Agent", "Agente";
    Customer: "Customer", "Cliente";
    Guest: "Guest", "Invitado";
    ScreenOf: "{name}: screen", "{name}: pantalla";
    IsLost: "Connection lost, trying again", "Conexión perdida, reintentando";
    IsGone: "Page closed; may be back in a moment", "Página cerrada; puede volver en un momento";
    SaidCameraOn: "camera on", "cámara encendida";
    SaidCameraOff: "camera off", "cámara apagada";
    SaidMicrophoneOn: "microphone on", "micrófono encendido";
    SaidMicrophoneOff: "microphone off", "micrófono apagado";
    SaidSpeaking: "speaking", "hablando";
    QualityGood: "Good connection", "Buena conexión";
    QualityFair: "Fair connection", "Conexión regular";
    QualityPoor: "Poor connection", "Mala conexión";
    QualityBroken: "Hardly any connection", "Casi sin conexión";
    Alone: "Nobody else is here yet.", "Todavía no hay nadie más.";
    AloneCustomer: "The agent will be here in a moment.", "El agente llegará en un momento.";
    AloneAgent: "The customer is not here yet. They have the link.", "El cliente aún no está. Tiene el enlace.";
    AloneLeft: "The other side has left the call.", "La otra persona ha salido de la llamada.";
    AloneNotBack: "The other side's page was closed, and nobody came back.",
        "La página de la otra persona se cerró y no ha vuelto.";
    // In the room: ourselves.
    Reconnecting: "Your connection is lost. Trying again; the others see a still picture meanwhile.",
        "Ha perdido la conexión. Se intenta de nuevo; mientras tanto los demás ven una imagen fija.";
    Rejoining: "You are out of the call. Going back by itself…", "Está fuera de la llamada. Volviendo automáticamente…";
    NetworkBlocks: "It does not work yet. Your network may block video: another network, or mobile data, may help. The chat is still there.",
        "Aún no funciona. Su red puede bloquear el vídeo: otra red o los datos móviles pueden ayudar. El chat sigue disponible.";
    TryNow: "Try now", "Intentar ahora";
    SoundBlocked: "The browser holds the sound back.", "El navegador retiene el sonido.";
    Hear: "Tap to hear", "Toque para oír";
    Leave: "Leave", "Salir";
    EndForAll: "End for all", "Terminar para todos";
    EndQuestion: "End the call for everybody?", "¿Terminar la llamada para todos?";
    EndHelp: "The link stops working. The chat stays open.", "El enlace dejará de funcionar. El chat sigue abierto.";
    EndYes: "End", "Terminar";
    EndNo: "Go on", "Seguir";
    MetFor: "In the call for", "En la llamada desde hace";
    // Who waits, for the agent.
    KnockCustomer: "The customer waits to be let in.", "El cliente espera para entrar.";
    KnockOther: "The customer's link was opened in another browser. Let in, it takes the customer's place.",
        "El enlace del cliente se abrió en otro navegador. Si lo acepta, ocupará el lugar del cliente.";
    KnockSecond: "Somebody else has opened the customer's link and waits.",
        "Otra persona ha abierto el enlace del cliente y espera.";
    Admit: "Let in", "Dejar entrar";
    Refuse: "Refuse", "Rechazar";
    // What happened.
    Came: "{name} has joined.", "{name} ha entrado.";
    CameBack: "{name} is back.", "{name} ha vuelto.";
    WasLeft: "{name} has left.", "{name} ha salido.";
    WasGone: "{name} closed the page and may be back in a moment.", "{name} cerró la página y puede volver en un momento.";
    WasNotBack: "{name} has left and did not come back.", "{name} ha salido y no ha vuelto.";
    WasLost: "The connection to {name} is lost. Trying again.", "Se ha perdido la conexión con {name}. Reintentando.";
    WasReached: "The connection to {name} is back.", "Se ha recuperado la conexión con {name}.";
    Shares: "{name} shares a screen.", "{name} comparte su pantalla.";
    SharesNoMore: "{name} no longer shares a screen.", "{name} ya no comparte su pantalla.";
    Sharing: "You share your screen.", "Está compartiendo su pantalla.";
    NotSharing: "Your screen is no longer shared.", "Ya no comparte su pantalla.";
    ShareFailed: "The screen could not be shared. The system may have to allow the browser to record it.",
        "No se pudo compartir la pantalla. Puede que el sistema deba permitir que el navegador la grabe.";
    Copied: "Link copied. Paste it into Safari or Chrome.", "Enlace copiado. Péguelo en Safari o Chrome.";
    NotCopied: "The link could not be copied. Copy it out of the address bar.",
        "No se pudo copiar el enlace. Cópielo de la barra de direcciones.";
    DeviceLost: "A camera or microphone has stopped. Check the cable, or choose another.",
        "Se ha detenido una cámara o un micrófono. Compruebe el cable o elija otro.";
    Knock: "Somebody waits to be let in.", "Alguien espera para entrar.";
    NotDone: "That did not work. Try again.", "No ha funcionado. Inténtelo de nuevo.";
    ConnectionLost: "Connection lost, trying again.", "Conexión perdida, reintentando.";
    ConnectionBack: "You are in the call again.", "Está de nuevo en la llamada.";
    InTheCall: "You are in the call.", "Está en la llamada.";
    // Ends.
    LeftHeading: "You have left the call", "Ha salido de la llamada";
    LeftSentence: "You can come back while it goes on. The chat is still there.",
        "Puede volver mientras continúe. El chat sigue disponible.";
    ComeBack: "Come back", "Volver";
    EndedHeading: "The call has ended", "La llamada ha terminado";
    EndedAgent: "It was ended for everybody. You can close this page.",
        "Se terminó para todos. Puede cerrar esta página.";
    EndedTask: "Your conversation with the agent is over, and the call with it. You can close this page.",
        "Su conversación con el agente ha terminado, y con ella la llamada. Puede cerrar esta página.";
    EndedTaskAgent: "The task is over, and the call with it.", "La tarea ha terminado, y con ella la llamada.";
    EndedDuration: "It has reached the longest time that a call may take. The chat is still there.",
        "Ha llegado a la duración máxima de una llamada. El chat sigue disponible.";
    EndedOther: "Nothing more is to be done here. The chat is still there.",
        "No hay nada más que hacer aquí. El chat sigue disponible.";
    TurnedAwayHeading: "You were not let in", "No se le ha dejado entrar";
    TurnedAwaySentence: "The agent said no, or the call went on in another browser. Write in the chat if that is a mistake.",
        "El agente no lo aceptó, o la llamada siguió en otro navegador. Si es un error, escriba en el chat.";
    RemovedHeading: "You were taken out of the call", "Se le ha sacado de la llamada";
    RemovedSentence: "If that is a mistake, come back, or write in the chat.", "Si es un error, vuelva o escriba en el chat.";
    ElsewhereHeading: "The call goes on elsewhere", "La llamada sigue en otro lugar";
    ElsewhereTab: "This call is open in another tab or window of this browser.",
        "Esta llamada está abierta en otra pestaña o ventana de este navegador.";
    ElsewhereBrowser: "This call was taken over by another page.", "Otra página ha asumido esta llamada.";
    UseHere: "Use it here", "Usarla aquí";
    // Troubles.
    InAppHeading: "This app shows the page without a camera", "Esta aplicación muestra la página sin cámara";
    InAppSentence: "Open this page in Safari or Chrome: use the app's menu (⋯), or copy the link and paste it there.",
        "Abra esta página en Safari o Chrome: use el menú de la aplicación (⋯) o copie el enlace y péguelo allí.";
    TooOldHeading: "This browser cannot make video calls", "Este navegador no puede hacer videollamadas";
    TooOldSentence: "Open this page in a current Chrome, Edge, Firefox or Safari. Copy the link and paste it there. The chat is still there.",
        "Abra esta página en una versión actual de Chrome, Edge, Firefox o Safari. Copie el enlace y péguelo allí. El chat sigue disponible.";
    InsecureHeading: "This page is not secure", "Esta página no es segura";
    InsecureSentence: "Camera and microphone work over https only. Open the link as you received it.",
        "La cámara y el micrófono solo funcionan por https. Abra el enlace tal como lo recibió.";
    UnknownHeading: "This link does not work", "Este enlace no funciona";
    UnknownSentence: "It is not complete, has been replaced, or its call is over. Ask for a new one in the chat.",
        "No está completo, se ha sustituido o su llamada ha terminado. Pida uno nuevo en el chat.";
    UnknownAgent: "The call is over or was opened anew. Click the video button in Flex.",
        "La llamada ha terminado o se abrió de nuevo. Pulse el botón de vídeo en Flex.";
    UsedHeading: "This link was used already", "Este enlace ya se ha usado";
    FullHeading: "The call is full", "La llamada está completa";
    FullSentence: "As many people are in it as may be. Try again when somebody has left, or write in the chat.",
        "Ya están todas las personas que pueden entrar. Inténtelo cuando alguien salga o escriba en el chat.";
    NotAllowedHeading: "The service does not allow this page", "El servicio no permite esta página";
    NotAllowedSentence: "Tell the organisation that sent you the link. The chat is still there.",
        "Avise a la organización que le envió el enlace. El chat sigue disponible.";
    SilentHeading: "The service does not answer", "El servicio no responde";
    SilentSentence: "Check your connection and try again. The chat is still there.",
        "Compruebe su conexión e inténtelo de nuevo. El chat sigue disponible.";
    NetworkHeading: "The video does not connect", "El vídeo no se conecta";
    NoLinkHeading: "Flex has not opened the call", "Flex no ha abierto la llamada";
    NoLinkSentence: "Go to Flex and click the video button of the task.",
        "Vaya a Flex y pulse el botón de vídeo de la tarea.";
    CloseWindow: "Close window", "Cerrar ventana";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_a_place_stands_there_as_it_is() {
        assert_eq!(Text::Came.with(Language::English, "Łukasz {name}"), "Łukasz {name} has joined.");
        assert_eq!(Text::Alone.with(Language::English, "x"), "Nobody else is here yet.");
    }
}
