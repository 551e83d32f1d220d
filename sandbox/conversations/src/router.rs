//! Which host is answered by whom.

use axum::Router;

use crate::files::MEDIA_HOST;
use crate::handle::Conversations;
use crate::{mcs, twilsock};

impl Conversations {
    /// The hosts that [`Self::hosts`] answers for.
    pub const HOSTS: [&'static str; 3] = ["tsock.us1.twilio.com", "mcs.us1.twilio.com", MEDIA_HOST];

    /// Files alone (`/v1/Services/{IS}/Media/...`), for the plain HTTP port, where a service asks with the account's key.
    pub fn media_router(&self) -> Router {
        mcs::router(self.clone())
    }

    /// Everything that Twilio serves for Conversations, by host, for the TLS port. Who serves it allows other origins.
    pub fn hosts(&self) -> [(&'static str, Router); 3] {
        let [twilsock, mcs, media] = Self::HOSTS;
        [
            (twilsock, twilsock::router(self.clone())),
            (mcs, mcs::router(self.clone())),
            (media, mcs::content_router(self.clone())),
        ]
    }
}
