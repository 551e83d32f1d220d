//! What the service answers: each feature gives its paths, routes, errors and documents in one place.

pub mod chat_history;
pub mod extension_files;
pub mod legacy;
pub mod revocations;
pub mod video;
pub mod video_callbacks;
pub mod video_page;
pub mod voice_token;

use std::sync::Arc;

use protocol::token::TokenErrorCode;
use service_kit::{Front, docs::About, env::Env};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use crate::{app::AppState, problems::kind};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast token service",
        description = "Exchanges an agent's Flex token for a Voice token of exactly that agent.",
        license(name = "MIT", identifier = "MIT"),
        contact()
    ),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The agent's Flex token."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("flex_token", SecurityScheme::Http(scheme));
    }
}

/// What the public port answers: the features that are switched on.
#[must_use]
pub fn front(state: AppState) -> Front {
    let service = Arc::clone(&state.service);
    let env = Env { clock: Arc::clone(&service.clock), random: Arc::clone(&service.random) };
    let history = chat_history::feature(&state);
    let own = history.iter().flat_map(|_| chat_history::OWN_CODES.map(chat_history::kind));
    let video = video::feature(&state);
    let own = own.chain(video.iter().flat_map(|_| video::own_codes(history.is_some())));
    let about = About {
        document: Document::openapi,
        problems: TokenErrorCode::ALL.map(kind).into_iter().chain(own).collect(),
        too_often: kind(TokenErrorCode::RateLimited),
    };
    let optional = [
        legacy::feature(&state),
        extension_files::feature(&state),
        history,
        video_callbacks::feature(&state),
        video,
        video_page::feature(&state),
    ];
    let optional = optional.into_iter().flatten();
    let features = [voice_token::feature(state)].into_iter().chain(optional).collect();
    Front::new(env, Arc::clone(&service.metrics.kit), &service.config.server, about, features)
}
