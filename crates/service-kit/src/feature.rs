//! One feature of a service: its paths, what answers there, and the document about it, in one place.

use std::sync::Arc;

use axum::{Router, extract::Request, response::Response};
use futures_util::future::BoxFuture;
use utoipa::openapi::OpenApi;

use crate::client::ClientAddress;

/// What answers a request for a path without a router before it.
type Direct = Arc<dyn Fn(ClientAddress, Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// One feature of a service. Log and metrics name a request's route by the path that is written here.
pub struct Feature {
    pub(crate) paths: &'static [&'static str],
    pub(crate) answer: Answer,
    pub(crate) document: fn() -> OpenApi,
    pub(crate) problems: Problems,
}

pub(crate) enum Answer {
    Routes(Router),
    Direct(Direct),
}

/// What shape a feature's problems have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problems {
    Json,
    Text,
}

impl Feature {
    /// Answers at `paths`, which are all that `routes` have. A `{…}` stands for any one part of a path, and at the end for
    /// whatever begins like it; the first that fits counts.
    #[must_use]
    pub const fn new(paths: &'static [&'static str], routes: Router, document: fn() -> OpenApi) -> Self {
        Self { paths, answer: Answer::Routes(routes), document, problems: Problems::Json }
    }

    /// Answers all that comes for `paths` by a function, whatever the method is: for what is asked for most, since a router
    /// costs every request several allocations.
    #[must_use]
    pub fn direct<F, A>(paths: &'static [&'static str], answer: F, document: fn() -> OpenApi) -> Self
    where
        F: Fn(ClientAddress, Request) -> A + Send + Sync + 'static,
        A: Future<Output = Response> + Send + 'static,
    {
        let answer =
            move |client, request| -> BoxFuture<'static, Response> { Box::pin(answer(client, request)) };
        Self { paths, answer: Answer::Direct(Arc::new(answer)), document, problems: Problems::Json }
    }

    /// Says what goes wrong as a text, and not as [`crate::problem::ProblemBody`]: for clients that know no other.
    #[must_use]
    pub const fn with_problems_as_text(mut self) -> Self {
        self.problems = Problems::Text;
        self
    }

    /// How log and metrics name the route of a path, if it is one of this feature's.
    pub(crate) fn route(&self, path: &str) -> Option<&'static str> {
        self.paths.iter().copied().find(|known| fits(known, path))
    }
}

/// Whether `path` is one of those that `known` stands for.
fn fits(known: &str, path: &str) -> bool {
    let (mut known, mut path) = (known.split('/').peekable(), path.split('/'));
    while let Some(expected) = known.next() {
        match path.next() {
            Some(_) if expected.starts_with('{') && known.peek().is_none() => return true,
            Some(part) if part == expected || expected.starts_with('{') => {}
            _ => return false,
        }
    }
    path.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_named_by_its_path_as_it_is_written_and_never_by_what_a_client_sent() {
        let document = || utoipa::openapi::OpenApiBuilder::new().build();
        let paths = &["/things", "/files/{name}/pages", "/files/{name}"];
        let feature = Feature::new(paths, Router::new(), document);
        for (path, route) in [
            ("/things", Some("/things")),
            ("/things/", None),
            ("/thing", None),
            ("/files/a.txt", Some("/files/{name}")),
            ("/files/", Some("/files/{name}")),
            ("/files/a/pages", Some("/files/{name}/pages")),
            ("/files/a/pages/7", Some("/files/{name}")),
            ("/files/a/b", Some("/files/{name}")),
            ("/files", None),
            ("/", None),
        ] {
            assert_eq!(feature.route(path), route, "{path}");
        }
    }
}
