//! The content of uploaded files, and the links under which it can be read for a while.

use std::collections::HashMap;

use axum::body::Bytes;
use kernel::Timestamp;

/// Where the links lead.
pub(crate) const MEDIA_HOST: &str = "media.us1.twilio.com";

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct Files {
    contents: HashMap<String, Bytes>,
    /// By their secret.
    links: HashMap<String, Link>,
}

#[derive(Debug)]
struct Link {
    file: String,
    expires: Timestamp,
}

impl Files {
    pub(crate) fn keep(&mut self, sid: String, content: Bytes) {
        self.contents.insert(sid, content);
    }

    /// The content of a file, for whoever may have it anyway.
    pub(crate) fn content(&self, sid: &str) -> Option<Bytes> {
        self.contents.get(sid).cloned()
    }

    /// A link under `secret` for some time. What has expired meanwhile is forgotten.
    pub(crate) fn link(&mut self, file: &str, secret: String, life_ms: u64, now: Timestamp) {
        self.links.retain(|_, link| link.expires > now);
        self.links.insert(secret, Link { file: file.to_owned(), expires: now.plus(life_ms) });
    }

    /// What a link leads to, while it is good.
    pub(crate) fn follow(&self, file: &str, secret: &str, now: Timestamp) -> Option<Bytes> {
        let link = self.links.get(secret).filter(|link| link.file == file && link.expires > now)?;
        self.content(&link.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_its_own_file_until_it_expires() {
        let start = Timestamp::from_millis(0);
        let mut files = Files::default();
        for (sid, content) in [("ME1", "one"), ("ME2", "two")] {
            files.keep(sid.to_owned(), content.into());
        }
        files.link("ME1", "secret".to_owned(), 1000, start);
        assert_eq!(files.follow("ME1", "secret", start.plus(999)), Some("one".into()));
        assert_eq!(files.follow("ME2", "secret", start), None);
        assert_eq!(files.follow("ME1", "guess", start), None);
        assert_eq!(files.follow("ME1", "secret", start.plus(1000)), None);
    }
}
