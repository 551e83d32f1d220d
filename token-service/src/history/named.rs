//! What a task names, and what follows from it: pure decisions, no I/O.

use std::collections::BTreeSet;

use serde_json::Value;
use twilio::{
    ConversationSid, WorkerSid,
    conversations::{Contact, Participant},
    taskrouter::Reservation,
};

use super::marks::{Mark, mark};

/// In which attributes a task names the conversation that came before it: ours, and the one of the plugin that Holdfast replaces.
const SOURCES: [&str; 2] = ["sourceConversationSid", "sourceChatChannelSid"];

/// In which attributes Flex names the task's own conversation.
/// Source: tasks of Flex Conversations, and those of Flex's older chat.
const OWN: [&str; 3] = ["conversationSid", "conversation_sid", "channelSid"];

/// What a network writes for a caller who withholds their number: it spells ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN or
/// UNAVAILABLE on a dial. Source: Twilio's help pages on such callers.
const WITHHELD: [&str; 12] = [
    "+266696687",
    "+7378742833",
    "+2562533",
    "+8656696",
    "+86282452253",
    "anonymous",
    "restricted",
    "blocked",
    "unknown",
    "unavailable",
    "private",
    "withheld",
];

/// What a task's attributes say of conversations and customer. What is malformed was not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The conversations that came before; each once.
    pub sources: Vec<ConversationSid>,
    /// The task's own.
    pub own: Option<ConversationSid>,
    /// By what the customer of this task is known, as Flex writes it: a number, or the identity of a web chat.
    pub customer_address: Option<String>,
    /// For people.
    pub customer_name: Option<String>,
}

impl Named {
    /// By a task's attributes.
    #[must_use]
    pub fn of(attributes: &Value) -> Self {
        let sid = |name: &&str| attributes[*name].as_str().and_then(|sid| ConversationSid::new(sid).ok());
        let mut sources = Vec::new();
        for source in SOURCES.iter().filter_map(sid) {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        let text = |name: &str| attributes[name].as_str().map(str::trim).filter(|text| !text.is_empty());
        let from = text("from").filter(|from| is_address(from));
        Self {
            sources,
            own: OWN.iter().find_map(sid),
            customer_address: text("customerAddress").or(from).map(ToOwned::to_owned),
            customer_name: text("customerName").filter(|name| !is_address(name)).map(ToOwned::to_owned),
        }
    }

    /// By what the task's customer can be found where the task has no conversation of its own. Only a number: anybody can be
    /// called what a customer calls themselves.
    #[must_use]
    pub fn contact(&self) -> Option<Contact> {
        let address = self.customer_address.as_deref().filter(|address| is_address(address))?;
        (!is_withheld(address)).then(|| Contact::Address(address.to_owned()))
    }
}

/// True for a telephone number, and for one of a channel (`whatsapp:+1555…`).
#[must_use]
pub fn is_address(text: &str) -> bool {
    match text.split_once(':') {
        Some((channel, address)) => {
            let named =
                (2..=16).contains(&channel.len()) && channel.bytes().all(|byte| byte.is_ascii_lowercase());
            named && !address.is_empty()
        }
        None => text.strip_prefix('+').is_some_and(|number| {
            (3..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
        }),
    }
}

/// True for what stands in the place of a number that was withheld: of all such callers, none is the other.
#[must_use]
pub fn is_withheld(address: &str) -> bool {
    let number = address.rsplit_once(':').map_or(address, |(_, number)| number).trim().to_ascii_lowercase();
    let name = number.split('@').next().unwrap_or_default();
    name.is_empty() || WITHHELD.contains(&name)
}

/// Whether the worker has the task.
#[must_use]
pub fn holds(worker: &WorkerSid, reservations: &[Reservation]) -> bool {
    reservations.iter().any(|reservation| reservation.worker_sid == *worker && reservation.status.is_live())
}

/// By what the customers among the participants of a task's own conversation can be found elsewhere. `agent` is the identity of
/// who asks.
///
/// An identity counts only where it is said to be a customer's, by its attributes or by the task: whoever took an agent's for one
/// would show all that this agent has ever written.
#[must_use]
pub fn customers(participants: &[Participant], named: &Named, agent: Option<&str>) -> BTreeSet<Contact> {
    let mut contacts = BTreeSet::new();
    for participant in participants {
        let mark = mark(&participant.attributes);
        if matches!(mark, Some(Mark::Agent | Mark::Bot)) {
            continue;
        }
        if let Some(address) = participant.address.as_ref().filter(|address| !is_withheld(address)) {
            contacts.insert(Contact::Address(address.clone()));
        } else if let Some(identity) = &participant.identity {
            let is_named = named.customer_address.as_deref() == Some(identity);
            if (mark == Some(Mark::Customer) || is_named) && agent != Some(identity) && !is_withheld(identity)
            {
                contacts.insert(Contact::Identity(identity.clone()));
            }
        }
    }
    contacts
}

/// Whether one of these customers is among the participants of another conversation.
#[must_use]
pub fn has_any(participants: &[Participant], customers: &BTreeSet<Contact>) -> bool {
    participants.iter().any(|participant| {
        let contacts = [
            participant.address.clone().map(Contact::Address),
            participant.identity.clone().map(Contact::Identity),
        ];
        contacts.into_iter().flatten().any(|contact| customers.contains(&contact))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use twilio::taskrouter::ReservationStatus;

    use super::*;

    fn sid(digit: &str) -> String {
        format!("CH{}", digit.repeat(32))
    }

    #[test]
    fn a_task_names_its_source_by_either_attribute_and_a_malformed_one_names_nothing() {
        let of = |attributes: Value| Named::of(&attributes).sources.len();
        assert_eq!(of(json!({"sourceConversationSid": sid("1")})), 1);
        assert_eq!(of(json!({"sourceChatChannelSid": sid("1")})), 1);
        assert_eq!(of(json!({"sourceConversationSid": sid("1"), "sourceChatChannelSid": sid("1")})), 1);
        assert_eq!(of(json!({"sourceConversationSid": sid("1"), "sourceChatChannelSid": sid("2")})), 2);
        for malformed in [
            json!(null),
            json!(7),
            json!([sid("1")]),
            json!(""),
            json!("CH1"),
            json!(format!("{}/..", sid("1"))),
        ] {
            assert_eq!(of(json!({"sourceConversationSid": malformed})), 0, "{malformed}");
        }
        for attributes in [json!(null), json!([]), json!("text")] {
            assert_eq!(Named::of(&attributes), Named::default());
        }
    }

    #[test]
    fn a_withheld_number_is_nobodys() {
        for text in [
            "+266696687",
            "whatsapp:+266696687",
            "Anonymous",
            "anonymous",
            "Restricted",
            "+86282452253",
            "",
            "sip:anonymous@anonymous.invalid",
        ] {
            assert!(is_withheld(text), "{text}");
            assert_eq!(Named::of(&json!({"customerAddress": text, "from": text})).contact(), None, "{text}");
        }
        assert!(!is_withheld("+15550100"));
    }

    #[test]
    fn a_customer_is_found_by_number_and_never_by_the_name_that_they_gave() {
        let contact = |attributes: Value| Named::of(&attributes).contact();
        let number = Some(Contact::Address("+15550100".into()));
        assert_eq!(contact(json!({"customerAddress": "+15550100"})), number);
        assert_eq!(contact(json!({"from": "+15550100"})), number);
        assert_eq!(contact(json!({"from": "Jane"})), None);
        assert_eq!(contact(json!({"customerAddress": "jane"})), None);
    }

    fn chat(identity: &str, member_type: Option<&str>) -> Participant {
        let attributes = member_type.map_or(Value::Null, |kind| json!({"member_type": kind}));
        Participant { identity: Some(identity.into()), attributes, ..Participant::default() }
    }

    #[test]
    fn no_agent_is_ever_taken_for_the_customer() {
        let named = Named::of(&json!({"customerAddress": "guest-1"}));
        let participants = [
            chat("guest-1", None),
            chat("ann", Some("agent")),
            chat("bob", None),
            chat("bot", Some("bot")),
            chat("guest-2", Some("guest")),
        ];
        let found = customers(&participants, &named, Some("ann"));
        let expected = ["guest-1", "guest-2"].map(|identity| Contact::Identity(identity.into()));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
        let named = Named::of(&json!({"customerAddress": "ann"}));
        assert!(
            customers(&[chat("ann", None)], &named, Some("ann")).is_empty(),
            "also where the task says so"
        );
    }

    #[test]
    fn only_a_live_reservation_of_the_workers_own_counts() {
        let worker = |digit: &str| WorkerSid::new(format!("WK{}", digit.repeat(32))).unwrap();
        let of = |digit: &str, status| [Reservation { worker_sid: worker(digit), status }];
        for (digit, status, has) in [
            ("1", ReservationStatus::Pending, true),
            ("1", ReservationStatus::Accepted, true),
            ("1", ReservationStatus::Wrapping, true),
            ("1", ReservationStatus::Over, false),
            ("2", ReservationStatus::Accepted, false),
        ] {
            assert_eq!(holds(&worker("1"), &of(digit, status)), has, "{digit} {status:?}");
        }
        assert!(!holds(&worker("1"), &[]));
    }
}
