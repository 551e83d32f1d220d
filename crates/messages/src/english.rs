//! What the machines say of a problem, in English: for logs, and for pages that have no words of their own. One code may
//! have several causes, and each says what to do about it. No text holds a token or anything that a page supplied.

use protocol::{Problem, ProblemCode};

/// Why there is a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The problem, for code.
    pub code: ProblemCode,
    /// What happened and what to do; `{}` is a place.
    pub text: &'static str,
}

impl Cause {
    /// The problem; `retrying`: the extension goes on trying by itself.
    #[must_use]
    pub fn problem(self, retrying: bool) -> Problem {
        Problem { code: self.code, message: self.text.into(), retrying }
    }

    /// As [`Self::problem`], with the place filled; nothing is tried again.
    #[must_use]
    pub fn with(self, detail: &str) -> Problem {
        Problem { code: self.code, message: self.text.replace("{}", detail), retrying: false }
    }
}

macro_rules! causes {
    ($($code:ident { $($name:ident: $text:literal;)* })*) => {
        $($(
            #[doc = $text]
            pub const $name: Cause = Cause { code: ProblemCode::$code, text: $text };
        )*)*

        /// Every cause and its name.
        pub const ALL: &[(&str, Cause)] = &[$($((stringify!($name), $name),)*)*];
    };
}

causes! {
    WrongPageOrigin {
        PAGE_NOT_IN_POLICY: "Your administrator's policy does not let pages of this address use the voice client. Open the Flex that your organization uses.";
    }
    WrongAccount {
        ACCOUNT_NOT_IN_POLICY: "Your administrator has set up this browser for another Twilio account. Sign in to that account's Flex.";
        ACCOUNT_NOT_THE_FIRST: "The voice client already serves another Twilio account. Press Restart in the extension to change over.";
        TOKEN_OF_OTHER_ACCOUNT: "This Flex token is for another account than the one that the page was accepted for.";
    }
    WrongTokenUrl {
        TOKEN_URL_NOT_HTTPS: "The token service URL of the Flex plugin is not a plain https URL. Correct the plugin's configuration.";
        TOKEN_URL_NOT_IN_POLICY: "The Flex plugin names another token service than your administrator's policy. Make the two agree.";
        TOKEN_URL_NOT_THE_FIRST: "The voice client already uses another token service. Press Restart in the extension to change over.";
    }
    WrongPrefix {
        OTHER_PREFIX: "The Flex plugin names another identity prefix than the voice client uses. Make the two agree.";
    }
    NotConfigured {
        NOT_ACCEPTED: "This page has not been accepted. Send CONFIGURE first.";
        VIDEO_NOT_SIGNED_IN: "The agent of this page is not signed in to the voice client yet. Try again in a moment; if it stays so, reload Flex.";
    }
    MalformedMessage {
        WRONG_PAYLOAD: "The payload of this message is not what its type says. Correct the sender.";
        NO_MESSAGE: "This is not a message for the extension. Correct the sender.";
        WRONG_FLEX_TOKEN: "FLEX_TOKEN needs a token and an ISO-8601 expiration.";
    }
    UnknownType {
        UNKNOWN_TYPE: "This extension does not know that message type. Update the extension or the plugin.";
    }
    TooManyMessages {
        VIDEO_TOO_MANY: "Too many video windows were asked for. Close one, wait a moment, and try again.";
        FLOODED: "A Flex page sends more messages than the voice client takes. Some were dropped.";
    }
    LineContested {
        CONTESTED: "Another script in a Flex page wanted to speak in the plugin's place. It was not listened to.";
    }
    ConsentNeeded {
        CONSENT_NEEDED: "Open the extension and say whether it may use this token service.";
    }
    ConsentDeclined {
        CONSENT_DECLINED: "You did not agree to this token service. To change that, press Restart in the extension.";
    }
    InvalidFlexToken {
        FLEX_TOKEN_EXPIRED: "This Flex token has expired. Refresh the Flex session and send the new token.";
        FLEX_SESSION_REFUSED: "The token service does not accept your Flex session. Reload Flex; if it stays so, sign in again.";
        ROLE_NOT_ALLOWED: "Your Flex user may not use the voice client. Ask an administrator for the agent role.";
    }
    WrongIdentity {
        OTHER_AGENT: "The token service takes this Flex session for another agent's, so no calls are taken. Reload Flex; if it stays so, tell your administrator.";
    }
    TokenServiceUnavailable {
        TOKEN_SERVICE_SILENT: "The token service did not answer in time. Trying again.";
        TOKEN_SERVICE_UNREACHABLE: "The token service cannot be reached. Check the network; trying again.";
        TOKEN_SERVICE_BUSY: "The token service is busy. Trying again.";
        TOKEN_SERVICE_BROKEN: "The token service has a problem of its own. Trying again.";
    }
    TokenServiceMisconfigured {
        ANSWER_TOO_LONG: "The token service sent something that is not a token. Check its URL in the Flex plugin's configuration.";
        ANSWER_NO_TOKEN: "The token service's answer is not a Voice token. Check its URL and version.";
        TOKEN_FOR_OTHER_ACCOUNT: "The token service answered for another Twilio account. Check its URL and its account.";
        TOKEN_SERVICE_OF_OTHER_ACCOUNT: "The token service belongs to another Twilio account than this Flex. Check the token service URL.";
        TOKEN_SERVICE_WITH_OTHER_PREFIX: "The token service uses another identity prefix than the Flex plugin. Make the two agree.";
        ORIGIN_NOT_ALLOWED: "The token service does not allow this extension. Add the extension's origin to its configuration.";
        REQUEST_NOT_UNDERSTOOD: "The token service does not understand the request. Check its URL and version.";
    }
    VoiceTokenRefused {
        VOICE_TOKEN_REFUSED: "Twilio did not accept the Voice token. Fetching another; if it stays so, check the token service's API key.";
        VOICE_TOKEN_REFUSED_IN_CALL: "The call could not be answered, because Twilio refused the voice token ({}).";
    }
    GatewayUnavailable {
        GATEWAY_UNREACHABLE: "Twilio cannot be reached, so no calls arrive. Check the network; trying again.";
    }
    MicrophoneUnavailable {
        MICROPHONE_NOT_ALLOWED: "The extension may not use the microphone. Open its welcome page and allow it.";
        MICROPHONE_DENIED_IN_CALL: "The call could not be answered, because the extension may not use the microphone. Open the extension's options and allow it, or ask your administrator to.";
        MICROPHONE_NOT_OPENED: "The call could not be answered, because no microphone could be opened. Connect one, close other programs that use it alone, and check that the system lets the browser use it.";
        MICROPHONE_SLOW: "The call could not be answered, because the microphone did not open in time. Close other programs that use it, connect the headset anew or choose another one, and see whether a security program asks about it.";
    }
    AudioDeviceMissing {
        DEVICE_MISSING: "The device that you chose is not connected, or another program uses it. Another one is in use for this call.";
    }
    CallFailed {
        CALL_BROKE_OFF: "The call broke off. Ask the caller to call again.";
        CALL_BROKE: "The call broke: {}.";
        CALL_NOT_STARTED: "The call could not be carried: Chrome did not start the audio page.";
        CALL_NOT_CONNECTED: "The call could not be connected in time. Check the network.";
        CALL_TIMED_OUT: "The call could not be connected in time. Check the network; a firewall must let this computer reach Twilio's signalling and media addresses.";
        CALL_WHILE_BUSY: "The call was not answered, because another call is active.";
        CALL_LOST: "The connection to Twilio was lost and did not come back, and the call ended. Check the network.";
        CALL_AUDIO_LOST: "The call's audio connection was lost and did not come back, and the call ended. Check the network.";
    }
    Internal {
        VIDEO_NOT_OPENED: "Chrome did not open the video window. Try again; if it stays so, restart the browser.";
    }
}

/// A page's message was refused, whatever it was; the code says which way.
pub const PAGE_NOT_UNDERSTOOD: &str =
    "A Flex page sent a message that this extension does not understand. Update the plugin or the extension.";
