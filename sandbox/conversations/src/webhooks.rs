//! Webhooks of Conversations: who hears of a change, what they are told, and what a pre-webhook's answer does to it.
//!
//! A *pre* webhook is asked before a change is made, and may alter or reject it. A *post* webhook is told afterwards: that of
//! the service, and those of the conversation itself. Empty filters mean that nothing is told.
//!
//! Source: <https://www.twilio.com/docs/conversations/conversations-webhooks>.

use std::collections::BTreeMap;

use kernel::Timestamp;
use sandbox_callbacks::{Callback, Method, Outcome, Product};
use serde_json::{Value, json};

use crate::change::{
    Actor, Change, ConversationPatch, Happened, MessagePatch, NewConversation, NewMessage, Notice, Reason,
    Refusal, Source,
};
use crate::model::{Channel, Conversation, Media, Message, Participant, SYSTEM, User};
use crate::store::Store;
use sandbox_kit::clock::iso;

/// What the service, or the account, tells whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceWebhooks {
    pub pre_url: Option<String>,
    pub post_url: Option<String>,
    pub method: Method,
    /// Names of events. Empty: nothing is told.
    pub filters: Vec<String>,
}

/// Whom a webhook of one conversation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A URL, told what the filters name.
    Webhook,
    /// A URL, told of messages that say one of the words.
    Trigger,
    /// A Studio flow, which the sandbox does not have.
    Studio,
}

impl Target {
    /// As on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Trigger => "trigger",
            Self::Studio => "studio",
        }
    }
}

/// A webhook of one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScopedWebhook {
    pub sid: String,
    pub target: Target,
    pub url: Option<String>,
    pub method: Method,
    pub filters: Vec<String>,
    pub triggers: Vec<String>,
    pub flow_sid: Option<String>,
    pub replay_after: Option<u64>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// All webhooks.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    pub account: ServiceWebhooks,
    pub service: ServiceWebhooks,
    /// By conversation.
    pub scoped: BTreeMap<String, Vec<ScopedWebhook>>,
}

/// Whose webhooks they are; in each of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub account_sid: &'a str,
    pub service_sid: &'a str,
}

/// A callback, and the queue behind which it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub queue: String,
    pub callback: Callback,
}

impl Webhooks {
    /// Inferred: that the service's own configuration counts where it has one, and the account's elsewhere.
    fn level(&self) -> &ServiceWebhooks {
        let own = self.service.pre_url.is_some() || self.service.post_url.is_some();
        if own { &self.service } else { &self.account }
    }

    /// What the pre-webhook is asked before this change, if anything.
    pub(crate) fn pre(
        &self,
        owner: Owner<'_>,
        actor: &Actor,
        change: &Change,
        store: &Store,
    ) -> Option<Callback> {
        let level = self.level();
        let url = level.pre_url.as_ref().filter(|_| actor.webhooks)?;
        let (event, fields) = before(actor, change, store)?;
        let wanted = level.filters.iter().any(|filter| filter == event);
        wanted.then(|| callback(owner, actor, event, fields, (url, level.method)))
    }

    /// Whom to tell what of a notice. Of a conversation that is gone, its webhooks are, too.
    pub(crate) fn post(&mut self, owner: Owner<'_>, notice: &Notice) -> Vec<Told> {
        let mut told = Vec::new();
        let conversation = conversation_of(&notice.happened).unwrap_or_default().to_owned();
        if let Some((event, fields)) = after(&notice.happened, notice.at)
            && notice.actor.webhooks
        {
            let level = self.level();
            let to_service = level.post_url.iter().map(|url| ("service", url, level.method, &level.filters));
            let scoped = self.scoped.get(&conversation).into_iter().flatten();
            let to_scoped = scoped
                .filter(|hook| hook.hears(&notice.happened))
                .filter_map(|hook| Some((hook.sid.as_str(), hook.url.as_ref()?, hook.method, &hook.filters)));
            for (of, url, method, filters) in to_service.chain(to_scoped) {
                if filters.iter().any(|filter| filter == event) || of != "service" {
                    let callback = callback(owner, &notice.actor, event, fields.clone(), (url, method));
                    told.push(Told { queue: format!("{of} {conversation}"), callback });
                }
            }
        }
        if matches!(notice.happened, Happened::ConversationRemoved(_)) {
            self.scoped.remove(&conversation);
        }
        told
    }
}

impl ScopedWebhook {
    fn hears(&self, happened: &Happened) -> bool {
        match self.target {
            Target::Webhook => {
                after_name(happened).is_some_and(|event| self.filters.iter().any(|f| f == event))
            }
            // Inferred: that a trigger is the whole message, whatever its case.
            Target::Trigger => match happened {
                Happened::MessageAdded { message, .. } => message.body.as_deref().is_some_and(|body| {
                    self.triggers.iter().any(|word| word.trim().eq_ignore_ascii_case(body.trim()))
                }),
                _ => false,
            },
            Target::Studio => false,
        }
    }
}

/// What becomes of a change once its pre-webhook was asked.
///
/// # Errors
/// The webhook rejects it: any 4xx or 5xx, or a server that is not there. A server that does not answer in time rejects
/// nothing.
pub(crate) fn judged(change: Change, outcome: &Outcome) -> Result<Change, Refusal> {
    match outcome {
        Outcome::Answered(reply) if reply.status >= 400 => {
            // Inferred: the code. That the SDK's promise is rejected with this status was seen.
            let message = format!("The pre-webhook answered with status {}", reply.status);
            Err(Refusal::new(reply.status, 20403, message))
        }
        Outcome::Answered(reply) if reply.is_success() => {
            let said = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
            Ok(altered(change, &said))
        }
        // Inferred: a server that cannot be reached is taken as one that errs.
        Outcome::Failed(sandbox_callbacks::Failure::Connect | sandbox_callbacks::Failure::Broken) => {
            Err(Refusal::new(502, 20403, "The pre-webhook cannot be reached"))
        }
        Outcome::Answered(_)
        | Outcome::Failed(sandbox_callbacks::Failure::Timeout)
        | Outcome::Lost
        | Outcome::Refused => Ok(change),
    }
}

fn altered(mut change: Change, said: &Value) -> Change {
    let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
    match &mut change {
        Change::AddMessage { message: NewMessage { body, renamed, attributes, .. }, .. } => {
            *body = text("body").or(body.take());
            *renamed = text("author");
            *attributes = text("attributes").or(attributes.take());
        }
        Change::UpdateMessage { patch: MessagePatch { body, author, attributes, .. }, .. } => {
            *body = text("body").or(body.take());
            *author = text("author").or(author.take());
            *attributes = text("attributes").or(attributes.take());
        }
        Change::AddConversation(NewConversation { friendly_name, .. })
        | Change::UpdateConversation { patch: ConversationPatch { friendly_name, .. }, .. } => {
            *friendly_name = text("friendly_name").or(friendly_name.take());
        }
        _ => {}
    }
    change
}

type Fields = Vec<(&'static str, String)>;

fn callback(
    owner: Owner<'_>,
    actor: &Actor,
    event: &str,
    fields: Fields,
    (url, method): (&str, Method),
) -> Callback {
    let source = match actor.source {
        Source::Sdk => "SDK",
        Source::Api => "API",
        Source::Sms => "SMS",
        Source::Whatsapp => "WHATSAPP",
        Source::Chat => "CHAT",
    };
    let mut params: Vec<(String, String)> = [
        ("AccountSid", owner.account_sid),
        ("ChatServiceSid", owner.service_sid),
        ("EventType", event),
        ("Source", source),
        // Inferred: counted from nought, and Conversations tries once.
        ("RetryCount", "0"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    if let (Source::Sdk, Some(identity)) = (actor.source, &actor.identity) {
        params.push(("ClientIdentity".to_owned(), identity.clone()));
    }
    params.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Callback {
        product: Product::Conversations,
        kind: event.to_owned(),
        url: url.to_owned(),
        fallback_url: None,
        method,
        params,
    }
}

/// Adds what there is.
fn put(fields: &mut Fields, name: &'static str, value: Option<&str>) {
    fields.extend(value.map(|value| (name, value.to_owned())));
}

/// The event before a change, and what it says. None: nobody is asked.
fn before(actor: &Actor, change: &Change, store: &Store) -> Option<(&'static str, Fields)> {
    let mut fields = Fields::new();
    let room_of = |name: &str| store.room(name);
    let event = match change {
        Change::AddConversation(new) => {
            put(&mut fields, "FriendlyName", new.friendly_name.as_deref());
            put(&mut fields, "UniqueName", new.unique_name.as_deref());
            put(&mut fields, "Attributes", Some(new.attributes.as_deref().unwrap_or("{}")));
            put(&mut fields, "MessagingServiceSid", new.messaging_service_sid.as_deref());
            put(&mut fields, "State", Some(new.state.unwrap_or_default().name()));
            "onConversationAdd"
        }
        Change::UpdateConversation { conversation, patch } => {
            conversation_fields(&mut fields, room_of(conversation)?.conversation());
            replace(&mut fields, "FriendlyName", patch.friendly_name.as_deref());
            replace(&mut fields, "UniqueName", patch.unique_name.as_deref());
            replace(&mut fields, "Attributes", patch.attributes.as_deref());
            replace(&mut fields, "State", patch.state.map(crate::model::State::name));
            "onConversationUpdate"
        }
        Change::RemoveConversation { conversation } => {
            conversation_fields(&mut fields, room_of(conversation)?.conversation());
            "onConversationRemove"
        }
        Change::AddParticipant { conversation, participant } => {
            put(&mut fields, "ConversationSid", Some(&room_of(conversation)?.conversation().sid));
            put(&mut fields, "Identity", participant.identity.as_deref());
            put(&mut fields, "RoleSid", participant.role_sid.as_deref());
            put(&mut fields, "Attributes", Some(participant.attributes.as_deref().unwrap_or("{}")));
            put(&mut fields, "MessagingBinding.ProxyAddress", participant.proxy_address.as_deref());
            put(&mut fields, "MessagingBinding.Address", participant.address.as_deref());
            put(&mut fields, "MessagingBinding.ProjectedAddress", participant.projected_address.as_deref());
            let channel = participant.address.as_deref().map(Channel::of_address);
            put(&mut fields, "MessagingBinding.Type", channel.map(channel_name));
            "onParticipantAdd"
        }
        Change::UpdateParticipant { conversation, participant, .. } => {
            let room = room_of(conversation)?;
            participant_fields(&mut fields, &room.conversation().sid, room.participant(participant)?);
            "onParticipantUpdate"
        }
        Change::RemoveParticipant { conversation, participant } => {
            let room = room_of(conversation)?;
            participant_fields(&mut fields, &room.conversation().sid, room.participant(participant)?);
            "onParticipantRemove"
        }
        Change::AddMessage { conversation, message } => {
            let room = room_of(conversation)?;
            let author = message.author.as_deref().or(actor.identity.as_deref()).unwrap_or(SYSTEM);
            put(&mut fields, "ConversationSid", Some(&room.conversation().sid));
            put(&mut fields, "Body", message.body.as_deref());
            put(&mut fields, "Author", Some(author));
            put(&mut fields, "ParticipantSid", room.participant(author).map(|found| found.sid.as_str()));
            put(&mut fields, "Attributes", Some(message.attributes.as_deref().unwrap_or("{}")));
            let media: Vec<Media> = message.media.iter().filter_map(|sid| store.file(sid).cloned()).collect();
            put(&mut fields, "Media", media_json(&media).as_deref());
            "onMessageAdd"
        }
        Change::UpdateMessage { conversation, message, patch } => {
            let room = room_of(conversation)?;
            message_fields(&mut fields, &room.conversation().sid, room.message(message)?);
            replace(&mut fields, "Body", patch.body.as_deref());
            replace(&mut fields, "Author", patch.author.as_deref());
            replace(&mut fields, "Attributes", patch.attributes.as_deref());
            "onMessageUpdate"
        }
        Change::RemoveMessage { conversation, message } => {
            let room = room_of(conversation)?;
            message_fields(&mut fields, &room.conversation().sid, room.message(message)?);
            "onMessageRemove"
        }
        Change::UpdateUser { identity, patch } => {
            user_fields(&mut fields, store.user(identity)?);
            replace(&mut fields, "FriendlyName", patch.friendly_name.as_deref());
            replace(&mut fields, "Attributes", patch.attributes.as_deref());
            "onUserUpdate"
        }
        Change::Deliver { .. } | Change::AddFile(_) => return None,
    };
    Some((event, fields))
}

fn replace(fields: &mut Fields, name: &'static str, value: Option<&str>) {
    if value.is_some() {
        fields.retain(|(known, _)| *known != name);
        put(fields, name, value);
    }
}

/// The name of the event after a change. None: nobody is told.
fn after_name(happened: &Happened) -> Option<&'static str> {
    Some(match happened {
        Happened::ConversationAdded(_) => "onConversationAdded",
        Happened::ConversationUpdated(_) => "onConversationUpdated",
        Happened::ConversationRemoved(_) => "onConversationRemoved",
        Happened::StateUpdated { .. } => "onConversationStateUpdated",
        Happened::ParticipantAdded { .. } => "onParticipantAdded",
        Happened::ParticipantUpdated { .. } => "onParticipantUpdated",
        Happened::ParticipantRemoved { .. } => "onParticipantRemoved",
        Happened::MessageAdded { .. } => "onMessageAdded",
        Happened::MessageUpdated { .. } => "onMessageUpdated",
        Happened::MessageRemoved { .. } => "onMessageRemoved",
        Happened::DeliveryUpdated { .. } => "onDeliveryUpdated",
        Happened::UserAdded(_) => "onUserAdded",
        Happened::UserUpdated(_) => "onUserUpdated",
        Happened::FileAdded(_) => return None,
    })
}

fn after(happened: &Happened, at: Timestamp) -> Option<(&'static str, Fields)> {
    let event = after_name(happened)?;
    let mut fields = Fields::new();
    match happened {
        Happened::ConversationAdded(conversation) | Happened::ConversationUpdated(conversation) => {
            conversation_fields(&mut fields, conversation);
        }
        Happened::ConversationRemoved(conversation) => {
            conversation_fields(&mut fields, conversation);
            fields.push(("DateRemoved", iso(at)));
        }
        Happened::StateUpdated { conversation, from, reason } => {
            put(&mut fields, "ConversationSid", Some(&conversation.sid));
            put(&mut fields, "StateFrom", Some(from.name()));
            put(&mut fields, "StateTo", Some(conversation.state.name()));
            fields.push(("StateUpdated", iso(conversation.state_updated)));
            let reason = match reason {
                Reason::Api => "API",
                Reason::Timer => "TIMER",
                Reason::Event => "EVENT",
            };
            put(&mut fields, "Reason", Some(reason));
            put(&mut fields, "MessagingServiceSid", conversation.messaging_service_sid.as_deref());
        }
        Happened::ParticipantAdded { conversation, participant }
        | Happened::ParticipantUpdated { conversation, participant } => {
            participant_fields(&mut fields, conversation, participant);
        }
        Happened::ParticipantRemoved { conversation, participant } => {
            participant_fields(&mut fields, conversation, participant);
            fields.push(("DateRemoved", iso(at)));
        }
        Happened::MessageAdded { conversation, message }
        | Happened::MessageUpdated { conversation, message } => {
            message_fields(&mut fields, conversation, message);
        }
        Happened::MessageRemoved { conversation, message } => {
            message_fields(&mut fields, conversation, message);
            fields.push(("DateRemoved", iso(at)));
        }
        Happened::DeliveryUpdated { conversation, message, receipt } => {
            put(&mut fields, "ConversationSid", Some(conversation));
            put(&mut fields, "MessageSid", Some(&message.sid));
            put(&mut fields, "DeliveryReceiptSid", Some(&receipt.sid));
            put(&mut fields, "ChannelMessageSid", Some(&receipt.channel_message_sid));
            put(&mut fields, "ParticipantSid", Some(&receipt.participant_sid));
            put(&mut fields, "Status", Some(receipt.status.name()));
            fields.push(("ErrorCode", receipt.error_code.to_string()));
            fields.push(("DateCreated", iso(receipt.created)));
            fields.push(("DateUpdated", iso(receipt.updated)));
        }
        Happened::UserAdded(user) | Happened::UserUpdated(user) => user_fields(&mut fields, user),
        Happened::FileAdded(_) => {}
    }
    Some((event, fields))
}

fn conversation_of(happened: &Happened) -> Option<&str> {
    match happened {
        Happened::ConversationAdded(conversation)
        | Happened::ConversationUpdated(conversation)
        | Happened::ConversationRemoved(conversation)
        | Happened::StateUpdated { conversation, .. } => Some(&conversation.sid),
        Happened::ParticipantAdded { conversation, .. }
        | Happened::ParticipantUpdated { conversation, .. }
        | Happened::ParticipantRemoved { conversation, .. }
        | Happened::MessageAdded { conversation, .. }
        | Happened::MessageUpdated { conversation, .. }
        | Happened::MessageRemoved { conversation, .. }
        | Happened::DeliveryUpdated { conversation, .. } => Some(conversation),
        Happened::FileAdded(_) | Happened::UserAdded(_) | Happened::UserUpdated(_) => None,
    }
}

fn conversation_fields(fields: &mut Fields, conversation: &Conversation) {
    put(fields, "ConversationSid", Some(&conversation.sid));
    put(fields, "FriendlyName", conversation.friendly_name.as_deref());
    put(fields, "UniqueName", conversation.unique_name.as_deref());
    put(fields, "Attributes", Some(&conversation.attributes));
    put(fields, "MessagingServiceSid", conversation.messaging_service_sid.as_deref());
    put(fields, "State", Some(conversation.state.name()));
    fields.push(("DateCreated", iso(conversation.created)));
    fields.push(("DateUpdated", iso(conversation.updated)));
}

fn participant_fields(fields: &mut Fields, conversation: &str, participant: &Participant) {
    put(fields, "ConversationSid", Some(conversation));
    put(fields, "ParticipantSid", Some(&participant.sid));
    put(fields, "Identity", participant.identity.as_deref());
    put(fields, "RoleSid", Some(&participant.role_sid));
    put(fields, "Attributes", Some(&participant.attributes));
    if let Some(binding) = &participant.binding {
        put(fields, "MessagingBinding.ProxyAddress", binding.proxy_address.as_deref());
        put(fields, "MessagingBinding.Address", Some(&binding.address));
        put(fields, "MessagingBinding.ProjectedAddress", binding.projected_address.as_deref());
        put(fields, "MessagingBinding.Type", Some(channel_name(binding.channel)));
    }
    fields.extend(participant.last_read.map(|index| ("LastReadMessageIndex", index.to_string())));
    fields.push(("DateCreated", iso(participant.created)));
    fields.push(("DateUpdated", iso(participant.updated)));
}

fn message_fields(fields: &mut Fields, conversation: &str, message: &Message) {
    put(fields, "ConversationSid", Some(conversation));
    put(fields, "MessageSid", Some(&message.sid));
    fields.push(("Index", message.index.to_string()));
    put(fields, "Body", message.body.as_deref());
    put(fields, "Author", Some(&message.author));
    put(fields, "ParticipantSid", message.participant_sid.as_deref());
    put(fields, "Attributes", Some(&message.attributes));
    put(fields, "Media", media_json(&message.media).as_deref());
    fields.push(("DateCreated", iso(message.created)));
    fields.push(("DateUpdated", iso(message.updated)));
}

fn user_fields(fields: &mut Fields, user: &User) {
    put(fields, "UserSid", Some(&user.sid));
    put(fields, "Identity", Some(&user.identity));
    put(fields, "FriendlyName", Some(&user.friendly_name));
    put(fields, "Attributes", Some(&user.attributes));
    put(fields, "RoleSid", Some(&user.role_sid));
    fields.push(("DateUpdated", iso(user.updated)));
}

/// Inferred: the names of the fields.
fn media_json(media: &[Media]) -> Option<String> {
    let list: Vec<Value> = media
        .iter()
        .map(|media| {
            json!({
                "Sid": media.sid,
                "Category": media.category,
                "ContentType": media.content_type,
                "Filename": media.filename,
                "Size": media.size,
            })
        })
        .collect();
    (!list.is_empty()).then(|| Value::from(list).to_string())
}

fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Chat => "CHAT",
        Channel::Sms => "SMS",
        Channel::Whatsapp => "WHATSAPP",
        Channel::Messenger => "MESSENGER",
        Channel::Email => "EMAIL",
    }
}

#[cfg(test)]
mod tests {
    use sandbox_callbacks::{Failure, Reply};

    use super::*;
    use crate::change::NewParticipant;

    const OWNER: Owner<'static> = Owner { account_sid: "AC1", service_sid: "IS1" };
    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn message() -> Change {
        let message = NewMessage::text("grace", "hello");
        Change::AddMessage { conversation: "CH1".into(), message }
    }

    fn answered(status: u16, body: &str) -> Outcome {
        Outcome::Answered(Reply { status, content_type: None, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn a_pre_webhook_that_says_nothing_or_nothing_in_time_changes_nothing() {
        for outcome in [
            answered(200, ""),
            answered(200, "{}"),
            answered(200, "<Response/>"),
            answered(200, "[1]"),
            answered(302, ""),
            Outcome::Failed(Failure::Timeout),
            Outcome::Refused,
        ] {
            assert_eq!(judged(message(), &outcome), Ok(message()), "{outcome:?}");
        }
    }

    #[test]
    fn a_pre_webhook_that_errs_or_is_not_there_rejects() {
        for (outcome, status) in [
            (answered(400, "{}"), 400),
            (answered(503, ""), 503),
            (Outcome::Failed(Failure::Connect), 502),
            (Outcome::Failed(Failure::Broken), 502),
        ] {
            assert_eq!(judged(message(), &outcome).map_err(|refusal| refusal.status), Err(status));
        }
    }

    #[test]
    fn a_pre_webhook_changes_what_it_may_and_leaves_the_rest() {
        let said = r#"{"body":"other","attributes":"{\"a\":1}","author":7,"media":[]}"#;
        let Ok(Change::AddMessage { message, .. }) = judged(message(), &answered(200, said)) else {
            panic!("not a message")
        };
        let expected =
            NewMessage { attributes: Some(r#"{"a":1}"#.into()), ..NewMessage::text("grace", "other") };
        assert_eq!(message, expected);
        let said = r#"{"friendly_name":"Grace","attributes":"{}"}"#;
        let made = judged(Change::AddConversation(NewConversation::default()), &answered(200, said));
        let expected = NewConversation { friendly_name: Some("Grace".into()), ..NewConversation::default() };
        assert_eq!(made, Ok(Change::AddConversation(expected)));
    }

    fn notice(body: &str) -> Notice {
        let message = Message {
            sid: "IM1".into(),
            index: 0,
            author: "grace".into(),
            participant_sid: None,
            body: Some(body.into()),
            subject: None,
            attributes: "{}".into(),
            media: Vec::new(),
            legacy_media: false,
            content_sid: None,
            receipts: Vec::new(),
            last_updated_by: None,
            created: NOW,
            updated: NOW,
        };
        let happened = Happened::MessageAdded { conversation: "CH1".into(), message };
        Notice { actor: Actor::sdk("grace"), at: NOW, happened }
    }

    fn urls(webhooks: &mut Webhooks, notice: &Notice) -> Vec<String> {
        webhooks.post(OWNER, notice).into_iter().map(|told| told.callback.url).collect()
    }

    #[test]
    fn a_trigger_hears_its_words_and_a_studio_flow_nothing() {
        let scoped = |sid: &str, target| ScopedWebhook {
            sid: sid.into(),
            target,
            url: Some(sid.into()),
            method: Method::Post,
            filters: vec!["onMessageAdded".into()],
            triggers: vec!["help".into()],
            flow_sid: None,
            replay_after: None,
            created: NOW,
            updated: NOW,
        };
        let mut webhooks = Webhooks::default();
        let all = vec![scoped("trigger", Target::Trigger), scoped("studio", Target::Studio)];
        webhooks.scoped.insert("CH1".into(), all);
        assert_eq!(urls(&mut webhooks, &notice(" Help ")), ["trigger"]);
        assert_eq!(urls(&mut webhooks, &notice("please help")), Vec::<String>::new());
    }

    #[test]
    fn the_accounts_webhooks_count_where_the_service_has_none() {
        let filters = vec!["onMessageAdded".to_owned()];
        let of = |url: &str| ServiceWebhooks {
            post_url: Some(url.into()),
            filters: filters.clone(),
            ..ServiceWebhooks::default()
        };
        let mut webhooks = Webhooks { account: of("account"), ..Webhooks::default() };
        assert_eq!(urls(&mut webhooks, &notice("x")), ["account"]);
        webhooks.service = of("service");
        assert_eq!(urls(&mut webhooks, &notice("x")), ["service"]);
    }

    #[test]
    fn before_a_participant_is_added_the_webhook_hears_how_they_are_reached() {
        let (store, sid) = {
            use crate::store::{Command, Event};
            use sansio::Machine as _;
            let mut store = Store::new(1);
            let change = Change::AddConversation(NewConversation::default());
            let commands = store.handle(Event { actor: Actor::api(), change }, NOW);
            let [Command::Tell(Happened::ConversationAdded(made))] = commands.as_slice() else {
                panic!("{commands:?}")
            };
            let sid = made.sid.clone();
            (store, sid)
        };
        let service = ServiceWebhooks {
            pre_url: Some("http://127.0.0.1/pre".into()),
            filters: vec!["onParticipantAdd".into()],
            ..ServiceWebhooks::default()
        };
        let webhooks = Webhooks { service, ..Webhooks::default() };
        let participant = NewParticipant::address("whatsapp:+1", "whatsapp:+2");
        let change = Change::AddParticipant { conversation: sid.clone(), participant };
        assert_eq!(webhooks.pre(OWNER, &Actor::api(), &change, &store), None);
        let actor = Actor { webhooks: true, ..Actor::api() };
        let asked = webhooks.pre(OWNER, &actor, &change, &store).unwrap();
        for (name, value) in [
            ("EventType", "onParticipantAdd"),
            ("ConversationSid", sid.as_str()),
            ("MessagingBinding.Address", "whatsapp:+1"),
            ("MessagingBinding.ProxyAddress", "whatsapp:+2"),
            ("MessagingBinding.Type", "WHATSAPP"),
            ("Source", "API"),
        ] {
            assert!(asked.params.contains(&(name.to_owned(), value.to_owned())), "{name}");
        }
        let elsewhere = Change::RemoveConversation { conversation: sid };
        assert_eq!(webhooks.pre(OWNER, &actor, &elsewhere, &store), None);
    }
}
