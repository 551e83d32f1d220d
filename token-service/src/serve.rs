//! The service, put together and run.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use service_kit::{
    env::{SystemClock, SystemRandomness},
    server::{self, Serving},
};
use twilio::flex_token::{HttpClient, http_client, is_on_this_machine};

use crate::{
    app::AppState,
    config::Config,
    features::{front, revocations},
    service::Service,
};

/// Runs the service; see [`server::run`].
///
/// # Errors
/// When the service cannot start: no randomness, no certificates, an address that cannot be listened on.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let (clock, random) = (Arc::new(SystemClock::start()), Arc::new(SystemRandomness::checked()?));
    let mut clients = BTreeMap::new();
    let mut client = |base_url: &str| match clients.entry(is_on_this_machine(base_url)) {
        Entry::Occupied(made) => Ok(HttpClient::clone(made.get())),
        Entry::Vacant(place) => Ok(place.insert(http_client(base_url)?).clone()),
    };
    let service = Service::new(config, &mut client, clock, random)?;
    let forgetful = Arc::clone(&service);
    let serving = Serving {
        front: front(AppState::new(Arc::clone(&service))),
        admin: revocations::router(Arc::clone(&service)),
        metrics: Arc::clone(&service.metrics.kit),
        housekeeping: Box::new(move || forgetful.forget_old()),
    };
    server::run(&service.config.server, serving).await
}
