//! Faults in front of a product's routes.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;

use crate::fault::HttpTarget;
use crate::state::FlexCloud;
use sandbox_kit::answer::error;

/// Lets faults spoil a product's answers.
pub(crate) fn with_faults(router: Router, cloud: &FlexCloud, target: HttpTarget) -> Router {
    router.layer(middleware::from_fn_with_state((cloud.clone(), target), interfere))
}

async fn interfere(
    State((cloud, target)): State<(FlexCloud, HttpTarget)>,
    request: Request,
    next: Next,
) -> Response {
    let interference = cloud.interference(target);
    if !interference.delay.is_zero() {
        tokio::time::sleep(interference.delay).await;
    }
    let Some(status) = interference.status.and_then(|status| StatusCode::from_u16(status).ok()) else {
        return next.run(request).await;
    };
    let code = match status.as_u16() {
        401 => 20003,
        status => 20000 + u32::from(status),
    };
    let message = status.canonical_reason().unwrap_or("Error");
    let mut response = error(status, code, message);
    if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}
