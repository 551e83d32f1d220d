//! Where callbacks may go: to this machine, and nowhere else.

use std::collections::BTreeMap;

use url::{Host, Url};

/// The hosts that stand for something on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    aliases: BTreeMap<String, Url>,
}

/// A URL as it is dialled: on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialled {
    pub url: Url,
    /// The host that the developer's server shall see, where it is another than the one dialled.
    pub host: Option<String>,
}

impl Targets {
    /// What is sent to `https://host/…` goes to `base`, as the sandbox's other visitors of that host do. A base that is not
    /// on this machine is left out.
    pub fn alias(&mut self, host: &str, base: &str) {
        if let Some(base) = Url::parse(base).ok().filter(is_here) {
            self.aliases.insert(host.to_ascii_lowercase(), base);
        } else {
            tracing::warn!(
                host,
                "callbacks to this host cannot be sent: what stands behind it is not on this machine"
            );
        }
    }

    /// Where to dial for this URL; nothing if it does not lead to this machine.
    pub(crate) fn dial(&self, url: &str) -> Option<Dialled> {
        let mut url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        url.set_fragment(None);
        if is_here(&url) {
            return Some(Dialled { url, host: None });
        }
        let host = url.host_str()?.to_ascii_lowercase();
        let base = self.aliases.get(&host)?;
        url.set_scheme(base.scheme()).ok()?;
        url.set_host(base.host_str()).ok()?;
        url.set_port(base.port()).ok()?;
        Some(Dialled { url, host: Some(host) })
    }
}

/// Whether it names the loopback interface. `localhost` and what is below it never leave the machine (RFC 6761, 6.3).
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialled(targets: &Targets, url: &str) -> Option<(String, Option<String>)> {
        targets.dial(url).map(|dialled| (dialled.url.to_string(), dialled.host))
    }

    #[test]
    fn callbacks_go_to_this_machine_and_nowhere_else() {
        let targets = Targets::default();
        for here in [
            "http://127.0.0.1:3000/x?y=1",
            "https://localhost/x",
            "http://[::1]:80/",
            "http://app.localhost/",
        ] {
            assert!(targets.dial(here).is_some(), "{here}");
        }
        for elsewhere in [
            "http://10.0.0.1/",
            "https://example.com/x",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://user@example.com/#127.0.0.1",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "no url",
            "",
        ] {
            assert_eq!(targets.dial(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn an_impersonated_host_leads_to_what_stands_behind_it() {
        let mut targets = Targets::default();
        targets.alias("Service.example.com", "http://127.0.0.1:8081");
        targets.alias("evil.example.com", "http://10.0.0.1");
        assert_eq!(
            dialled(&targets, "https://service.example.com/hook?a=b#rc=2"),
            Some(("http://127.0.0.1:8081/hook?a=b".into(), Some("service.example.com".into())))
        );
        assert_eq!(dialled(&targets, "https://evil.example.com/"), None);
    }
}
