//! Who may connect, and as what.

use protocol::port;

use super::event::Sender;

/// The extension's own pages that may open a popup port.
const OWN_PAGES: [&str; 3] = ["popup.html", "options.html", "welcome.html"];
/// The one of them that shows all devices, also before Flex was opened.
const OPTIONS_PAGE: &str = "options.html";
/// The one page that may open the offscreen port.
const OFFSCREEN_PAGE: &str = "offscreen.html";
/// The one page that may open the video port.
const VIDEO_PAGE: &str = "video.html";

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The extension's id.
    pub own_id: String,
    /// `chrome-extension://<id>/`.
    pub base_url: String,
    /// The match patterns of the manifest's content script: `https://host/*`, also with `*.` before the host.
    pub page_patterns: Vec<String>,
}

/// What a trusted port is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// A page that matches the content script.
    Page {
        tab: i64,
        /// Where it lives, as Chrome vouches for it.
        origin: String,
        /// Chrome's name of its document.
        document: Option<String>,
    },
    /// One of the extension's own pages.
    Popup { is_options: bool },
    /// The offscreen document.
    Offscreen,
    /// A window of a video session, by Chrome's number.
    Video { window: Option<i64> },
}

impl Trust {
    /// A page is heard where the manifest puts a content script of ours. Whether policy allows it there is
    /// [`super::config::judge`]'s decision, which the page is told.
    pub(super) fn judge(&self, name: &str, sender: &Sender) -> Option<Peer> {
        if sender.id.as_deref() != Some(self.own_id.as_str()) {
            return None;
        }
        match name {
            port::PAGE => {
                let origin = sender.origin.as_deref()?;
                let is_ours = sender.frame_id == Some(0)
                    && self.page_patterns.iter().any(|pattern| matches_origin(pattern, origin));
                let tab = sender.tab.filter(|_| is_ours)?;
                let (origin, document) = (origin.to_owned(), sender.document.clone());
                Some(Peer::Page { tab, origin, document })
            }
            port::POPUP => {
                let page = self.own_page(sender)?;
                let is_options = page == OPTIONS_PAGE;
                OWN_PAGES.contains(&page).then_some(Peer::Popup { is_options })
            }
            port::OFFSCREEN => {
                (self.own_page(sender)? == OFFSCREEN_PAGE && sender.tab.is_none()).then_some(Peer::Offscreen)
            }
            port::VIDEO => {
                let is_ours = self.own_page(sender)? == VIDEO_PAGE && sender.tab.is_some();
                is_ours.then_some(Peer::Video { window: sender.window })
            }
            _ => None,
        }
    }

    /// The path of the extension's own document that the sender is.
    fn own_page<'a>(&self, sender: &'a Sender) -> Option<&'a str> {
        let path = sender.url.as_deref()?.strip_prefix(self.base_url.as_str())?;
        path.split(['?', '#']).next()
    }
}

/// True when a match pattern of the forms that [`Trust::page_patterns`] names covers an origin.
fn matches_origin(pattern: &str, origin: &str) -> bool {
    let (Some((scheme, rest)), Some((origin_scheme, origin_host))) =
        (pattern.split_once("://"), origin.split_once("://"))
    else {
        return false;
    };
    let host = rest.split('/').next().unwrap_or("");
    scheme == origin_scheme
        && !host.is_empty()
        && match host.strip_prefix("*.") {
            Some(domain) => {
                origin_host == domain
                    || origin_host.strip_suffix(domain).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
            }
            None => host == origin_host,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_pattern_covers_its_origin_and_no_other() {
        for (pattern, origin, covers) in [
            ("https://flex.twilio.com/*", "https://flex.twilio.com", true),
            ("https://flex.twilio.com/*", "http://flex.twilio.com", false),
            ("https://flex.twilio.com/*", "https://flex.twilio.com.evil.test", false),
            ("https://flex.twilio.com/*", "https://flex.twilio.com:8443", false),
            ("https://*.acme.test/*", "https://flex.acme.test", true),
            ("https://*.acme.test/*", "https://acme.test", true),
            ("https://*.acme.test/*", "https://evilacme.test", false),
            ("https://*.acme.test/*", "null", false),
            ("<all_urls>", "https://flex.twilio.com", false),
            ("https:///*", "https://", false),
        ] {
            assert_eq!(matches_origin(pattern, origin), covers, "{pattern} {origin}");
        }
    }
}
