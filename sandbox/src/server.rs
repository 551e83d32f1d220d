//! The running sandbox: ports, tasks, and the end.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use sandbox_conversations::Rest;
use sandbox_flex::{FlexCloud, PluginFile, Settings};
use sandbox_voice::{Clock, Voice};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::chats::routes;
use crate::cli::Cli;
use crate::glue::{self, Legs};
use crate::hosts::Hosts;
use crate::log::Log;
use crate::pipe;
use crate::proxy::Proxy;
use crate::switchboard::{self, Parts, Switchboard};
use crate::texts::Texts;
use crate::tls::{self, Certificate, TlsListener};

/// Where it listens, all on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// TLS, every impersonated host.
    pub tls: u16,
    /// TLS behind the simulated round trip.
    pub signalling: u16,
    /// Plain HTTP: switchboard and IAM.
    pub http: u16,
}

/// A running sandbox.
pub struct Sandbox {
    ports: Ports,
    token_host: String,
    spki_sha256: String,
    voice: Voice,
    tasks: JoinSet<()>,
}

impl Sandbox {
    /// Binds the ports and starts everything.
    ///
    /// # Errors
    /// If a port is taken, or the certificate or a client cannot be made.
    pub async fn start(cli: Cli) -> anyhow::Result<Self> {
        let clock = Clock::start();
        let log = Log::new(clock);
        let (flex, commands) = FlexCloud::start(settings(&cli));
        let voice = glue::start_voice(clock, &flex)?;
        let proxy = Proxy::new(&cli.token_service_url)?;
        let legs = Legs::default();
        let courier = glue::start_courier(&cli.token_host, &cli.token_service_url);
        let video = glue::start_video(courier.clone())?;
        let conversations = Rest::start(flex.conversations().clone(), courier.clone());

        let texts = Texts::new(log.clone());
        let hosts = Hosts {
            flex: flex.router(),
            signalling: voice.router(),
            conversations: conversations.router(),
            video: video.router(),
            texts: texts.rest(),
            tokens: proxy.router(),
            token_host: cli.token_host.to_ascii_lowercase(),
        };
        let (tls, signalling, http) =
            (bind(cli.tls_port).await?, bind(cli.signalling_port).await?, bind(cli.http_port).await?);
        let ports = Ports {
            tls: tls.local_addr()?.port(),
            signalling: signalling.local_addr()?.port(),
            http: http.local_addr()?.port(),
        };
        let switchboard = Switchboard::new(
            Parts {
                voice: voice.clone(),
                flex: flex.clone(),
                video: video.clone(),
                proxy,
                legs: legs.clone(),
                log: log.clone(),
                courier: courier.clone(),
                conversations: conversations.clone(),
                texts: texts.clone(),
            },
            json!({
                "tls": ports.tls, "signalling": ports.signalling, "http": ports.http, "rtt_ms": cli.rtt_ms,
                "token_host": cli.token_host, "token_service_url": cli.token_service_url,
            }),
        );
        let chats = routes::router(switchboard.chats());
        let plain = switchboard::router(switchboard)
            .merge(chats)
            .merge(texts.board())
            .nest("/iam", flex.iam_router())
            .nest("/taskrouter", flex.taskrouter_router())
            .nest("/conversations", conversations.router())
            .nest("/media", flex.conversations().media_router())
            .nest("/video", video.router())
            .nest("/texts", texts.rest());

        let mut tasks = JoinSet::new();
        tasks.spawn(glue::follow_voice(voice.subscribe(), flex.clone(), log.clone()));
        tasks.spawn(glue::follow_callbacks(courier.subscribe(), log.clone()));
        tasks.spawn(glue::follow_flex(flex.events(), log.clone()));
        tasks.spawn(glue::tell_of_tasks(flex.events(), flex.clone(), courier.clone()));
        tasks.spawn(glue::follow_video(video.subscribe(), log.clone()));
        tasks.spawn(glue::obey_flex(commands, flex, voice.clone(), legs, log));
        let Certificate { acceptor, spki_sha256 } = tls::certificate(&cli.token_host)?;
        tasks.spawn(serve(TlsListener::new(tls, acceptor)?, hosts.router()));
        tasks.spawn(pipe::serve(signalling, ports.tls, Duration::from_millis(cli.rtt_ms)));
        tasks.spawn(serve(http, plain));
        tracing::info!(?ports, rtt_ms = cli.rtt_ms, "the sandbox listens on 127.0.0.1");
        Ok(Self { ports, token_host: cli.token_host, spki_sha256, voice, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// One line of JSON for whoever started the process: ports, and how Chromium is brought here.
    #[must_use]
    pub fn ready_line(&self) -> String {
        json!({
            "event": "ready",
            "tls": self.ports.tls,
            "signalling": self.ports.signalling,
            "http": self.ports.http,
            "switchboard": format!("http://127.0.0.1:{}/", self.ports.http),
            "iam_base_url": format!("http://127.0.0.1:{}/iam", self.ports.http),
            "taskrouter_base_url": format!("http://127.0.0.1:{}/taskrouter", self.ports.http),
            "conversations_base_url": format!("http://127.0.0.1:{}/conversations", self.ports.http),
            "media_base_url": format!("http://127.0.0.1:{}/media", self.ports.http),
            "video_base_url": format!("http://127.0.0.1:{}/video", self.ports.http),
            "messages_base_url": format!("http://127.0.0.1:{}/texts", self.ports.http),
            "token_host": self.token_host,
            "host_resolver_rules": self.host_resolver_rules(),
            "spki_sha256": self.spki_sha256,
        })
        .to_string()
    }

    /// The value of Chromium's `--host-resolver-rules` that brings every host here, and nothing out.
    #[must_use]
    pub fn host_resolver_rules(&self) -> String {
        let Ports { tls, signalling, .. } = self.ports;
        format!(
            "MAP voice-js.roaming.twilio.com 127.0.0.1:{signalling}, MAP voice-js.ashburn.twilio.com \
             127.0.0.1:{signalling}, MAP * 127.0.0.1:{tls}, EXCLUDE 127.0.0.1, EXCLUDE localhost"
        )
    }

    /// Ends the calls, closes the ports.
    pub async fn stop(mut self) {
        if let Err(error) = self.voice.reset().await {
            tracing::debug!(%error, "ending the calls");
        }
        // Hang-ups are on their way through sockets that are about to go.
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.tasks.shutdown().await;
    }
}

fn settings(cli: &Cli) -> Settings {
    Settings {
        flex_bundles: cli.flex_bundles.clone(),
        plugins: cli.plugin.iter().map(PluginFile::holdfast).collect(),
        token_service_url: format!("https://{}{}", cli.token_host, cli.token_path),
        identity_prefix: cli.identity_prefix.clone(),
        offline_activity: cli.offline_activity.clone(),
        video: cli.video,
        features: cli.features.clone(),
        flex_token_ttl: Duration::from_secs(cli.flex_token_ttl),
        reservation_timeout: Duration::from_secs(cli.reservation_timeout),
        voice_capacity: cli.voice_capacity,
        chat_capacity: cli.chat_capacity,
        ..Settings::default()
    }
}

async fn bind(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("listening on 127.0.0.1:{port}"))
}

async fn serve<L>(listener: L, router: Router)
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "serving");
    }
}
