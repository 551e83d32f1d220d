//! The settings that every service has.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
};

use ipnet::IpNet;

use crate::settings::Section;

/// Where services listen unless they are told otherwise.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The settings that every service has.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where to listen.
    pub address: SocketAddr,
    /// Where to listen for the operator.
    pub admin_address: SocketAddr,
    /// Certificate chain and private key, when the service ends TLS itself.
    pub tls: Option<TlsFiles>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether browsers are to use TLS for every host below this one too.
    pub hsts_include_subdomains: bool,
    /// Requests in progress at once.
    pub max_in_flight: NonZeroU32,
    /// Connections open at once.
    pub max_connections: NonZeroU32,
    /// How much of the two one client address may have, in percent.
    pub address_share: u32,
    /// Whether to stop when standard input is closed.
    pub exit_with_stdin: bool,
}

impl ServerSettings {
    /// Reads all of them but `tls`, which [`TlsFiles::read`] reads. `ports` are those for clients and for the operator, unless
    /// others are set.
    #[must_use]
    pub fn read(
        settings: &Section<'_>,
        ports: [u16; 2],
        tls: Option<TlsFiles>,
        exit_with_stdin: bool,
    ) -> Self {
        let address = |text: &str| text.parse::<IpAddr>().ok();
        let network =
            |text: &str| text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let port = |key, default: u16| {
            let port = settings.number(key, 0..=65_535, "port (0 to 65535)", default.into());
            u16::try_from(port).unwrap_or_default()
        };
        let host = settings.text("host", "address", address).unwrap_or(LOOPBACK);
        let admin_host = settings.text("admin_host", "address", address).unwrap_or(LOOPBACK);
        Self {
            address: (host, port("port", ports[0])).into(),
            admin_address: (admin_host, port("admin_port", ports[1])).into(),
            tls,
            trusted_proxies: settings
                .list("trusted_proxies", "address or network (as 10.0.0.0/8)", network)
                .unwrap_or_default(),
            hsts_include_subdomains: settings.switch("hsts_include_subdomains"),
            max_in_flight: settings.count("max_in_flight", 512),
            max_connections: settings.count("max_connections", 2048),
            address_share: u32::try_from(settings.number(
                "address_share",
                1..=100,
                "share (1 to 100 percent)",
                25,
            ))
            .unwrap_or(100),
            exit_with_stdin,
        }
    }
}

/// The files for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain in PEM.
    pub certificate: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

impl TlsFiles {
    /// The settings `tls_certificate` and `tls_key`; one without the other is told.
    #[must_use]
    pub fn read(settings: &Section<'_>) -> Option<Self> {
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let paths = (
            settings.text("tls_certificate", "path of a file", path),
            settings.text("tls_key", "path of a file", path),
        );
        match paths {
            (Some(certificate), Some(key)) => Some(Self { certificate, key }),
            (Some(_), None) => {
                settings.missing("tls_key", "the private key of --tls-certificate");
                None
            }
            (None, Some(_)) => {
                settings.missing("tls_certificate", "the certificate of --tls-key");
                None
            }
            (None, None) => None,
        }
    }
}
