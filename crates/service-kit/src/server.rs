//! A service as it runs: its ports, its readiness, and a stop that loses nobody's answer.

use std::{io::Write as _, num::NonZeroU32, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::Router;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::{
    admin,
    env::prewarm_tls,
    front::Front,
    listener::{Bounds, ByAddress, bind, listen},
    metrics::Metrics,
    server_settings::ServerSettings,
    tls::Certificate,
};

/// How often [`Serving::housekeeping`] is due, and the certificate's files are looked at.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(60);

/// What runs.
pub struct Serving {
    /// What clients are answered.
    pub front: Front,
    /// What the operator is answered beside `/live`, `/ready` and `/metrics`.
    pub admin: Router,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What is due every minute, and at SIGHUP: limits forget.
    pub housekeeping: Box<dyn Fn() + Send + Sync>,
}

/// Runs the service until a signal (SIGTERM, ctrl-c) or, if so configured, the end of standard input; then finishes
/// what is in progress. A second signal stops at once. One line on standard output says when it is ready, and its ports.
///
/// # Errors
/// When the service cannot start: no certificate, an address that cannot be listened on.
pub async fn run(settings: &ServerSettings, serving: Serving) -> anyhow::Result<()> {
    let server = Server::bind(settings, serving)?;
    let (port, admin_port) = (server.port, server.admin_port);
    let told_to_stop = stop_signals(settings.exit_with_stdin)?;
    let serving = server.serve(told_to_stop);
    announce(&serde_json::json!({ "event": "ready", "port": port, "admin_port": admin_port }))?;
    tracing::info!(port, admin_port, "ready");
    prewarm_tls();
    serving.await
}

const ADMIN_CONNECTIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(31);

/// A service that has its ports.
pub struct Server {
    /// For clients.
    pub port: u16,
    /// For the operator.
    pub admin_port: u16,
    public: TcpListener,
    private: TcpListener,
    certificate: Option<Arc<Certificate>>,
    tls: Option<TlsAcceptor>,
    hangups: mpsc::Receiver<()>,
    connections: NonZeroU32,
    by_address: ByAddress,
    serving: Serving,
}

impl Server {
    /// Reads the certificate and takes the ports. Must be called within a runtime.
    ///
    /// # Errors
    /// When there is no certificate where one should be, or an address cannot be listened on.
    pub fn bind(settings: &ServerSettings, serving: Serving) -> anyhow::Result<Self> {
        let certificate = settings.tls.as_ref().map(Certificate::load).transpose()?;
        let tls = certificate.as_ref().map(Certificate::server_config).transpose()?;
        let public = bind(settings.address).with_context(|| settings.address.to_string())?;
        let private = bind(settings.admin_address).with_context(|| settings.admin_address.to_string())?;
        Ok(Self {
            port: public.local_addr()?.port(),
            admin_port: private.local_addr()?.port(),
            public,
            private,
            certificate,
            tls: tls.map(|config| TlsAcceptor::from(Arc::new(config))),
            // From now on, one more of them does not end the process.
            hangups: hangups()?,
            connections: settings.max_connections,
            by_address: ByAddress::new(settings),
            serving,
        })
    }

    /// Serves until it is told to stop, and why; then finishes what is in progress, unless it is told again.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, mut told_to_stop: mpsc::Receiver<&'static str>) -> anyhow::Result<()> {
        let Serving { front, admin, metrics, housekeeping } = self.serving;
        let (ready, is_ready) = watch::channel(true);
        let public_answer = move |request| {
            let front = front.clone();
            async move { front.answer(request).await }
        };
        let admin = admin::router(is_ready.clone(), Arc::clone(&metrics)).merge(admin);
        let admin_answer = move |request| {
            let admin = admin.clone();
            async move { admin.oneshot(request).await.unwrap_or_else(|never| match never {}) }
        };
        let bounds = Bounds { connections: self.connections, by_address: Some(self.by_address) };
        let mut public = tokio::spawn(listen(
            self.public,
            self.tls,
            public_answer,
            bounds,
            is_ready,
            Arc::clone(&metrics),
        ));
        // The operator's port answers for as long as the process lives.
        let (_never_stops, always) = watch::channel(true);
        let bounds = Bounds { connections: ADMIN_CONNECTIONS, by_address: None };
        let private =
            tokio::spawn(listen(self.private, None, admin_answer, bounds, always, Arc::clone(&metrics)));
        let housekeeping = tokio::spawn(keep_house(housekeeping, metrics, self.certificate, self.hangups));

        let why = told_to_stop.recv().await.unwrap_or("lost its signals");
        tracing::info!(why, "stopping");
        ready.send_replace(false);
        tokio::select! {
            joined = &mut public => joined.context("the listener failed")?,
            Some(_why) = told_to_stop.recv() => tracing::warn!("told to stop twice: stopping at once"),
        }
        public.abort();
        private.abort();
        housekeeping.abort();
        tracing::info!("stopped");
        Ok(())
    }
}

/// The one line on standard output, by which whoever started the service learns the ports.
fn announce(line: &serde_json::Value) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("cannot write to standard output")
}

/// Says each time when there is a reason to stop, and which.
fn stop_signals(exit_with_stdin: bool) -> anyhow::Result<mpsc::Receiver<&'static str>> {
    let (stop, told_to_stop) = mpsc::channel(1);
    let stdin_ended = if exit_with_stdin { Some(stdin_end()?) } else { None };
    #[cfg(unix)]
    let mut sigterm = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        // Once the service stops, whoever held its standard input may let go of it.
        let stdin_ended = async {
            match stdin_ended {
                // An error means that the reading thread is gone, which is as good as the end.
                Some(ended) => ended.await.unwrap_or_default(),
                None => std::future::pending().await,
            }
            "standard input closed"
        };
        let mut signal = async || {
            let terminated = async {
                #[cfg(unix)]
                sigterm.recv().await;
                #[cfg(not(unix))]
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = terminated => "SIGTERM",
                _ = tokio::signal::ctrl_c() => "ctrl-c",
            }
        };
        let mut why = tokio::select! {
            why = signal() => why,
            why = stdin_ended => why,
        };
        while stop.send(why).await.is_ok() {
            why = signal().await;
        }
    });
    Ok(told_to_stop)
}

/// Resolves at the end of standard input. A thread of its own, because a blocking read of the runtime's would keep
/// the process alive after a signal.
fn stdin_end() -> anyhow::Result<oneshot::Receiver<()>> {
    let (end, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("stdin".into())
        .spawn(move || {
            // An error ends it as the end does.
            std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()).unwrap_or_default();
            end.send(()).unwrap_or_default();
        })
        .context("cannot watch standard input")?;
    Ok(ended)
}

/// Resolves at each SIGHUP.
fn hangups() -> anyhow::Result<mpsc::Receiver<()>> {
    let (hung_up, hangups) = mpsc::channel(1);
    #[cfg(unix)]
    {
        let mut sighup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
        tokio::spawn(async move { while sighup.recv().await.is_some() && hung_up.send(()).await.is_ok() {} });
    }
    #[cfg(not(unix))]
    drop(hung_up);
    Ok(hangups)
}

/// What is due every minute, and at SIGHUP; a changed certificate is read.
async fn keep_house(
    housekeeping: Box<dyn Fn() + Send + Sync>,
    metrics: Arc<Metrics>,
    certificate: Option<Arc<Certificate>>,
    mut hangups: mpsc::Receiver<()>,
) {
    let mut ticks = interval(HOUSEKEEPING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(()) = hangups.recv() => {}
        }
        housekeeping();
        match certificate.as_ref().map(|certificate| certificate.reload()) {
            None | Some(Ok(false)) => {}
            Some(Ok(true)) => {
                metrics.certificate_reloaded(true);
                tracing::info!("the certificate has changed");
            }
            Some(Err(error)) => {
                metrics.certificate_reloaded(false);
                tracing::error!(%error, "the certificate cannot be read again: going on with the one that was read");
            }
        }
    }
}
