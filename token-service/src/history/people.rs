//! Who wrote a message: the customer, an agent by name, a bot. Pure decisions, no I/O.
//!
//! Inferred: Conversations does not say what an author is. It is judged by the binding (who writes from a number is a customer), by
//! the attributes `member_type` or `memberType` that Flex and its web chat give their participants, by the task, and by whether
//! there is a user of that identity.

use std::{collections::HashMap, sync::Arc};

use protocol::history::{AuthorRole, HistoryAuthor, HistoryChannel};
use serde_json::Value;
use twilio::conversations::{Participant, User};

use super::{
    marks::{Mark, mark},
    named::{Named, is_address},
    text::cleaned,
};

/// The longest name that is shown, in characters.
const MAX_NAME: usize = 100;

/// Users by identity; `None` for an identity that no user has.
pub type Users = HashMap<String, Option<Arc<User>>>;

/// By what it is known who wrote.
#[derive(Clone, Copy, Debug)]
pub struct Cast<'c> {
    /// Who is in the conversation now.
    pub participants: &'c [Participant],
    /// What the task says.
    pub named: &'c Named,
}

impl Cast<'_> {
    /// Whether the user of this author must be known to say who they are.
    #[must_use]
    pub fn needs_user(&self, author: &str) -> bool {
        !is_nobody(author)
            && !is_address(author)
            && !self.participants.iter().any(|who| is_by_address(who, author))
    }

    /// Who wrote.
    #[must_use]
    pub fn author(&self, author: &str, users: &Users) -> HistoryAuthor {
        let user = users.get(author).and_then(Option::as_deref);
        let participant = self.participants.iter().find(|who| {
            is_by_address(who, author) || (who.address.is_none() && who.identity.as_deref() == Some(author))
        });
        let (role, name) = match self.role(author, participant, user) {
            Mark::Customer => (AuthorRole::Customer, self.customer_name(author, participant, user)),
            Mark::Agent => (AuthorRole::Agent, agent_name(author, participant, user)),
            Mark::Bot => (AuthorRole::Bot, bot_name(author, user)),
        };
        HistoryAuthor { role, name }
    }

    fn role(&self, author: &str, participant: Option<&Participant>, user: Option<&User>) -> Mark {
        let said = participant.and_then(|who| mark(&who.attributes)).or_else(|| mark(&user?.attributes));
        if let Some(mark) = said {
            return mark;
        }
        let is_customers = self.named.customer_address.as_deref() == Some(author);
        if is_customers || is_address(author) || participant.is_some_and(|who| who.address.is_some()) {
            return Mark::Customer;
        }
        match participant {
            _ if is_nobody(author) => Mark::Bot,
            // Of an unmarked pair, one of whom writes from a number, the other is the agent.
            Some(who)
                if is_email(author) || self.participants.iter().any(|other| self.is_customer(other, who)) =>
            {
                Mark::Agent
            }
            Some(_) => Mark::Customer,
            // An agent who has left; a program's author has no user, as a rule.
            None if user.is_some() => Mark::Agent,
            None => Mark::Bot,
        }
    }

    fn is_customer(&self, other: &Participant, than: &Participant) -> bool {
        let is_named = other.identity.is_some() && other.identity == self.named.customer_address;
        other != than
            && (other.address.is_some() || mark(&other.attributes) == Some(Mark::Customer) || is_named)
    }

    fn customer_name(&self, author: &str, participant: Option<&Participant>, user: Option<&User>) -> String {
        let by_task = self.named.customer_name.as_deref();
        let of_task = by_task.filter(|_| self.named.customer_address.as_deref() == Some(author));
        let own = participant.and_then(|who| name_of(&who.attributes));
        let users = || user.and_then(|user| user.name.as_deref()).filter(|name| *name != author);
        let address =
            || is_address(author).then(|| author.rsplit_once(':').map_or(author, |(_, number)| number));
        let from_elsewhere = || participant.and_then(|who| who.address.as_deref());
        let name = of_task.or(own).or_else(users).or_else(address).or_else(from_elsewhere).or(by_task);
        cleaned(name.unwrap_or_default(), MAX_NAME)
    }

    /// By what the customer writes.
    #[must_use]
    pub fn channel(&self) -> HistoryChannel {
        let kinds = self.participants.iter().filter_map(|who| {
            who.address.as_deref().map(|address| channel(who.kind.as_deref(), Some(address)))
        });
        let is_chat =
            |who: &Participant| who.identity.is_some() && mark(&who.attributes) != Some(Mark::Agent);
        let web = self.participants.iter().any(is_chat).then_some(HistoryChannel::Web);
        kinds.into_iter().next().or(web).unwrap_or_default()
    }

    /// The identities of the agents who are in the conversation now.
    #[must_use]
    pub fn agents(&self) -> Vec<&str> {
        let agents = self.participants.iter().filter(|who| who.address.is_none());
        let agents = agents.filter_map(|who| Some((who, who.identity.as_deref()?)));
        agents
            .filter(|(who, identity)| self.role(identity, Some(who), None) == Mark::Agent)
            .map(|(_, identity)| identity)
            .collect()
    }
}

/// The channel of a binding of this kind, or of this address where the kind is not known.
#[must_use]
pub fn channel(kind: Option<&str>, address: Option<&str>) -> HistoryChannel {
    let by_address = || match address {
        Some(address) if address.starts_with('+') => Some("sms"),
        Some(address) => address.split_once(':').map(|(channel, _)| channel),
        None => Some("chat"),
    };
    match kind.or_else(by_address) {
        Some("chat" | "web") => HistoryChannel::Web,
        Some("sms") => HistoryChannel::Sms,
        Some("whatsapp") => HistoryChannel::Whatsapp,
        Some("messenger") => HistoryChannel::Messenger,
        Some("email") => HistoryChannel::Email,
        _ => HistoryChannel::Other,
    }
}

/// What messages have for an author that a program wrote without naming itself.
fn is_nobody(author: &str) -> bool {
    ["", "system", "bot", "studio"].iter().any(|name| author.eq_ignore_ascii_case(name))
}

fn is_by_address(who: &Participant, author: &str) -> bool {
    who.address.as_deref() == Some(author)
}

/// Also as Twilio writes it in an identity: `ann_40example_2Ecom`.
fn is_email(text: &str) -> bool {
    text.contains('@') || text.contains("_40")
}

fn name_of(attributes: &Value) -> Option<&str> {
    let names = ["full_name", "friendlyName", "friendly_name", "customerName", "display_name", "name"];
    names.iter().find_map(|name| attributes[name].as_str()).filter(|name| !name.trim().is_empty())
}

/// An agent's own name; empty rather than their login, which is nobody's business.
fn agent_name(identity: &str, participant: Option<&Participant>, user: Option<&User>) -> String {
    let names = [
        participant.and_then(|who| name_of(&who.attributes)),
        user.and_then(|user| user.name.as_deref()),
        user.and_then(|user| name_of(&user.attributes)),
    ];
    let name = names.into_iter().flatten().find(|name| *name != identity && !is_email(name));
    cleaned(name.unwrap_or_default(), MAX_NAME)
}

fn bot_name(author: &str, user: Option<&User>) -> String {
    let name = user.and_then(|user| user.name.as_deref()).unwrap_or(author);
    if is_nobody(name) || is_email(name) { String::new() } else { cleaned(name, MAX_NAME) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chat(identity: &str, attributes: Value) -> Participant {
        Participant { identity: Some(identity.into()), attributes, ..Participant::default() }
    }

    fn number(address: &str) -> Participant {
        Participant { address: Some(address.into()), kind: Some("sms".into()), ..Participant::default() }
    }

    fn user(name: &str) -> Option<Arc<User>> {
        Some(Arc::new(User { name: Some(name.into()), attributes: Value::Null }))
    }

    fn said(cast: Cast<'_>, author: &str, user: Option<Arc<User>>) -> (AuthorRole, String) {
        let users = Users::from([(author.to_owned(), user)]);
        let HistoryAuthor { role, name } = cast.author(author, &users);
        (role, name)
    }

    #[test]
    fn customer_agent_and_bot_are_told_apart() {
        let named = Named::of(&json!({"customerAddress": "+15550100", "customerName": "Jane Doe"}));
        let agent = chat("ann_40example_2Ecom", json!({"member_type": "agent"}));
        let participants = [number("+15550100"), agent, number("whatsapp:+15550199")];
        let cast = Cast { participants: &participants, named: &named };
        for (author, user, role, name) in [
            ("+15550100", None, AuthorRole::Customer, "Jane Doe"),
            ("whatsapp:+15550199", None, AuthorRole::Customer, "+15550199"),
            ("+15550123", None, AuthorRole::Customer, "+15550123"),
            ("ann_40example_2Ecom", user("Ann Lee"), AuthorRole::Agent, "Ann Lee"),
            ("bob_40example_2Ecom", user("Bob"), AuthorRole::Agent, "Bob"),
            ("system", None, AuthorRole::Bot, ""),
            ("", None, AuthorRole::Bot, ""),
            ("Order Bot", None, AuthorRole::Bot, "Order Bot"),
        ] {
            assert_eq!(said(cast, author, user), (role, name.to_owned()), "{author}");
        }
    }

    #[test]
    fn an_agents_login_or_address_is_never_their_name() {
        let named = Named::default();
        let participants = [chat("ann_40example_2Ecom", json!({"member_type": "agent"}))];
        let cast = Cast { participants: &participants, named: &named };
        for name in ["ann_40example_2Ecom", "ann@example.com", "ann_40example_2Ecom "] {
            let (role, shown) = said(cast, "ann_40example_2Ecom", user(name));
            assert_eq!((role, shown.as_str()), (AuthorRole::Agent, ""), "{name}");
        }
        assert_eq!(said(cast, "ann_40example_2Ecom", None).1, "");
        assert_eq!(said(cast, "gone_40example_2Ecom", None), (AuthorRole::Bot, String::new()));
    }

    #[test]
    fn of_two_unmarked_ones_the_task_says_who_is_the_customer() {
        let named = Named::of(&json!({"customerAddress": "guest-7"}));
        let participants = [chat("guest-7", Value::Null), chat("ann", Value::Null)];
        let cast = Cast { participants: &participants, named: &named };
        assert_eq!(said(cast, "guest-7", None).0, AuthorRole::Customer);
        assert_eq!(said(cast, "ann", user("Ann")), (AuthorRole::Agent, "Ann".into()));
        assert_eq!(cast.agents(), ["ann"]);
        assert_eq!(cast.channel(), HistoryChannel::Web);
    }

    #[test]
    fn a_channel_is_known_by_its_kind_or_else_by_its_address() {
        for (kind, address, expected) in [
            (Some("sms"), Some("+1555"), HistoryChannel::Sms),
            (Some("whatsapp"), Some("whatsapp:+1555"), HistoryChannel::Whatsapp),
            (None, Some("whatsapp:+1555"), HistoryChannel::Whatsapp),
            (None, Some("messenger:123"), HistoryChannel::Messenger),
            (None, Some("+1555"), HistoryChannel::Sms),
            (None, Some("68849"), HistoryChannel::Other),
            (None, None, HistoryChannel::Web),
            (Some("pigeon"), None, HistoryChannel::Other),
        ] {
            assert_eq!(channel(kind, address), expected, "{kind:?} {address:?}");
        }
    }
}
