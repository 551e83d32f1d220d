//! What a callback of Twilio's says, and whether it is Twilio's: pure.

use axum::body::Bytes;
use kernel::{AccountSid, Secret};
use reqwest::Url;
use twilio::{
    TaskSid,
    signature::{SignatureError, verify_form},
};

/// The fields of a callback, in their order.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

/// What of it matters here. All else is only acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A room is over.
    RoomEnded {
        /// Its own name.
        room_name: String,
        /// Twilio's name for it.
        room_sid: String,
    },
    /// Somebody has come into a room.
    Came {
        /// Its own name.
        room_name: String,
        /// Twilio's name for it.
        room_sid: String,
        /// As in their token.
        identity: String,
    },
    /// Something happened to a task after which it may be over.
    Task(TaskSid),
    /// Something that changes nothing.
    Other,
}

/// The events of TaskRouter after which a task may be over. A task is looked at all the same, so another would only cost a question.
///
/// Source: <https://www.twilio.com/docs/taskrouter/api/event>.
const TASK_EVENTS: [&str; 6] = [
    "task.wrapup",
    "task.completed",
    "task.canceled",
    "task.deleted",
    "task.system-deleted",
    "reservation.wrapup",
];

impl Fields {
    /// Of a form.
    #[must_use]
    pub fn of(body: &Bytes) -> Self {
        // By way of a URL, whose query is a form: no crate more for that.
        let mut url = match Url::parse("https://form.invalid/") {
            Ok(url) => url,
            Err(_never) => return Self::default(),
        };
        let Ok(text) = std::str::from_utf8(body) else { return Self::default() };
        url.set_query(Some(text));
        Self(url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        found.next().filter(|value| !value.is_empty())
    }

    /// The account that it says to be of: a selector, and nothing that is believed.
    #[must_use]
    pub fn account(&self) -> Option<AccountSid> {
        self.get("AccountSid")?.parse().ok()
    }

    /// Whether it is Twilio's: signed with the account's auth token for the address at which Twilio found us.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(
        &self,
        auth_token: &Secret,
        public_origin: &str,
        path_and_query: &str,
        signature: &str,
    ) -> Result<(), SignatureError> {
        verify_form(auth_token, &format!("{public_origin}{path_and_query}"), &self.0, signature)
    }

    /// What it says of a room. In which order things happened is not looked at: callbacks overtake each other, and `SequenceNumber` is
    /// that of their making.
    #[must_use]
    pub fn of_room(&self) -> Said {
        let (Some(room_name), Some(room_sid)) = (self.get("RoomName"), self.get("RoomSid")) else {
            return Said::Other;
        };
        let (room_name, room_sid) = (room_name.to_owned(), room_sid.to_owned());
        match (self.get("StatusCallbackEvent"), self.get("ParticipantIdentity")) {
            (Some("room-ended"), _) => Said::RoomEnded { room_name, room_sid },
            (Some("participant-connected"), Some(identity)) => {
                Said::Came { room_name, room_sid, identity: identity.to_owned() }
            }
            _ => Said::Other,
        }
    }

    /// What it says of a task.
    #[must_use]
    pub fn of_task(&self) -> Said {
        let task = self.get("TaskSid").and_then(|sid| sid.parse().ok());
        match (self.get("EventType"), task) {
            (Some(event), Some(task)) if TASK_EVENTS.contains(&event) => Said::Task(task),
            _ => Said::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use twilio::signature::sign;

    use super::*;

    fn fields(form: &str) -> Fields {
        Fields::of(&Bytes::copy_from_slice(form.as_bytes()))
    }

    #[test]
    fn what_matters_is_told_from_what_does_not() {
        let room = "AccountSid=AC&RoomSid=RM1&RoomName=CH1-x&RoomStatus=completed";
        let said = |event: &str| fields(&format!("{room}&StatusCallbackEvent={event}")).of_room();
        let (room_name, room_sid) = ("CH1-x".to_owned(), "RM1".to_owned());
        assert_eq!(
            said("room-ended"),
            Said::RoomEnded { room_name: room_name.clone(), room_sid: room_sid.clone() }
        );
        let identity = "agent_1".to_owned();
        assert_eq!(
            said("participant-connected&ParticipantIdentity=agent_1"),
            Said::Came { room_name, room_sid, identity }
        );
        for other in ["room-created", "participant-connected", "participant-disconnected", "track-added", ""]
        {
            assert_eq!(said(other), Said::Other, "{other}");
        }
        assert_eq!(fields("StatusCallbackEvent=room-ended&RoomSid=RM1").of_room(), Said::Other);

        let task = format!("WT{}", "1".repeat(32));
        for (event, matters) in [
            ("task.wrapup", true),
            ("task.completed", true),
            ("task.canceled", true),
            ("task.deleted", true),
            ("reservation.wrapup", true),
            ("task.created", false),
            ("worker.activity.update", false),
        ] {
            let said = fields(&format!("EventType={event}&TaskSid={task}")).of_task();
            assert_eq!(said != Said::Other, matters, "{event}");
        }
        assert_eq!(fields("EventType=task.completed&TaskSid=x").of_task(), Said::Other);
        assert_eq!(fields("EventType=task.completed").of_task(), Said::Other);
    }

    #[test]
    fn only_what_twilio_signed_for_our_address_is_twilios() {
        let token = Secret::new("12345");
        let form = "RoomName=a+b%C3%A4&RoomSid=RM1&RoomSid=RM1";
        let params = [("RoomName", "a bä"), ("RoomSid", "RM1")];
        let path = "/v1/video/callbacks/room";
        let signature = sign(&token, &format!("https://video.example{path}"), &params);
        let verify = |token: &Secret, origin: &str, path: &str, form: &str, signature: &str| {
            fields(form).verify(token, origin, path, signature).is_ok()
        };
        let origin = "https://video.example";
        assert!(verify(&token, origin, path, form, &signature));
        assert!(!verify(&Secret::new("12346"), origin, path, form, &signature));
        assert!(!verify(&token, "https://other.example", path, form, &signature));
        assert!(!verify(&token, origin, "/v1/video/callbacks/task", form, &signature));
        assert!(!verify(&token, origin, path, &format!("{form}&a=b"), &signature));
        assert!(!verify(&token, origin, path, form, ""));
    }

    #[test]
    fn a_body_that_is_no_form_says_nothing() {
        assert_eq!(Fields::of(&Bytes::from_static(&[0xff, 0xfe])).account(), None);
        assert_eq!(fields("AccountSid=AC1").account(), None);
        assert_eq!(fields("#AccountSid=x").of_room(), Said::Other);
        let sid = format!("AC{}", "1".repeat(32));
        assert_eq!(fields(&format!("AccountSid={sid}")).account().unwrap().as_str(), sid);
    }
}
