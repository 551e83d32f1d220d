//! Where a file of a message can be fetched for a short while.
//!
//! Source: Twilio's documentation of the Media resource of Conversations: `GET {mcs}/v1/Services/{IS}/Media/{ME}` gives
//! `links.content_direct_temporary`, a link that needs no credentials.

use url::Url;

use crate::{
    ChatServiceSid, MediaSid,
    rest::{Rest, RestError, Unavailable},
};

/// Where files are.
pub const DEFAULT_BASE_URL: &str = "https://mcs.us1.twilio.com";

/// Reads what is known of files.
#[derive(Clone, Debug)]
pub struct Media(Rest);

impl Media {
    /// By this.
    #[must_use]
    pub const fn new(rest: Rest) -> Self {
        Self(rest)
    }

    /// The link to a file. It lets whoever has it read the file: for its reader alone, and for no log.
    ///
    /// # Errors
    /// [`RestError`]; also when the link leads to another host than one of Twilio's.
    pub async fn temporary_link(
        &self,
        service: &ChatServiceSid,
        media: &MediaSid,
    ) -> Result<String, RestError> {
        let record = self.0.get(&["v1", "Services", service.as_str(), "Media", media.as_str()], &[]).await?;
        let link = record["links"]["content_direct_temporary"].as_str().filter(|link| is_twilios(link));
        link.map(ToOwned::to_owned).ok_or(RestError::Unavailable(Unavailable::NotUnderstood))
    }
}

/// Whether a link leads to a host of Twilio's, over TLS.
fn is_twilios(link: &str) -> bool {
    let Ok(url) = Url::parse(link) else { return false };
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https"
        && url.username().is_empty()
        && url.password().is_none()
        && url.port().is_none()
        && [".twilio.com", ".twiliocdn.com"].iter().any(|domain| host.ends_with(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_twilios_are_led_to() {
        for (link, good) in [
            ("https://media.us1.twilio.com/ME1?Expires=1&Signature=x", true),
            ("https://media.twiliocdn.com/x", true),
            ("http://media.us1.twilio.com/ME1", false),
            ("https://media.us1.twilio.com.evil.example/ME1", false),
            ("https://eviltwilio.com/ME1", false),
            ("https://media.us1.twilio.com@evil.example/", false),
            ("https://user@media.us1.twilio.com/", false),
            ("https://media.us1.twilio.com:8443/", false),
            ("javascript:alert(1)//.twilio.com", false),
            ("", false),
        ] {
            assert_eq!(is_twilios(link), good, "{link}");
        }
    }
}
