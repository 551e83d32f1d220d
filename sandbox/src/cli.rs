//! The command line.

use std::path::PathBuf;

use clap::Parser;
use sandbox_flex::FlexBundle;

/// Twilio on your laptop: voice gateway, customer, Flex cloud, video rooms, and a switchboard of faults. Loopback only, in memory.
#[derive(Debug, Clone, Parser)]
#[command(name = "sandbox", version)]
pub struct Cli {
    /// TLS port for every impersonated host. 0 takes a free one.
    #[arg(long, default_value_t = 8443)]
    pub tls_port: u16,
    /// TLS port for signalling hosts behind a simulated round trip. 0 takes a free one.
    #[arg(long, default_value_t = 8444)]
    pub signalling_port: u16,
    /// Plain HTTP port for the switchboard and IAM. 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    pub http_port: u16,
    /// Simulated round trip to the signalling gateway, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub rtt_ms: u64,
    /// The bundle of the real Flex UI, VERSION=PATH; may be repeated, the first is served unless the switchboard chooses.
    #[arg(long = "flex-bundle", value_name = "VERSION=PATH")]
    pub flex_bundles: Vec<FlexBundle>,
    /// The plugin's bundle, served through the real plugins loader.
    #[arg(long)]
    pub plugin: Option<PathBuf>,
    /// Where the token service listens; the token host is passed on to it.
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    pub token_service_url: String,
    /// The host under which the browser finds the token service.
    #[arg(long, default_value = "voice-tokens.example.com")]
    pub token_host: String,
    /// The path of the token URL in the Flex Configuration: `/generateToken` for clients of the older shape.
    #[arg(long, default_value = "/v1/voice/token")]
    pub token_path: String,
    /// `identity_prefix` in the Flex Configuration.
    #[arg(long)]
    pub identity_prefix: Option<String>,
    /// `offline_activity` in the Flex Configuration.
    #[arg(long)]
    pub offline_activity: Option<String>,
    /// Switch video on in the Flex Configuration.
    #[arg(long)]
    pub video: bool,
    /// A Flex feature flag to switch on; may be repeated.
    #[arg(long = "feature")]
    pub features: Vec<String>,
    /// Life of Flex tokens, in seconds.
    #[arg(long, default_value_t = 3600)]
    pub flex_token_ttl: u64,
    /// Seconds that a reservation waits for the agent.
    #[arg(long, default_value_t = 120)]
    pub reservation_timeout: u64,
    /// Voice tasks that the agent may hold at a time.
    #[arg(long, default_value_t = 1)]
    pub voice_capacity: u32,
    /// Chat tasks that the agent may hold at a time, beside the voice tasks.
    #[arg(long, default_value_t = 2)]
    pub chat_capacity: u32,
    /// Stop when standard input ends, so that a parent that dies takes the sandbox with it.
    #[arg(long)]
    pub exit_with_stdin: bool,
}
