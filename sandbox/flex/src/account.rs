//! The sandbox's Twilio account: identifiers and secrets, fixed so that every process and test agrees on them.
//!
//! The identifiers look like Twilio's (a two-letter prefix and 32 hexadecimal digits) but are visibly made up. The
//! secrets open nothing except this sandbox and say so.

/// Account SID.
pub const ACCOUNT_SID: &str = "AC5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// API key SID: `iss` of every AccessToken of the sandbox's token service.
pub const API_KEY_SID: &str = "SK5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// API key secret, which signs AccessTokens (HS256).
pub const API_KEY_SECRET: &str = "sandbox-only-api-key-secret-opens-nothing";
/// Another API key, which only reads: that of chat history, which is never the one that mints tokens.
pub const READING_API_KEY_SID: &str = "SK5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b";
/// Its secret.
pub const READING_API_KEY_SECRET: &str = "sandbox-only-reading-key-secret-opens-nothing";
/// The API key of video, which makes rooms, signs their tokens, reads tasks and sends texts.
pub const VIDEO_API_KEY_SID: &str = "SK5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d";
/// Its secret.
pub const VIDEO_API_KEY_SECRET: &str = "sandbox-only-video-key-secret-opens-nothing";
/// Auth token of the account: the password of IAM's basic authentication.
pub const AUTH_TOKEN: &str = "sandbox-only-auth-token-opens-nothing";

/// Flex instance.
pub const FLEX_INSTANCE_SID: &str = "GO5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// Flex user of the agent.
pub const FLEX_USER_SID: &str = "FU5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// Conversations service.
pub const CHAT_SERVICE_SID: &str = "IS5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// TaskRouter workspace.
pub const WORKSPACE_SID: &str = "WS5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// TaskRouter workflow of voice tasks.
pub const WORKFLOW_SID: &str = "WW5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// TaskRouter queue of voice tasks.
pub const TASK_QUEUE_SID: &str = "WQ5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// TaskRouter workflow of chat tasks.
pub const CHAT_WORKFLOW_SID: &str = "WW5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c";
/// TaskRouter queue of chat tasks.
pub const CHAT_TASK_QUEUE_SID: &str = "WQ5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c";
/// A second agent, whom nobody plays.
pub const COLLEAGUE_WORKER_SID: &str = "WK6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b";
/// The second agent's name.
pub const COLLEAGUE_NAME: &str = "Ben Colleague";
/// The agent's TaskRouter worker.
pub const WORKER_SID: &str = "WK5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// The agent's identity as Flex encodes it: every byte outside `[A-Za-z0-9]` becomes `_` and two hex digits.
pub const AGENT_IDENTITY: &str = "agent_40example_2Ecom";
/// The agent's e-mail address, which [`AGENT_IDENTITY`] encodes.
pub const AGENT_EMAIL: &str = "agent@example.com";
/// The agent's name as Flex shows it.
pub const AGENT_NAME: &str = "Ada Agent";
/// Identity of the agent's Holdfast extension: the default prefix and [`AGENT_IDENTITY`].
pub const EXTENSION_IDENTITY: &str = "ext_agent_40example_2Ecom";

/// The call centre's own telephone number.
pub const CALL_CENTRE_NUMBER: &str = "+15550100000";

/// Activity "Offline": no calls; the default.
pub const ACTIVITY_OFFLINE: &str = "Offline";
/// Activity "Available": the only one in which reservations are made.
pub const ACTIVITY_AVAILABLE: &str = "Available";
/// Activity that the plugin chooses while the voice client cannot take calls.
pub const ACTIVITY_VOICE_CLIENT_OFFLINE: &str = "Voice Client Offline";

/// Where the browser finds the token service in the demo's topology.
pub const TOKEN_SERVICE_URL: &str = "https://voice-tokens.example.com/v1/voice/token";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_identity_is_the_flex_encoding_of_the_e_mail_address() {
        let encoded: String = AGENT_EMAIL
            .bytes()
            .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("_{b:02X}") })
            .collect();
        assert_eq!(encoded, AGENT_IDENTITY);
        assert_eq!(format!("ext_{AGENT_IDENTITY}"), EXTENSION_IDENTITY);
    }

    #[test]
    fn identifiers_have_twilios_form() {
        for sid in [ACCOUNT_SID, API_KEY_SID, FLEX_INSTANCE_SID, FLEX_USER_SID, CHAT_SERVICE_SID, WORKER_SID]
        {
            let (prefix, rest) = sid.split_at(2);
            assert!(prefix.bytes().all(|b| b.is_ascii_uppercase()), "{sid}");
            assert!(rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()), "{sid}");
        }
    }
}
