//! An update that Chrome has downloaded: applied when it disturbs nobody.
//!
//! Chrome by itself would wait until the extension has nothing open, which an agent's extension always has. Applying it
//! means that the extension starts over: Chrome closes the offscreen document and empties `chrome.storage.session`, on
//! purpose the only place that holds tokens. So the new version begins cold: it enters the Flex pages that are open, and
//! their plugins say hello again.

use super::{
    command::Command,
    config::ApplyUpdates,
    context::Context,
    persisted::{Persisted, renew},
};

/// The version that waits for its time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Update {
    /// Which: Chrome says so only once.
    version: Option<String>,
    /// Chrome was told to start it.
    is_applied: bool,
}

impl Update {
    /// Goes on from what was saved; `running` is this version.
    pub(super) fn restore(&mut self, persisted: &Persisted, running: &str) {
        self.version = persisted.update.clone().filter(|version| version != running);
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.update, &self.version)
    }

    /// Chrome has downloaded a version.
    pub(super) fn available(&mut self, version: String, cx: &mut Context) {
        let when = match cx.policy.apply_updates {
            ApplyUpdates::BetweenCalls => "as soon as no call is live",
            ApplyUpdates::WhenFlexIsClosed => "as soon as no call is live and Flex is closed",
            ApplyUpdates::AtBrowserStart => "when the browser is started again",
        };
        cx.info(format!("Version {version} is ready. It is applied {when}."));
        self.version = Some(version);
    }

    /// Applies a waiting update once nothing is in its way. Settled last: what else is to be done has been commanded.
    pub(super) fn settle(&mut self, has_call: bool, has_pages: bool, cx: &mut Context) {
        let may = match cx.policy.apply_updates {
            ApplyUpdates::BetweenCalls => true,
            ApplyUpdates::WhenFlexIsClosed => !has_pages,
            ApplyUpdates::AtBrowserStart => false,
        };
        if self.version.is_some() && may && !has_call && !self.is_applied {
            self.is_applied = true;
            cx.info("Applying the update.");
            cx.push(Command::ApplyUpdate);
        }
    }
}
