//! An update that Chrome has downloaded: applied when it disturbs nobody.
//!
//! Chrome by itself would wait until the extension has nothing open, which an agent's extension always has. Applying it
//! means that the extension starts over: Chrome closes the offscreen document and empties `chrome.storage.session`, on
//! purpose the only place that holds tokens. So the new version begins cold: it enters the Flex pages that are open, and
//! their plugins say hello again.

use kernel::Timestamp;

use super::{Command, Machine, config::ApplyUpdates};

impl Machine {
    pub(super) fn update_available(&mut self, version: &str, now: Timestamp) {
        self.durable.update = Some(version.to_owned());
        let when = match self.policy.apply_updates {
            ApplyUpdates::BetweenCalls => "as soon as no call is live",
            ApplyUpdates::WhenFlexIsClosed => "as soon as no call is live and Flex is closed",
            ApplyUpdates::AtBrowserStart => "when the browser is started again",
        };
        self.info(now, format!("Version {version} is ready. It is applied {when}."));
    }

    /// Applies a waiting update once nothing is in its way. Settled last: what else is to be done has been commanded.
    pub(super) fn settle_update(&mut self, now: Timestamp) {
        let is_busy = self.is_busy() || self.offer.is_some();
        let may = match self.policy.apply_updates {
            ApplyUpdates::BetweenCalls => true,
            ApplyUpdates::WhenFlexIsClosed => self.count_pages().1 == 0,
            ApplyUpdates::AtBrowserStart => false,
        };
        if self.durable.update.is_some() && may && !is_busy && !self.applying_update {
            self.applying_update = true;
            self.info(now, "Applying the update.");
            self.out.push(Command::ApplyUpdate);
        }
    }
}
