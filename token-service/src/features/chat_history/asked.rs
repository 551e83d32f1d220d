//! What a path and a query ask for: pure.

use axum::http::Uri;
use kernel::AccountSid;
use protocol::history::HISTORY_PATH;
use twilio::{ConversationSid, MediaSid, MessageSid, TaskSid};

use super::error::RouteError;

/// What is asked for, by whom for whom left aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Which conversations the task gives.
    Overview { task: TaskSid },
    /// Messages of one.
    Messages { task: TaskSid, conversation: ConversationSid },
    /// A file of one.
    Media { task: TaskSid, conversation: ConversationSid, message: MessageSid, media: MediaSid },
}

impl Asked {
    /// By a path as it was sent: whatever is escaped in it is no SID.
    ///
    /// # Errors
    /// [`RouteError::NoSuchPath`].
    pub fn of(path: &str) -> Result<Self, RouteError> {
        fn sid<T: std::str::FromStr>(text: &str) -> Result<T, RouteError> {
            text.parse().map_err(|_malformed| RouteError::NoSuchPath)
        }
        let rest = path.strip_prefix(HISTORY_PATH).and_then(|rest| rest.strip_prefix('/'));
        let parts: Vec<&str> = rest.unwrap_or_default().split('/').collect();
        match parts[..] {
            [task] => Ok(Self::Overview { task: sid(task)? }),
            [task, "conversations", conversation, "messages"] => {
                Ok(Self::Messages { task: sid(task)?, conversation: sid(conversation)? })
            }
            [task, "conversations", conversation, "messages", message, "media", media] => Ok(Self::Media {
                task: sid(task)?,
                conversation: sid(conversation)?,
                message: sid(message)?,
                media: sid(media)?,
            }),
            _ => Err(RouteError::NoSuchPath),
        }
    }

    /// The task that it is for.
    #[must_use]
    pub const fn task(&self) -> &TaskSid {
        match self {
            Self::Overview { task } | Self::Messages { task, .. } | Self::Media { task, .. } => task,
        }
    }
}

/// What a query says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Where to go on.
    pub cursor: Option<String>,
    /// For whom, where the service is for several accounts.
    pub account_sid: Option<AccountSid>,
}

impl Query {
    /// Of an address; each of its parameters once at most, and no other.
    ///
    /// # Errors
    /// [`RouteError::MalformedQuery`].
    pub fn of(uri: &Uri) -> Result<Self, RouteError> {
        let mut query = Self::default();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            // Neither a cursor nor a SID has a character that must be escaped.
            let malformed = || RouteError::MalformedQuery;
            match pair.split_once('=').ok_or_else(malformed)? {
                ("cursor", cursor) if query.cursor.is_none() => query.cursor = Some(cursor.to_owned()),
                ("account_sid", sid) if query.account_sid.is_none() => {
                    query.account_sid = Some(AccountSid::new(sid).map_err(|_malformed| malformed())?);
                }
                _ => return Err(malformed()),
            }
        }
        Ok(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(kind: &str) -> String {
        format!("{kind}{}", "1".repeat(32))
    }

    #[test]
    fn a_path_is_one_of_three_and_whatever_is_escaped_or_climbs_is_none() {
        let (task, conversation) = (sid("WT"), sid("CH"));
        let whole = format!("/v1/history/tasks/{task}/conversations/{conversation}/messages");
        let media = format!("{whole}/{}/media/{}", sid("IM"), sid("ME"));
        assert!(matches!(Asked::of(&format!("/v1/history/tasks/{task}")), Ok(Asked::Overview { .. })));
        assert!(matches!(Asked::of(&whole), Ok(Asked::Messages { .. })));
        assert!(matches!(Asked::of(&media), Ok(Asked::Media { .. })));
        for path in [
            String::new(),
            "/v1/history/tasks/".into(),
            format!("/v1/history/tasks/{task}/"),
            format!("{whole}/"),
            format!("{whole}/../messages"),
            whole.replace("CH", "%43H"),
            whole.replace("CH1", "..%2fCH"),
            whole.replace("CH", "WT"),
            whole.replace("/conversations", "//conversations"),
            format!("/v1/history/tasks/{conversation}"),
            format!("{media}/more"),
        ] {
            assert_eq!(Asked::of(&path), Err(RouteError::NoSuchPath), "{path}");
        }
    }

    #[test]
    fn a_query_has_a_cursor_and_an_account_and_nothing_else() {
        let of = |query: &str| Query::of(&format!("/?{query}").parse().unwrap());
        assert_eq!(of(""), Ok(Query::default()));
        assert_eq!(of("cursor=abc").map(|query| query.cursor), Ok(Some("abc".into())));
        let account = format!("account_sid={}", sid("AC"));
        assert!(of(&account).is_ok_and(|query| query.account_sid.is_some()));
        for query in
            ["cursor", "cursor=a&cursor=b", "limit=5", "account_sid=AC1", &format!("{account}&{account}")]
        {
            assert_eq!(of(query), Err(RouteError::MalformedQuery), "{query}");
        }
    }
}
