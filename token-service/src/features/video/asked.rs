//! What a path and a query of an agent ask for: pure.

use axum::http::{Method, Uri};
use kernel::AccountSid;
use protocol::video::TASKS_PATH;
use twilio::TaskSid;

use super::error::RouteError;

/// What of a task is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfTask {
    /// `POST`.
    Open,
    /// `GET`.
    Status,
    /// `POST …/invitations`.
    Invite,
    /// `POST …/admit`.
    Admit,
    /// `POST …/end`.
    End,
}

/// The task of a path, and what is asked for; `None` in the place of the second when the method does not fit.
///
/// # Errors
/// [`RouteError::NoSuchPath`].
pub fn of(method: &Method, path: &str) -> Result<(TaskSid, Option<OfTask>), RouteError> {
    let rest = path.strip_prefix(TASKS_PATH).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
    let (task, what) = rest.split_once('/').map_or((rest, None), |(task, what)| (task, Some(what)));
    let task = task.parse().map_err(|_malformed| RouteError::NoSuchPath)?;
    let posts = |what| (*method == Method::POST).then_some(what);
    let what = match what {
        None if *method == Method::GET => Some(OfTask::Status),
        None => posts(OfTask::Open),
        Some("invitations") => posts(OfTask::Invite),
        Some("admit") => posts(OfTask::Admit),
        Some("end") => posts(OfTask::End),
        Some(_) => return Err(RouteError::NoSuchPath),
    };
    Ok((task, what))
}

/// The account that a query names; no other parameter is one.
///
/// # Errors
/// [`RouteError::MalformedQuery`].
pub fn account(uri: &Uri) -> Result<Option<AccountSid>, RouteError> {
    let mut named = None;
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("account_sid", sid)) if named.is_none() => {
                named = Some(AccountSid::new(sid).map_err(|_malformed| RouteError::MalformedQuery)?);
            }
            _ => return Err(RouteError::MalformedQuery),
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_task_and_what_is_done_and_the_method_must_fit() {
        let task = format!("WT{}", "1".repeat(32));
        let asked = |method: &Method, path: &str| of(method, path).map(|(_, what)| what);
        let path = |rest: &str| format!("{TASKS_PATH}/{task}{rest}");
        assert_eq!(asked(&Method::GET, &path("")), Ok(Some(OfTask::Status)));
        assert_eq!(asked(&Method::POST, &path("")), Ok(Some(OfTask::Open)));
        assert_eq!(asked(&Method::POST, &path("/invitations")), Ok(Some(OfTask::Invite)));
        assert_eq!(asked(&Method::POST, &path("/admit")), Ok(Some(OfTask::Admit)));
        assert_eq!(asked(&Method::POST, &path("/end")), Ok(Some(OfTask::End)));
        assert_eq!(asked(&Method::GET, &path("/end")), Ok(None));
        assert_eq!(asked(&Method::DELETE, &path("")), Ok(None));
        for none in [path("/"), path("/ends"), path("/end/"), path("").replace("WT", "CH"), TASKS_PATH.into()]
        {
            assert_eq!(asked(&Method::POST, &none), Err(RouteError::NoSuchPath), "{none}");
        }
    }

    #[test]
    fn a_query_names_an_account_and_nothing_else() {
        let of = |query: &str| account(&format!("/?{query}").parse().unwrap());
        let sid = format!("account_sid=AC{}", "1".repeat(32));
        assert_eq!(of(""), Ok(None));
        assert!(of(&sid).is_ok_and(|account| account.is_some()));
        for query in ["account_sid=AC1", "code=1", "account_sid", &format!("{sid}&{sid}")] {
            assert_eq!(of(query), Err(RouteError::MalformedQuery), "{query}");
        }
    }
}
