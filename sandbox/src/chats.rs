//! Customers who write: what the switchboard makes them do, and the conversations that they have had before.
//!
//! A customer here has no browser. What they do comes by their channel, as Twilio would pass it on: a web chat's by the
//! SDK, text messages and WhatsApp by theirs.

mod customer;
pub(crate) mod routes;
mod story;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::StatusCode;
use kernel::Timestamp;
use sandbox_conversations::Conversations;
use sandbox_conversations::change::{
    Actor, Change, Happened, NewConversation, NewFile, NewMessage, NewParticipant, ParticipantPatch,
    Refusal as NotMade, UserPatch,
};
use sandbox_conversations::model::{Conversation, Message, State as ConversationState};
use sandbox_flex::account::{self, CALL_CENTRE_NUMBER};
use sandbox_flex::{FlexCloud, Holder, NewChatTask};
use serde_json::{Map, Value, json};

use self::customer::{BOT_NUMBER, Customer};
use self::story::{Content, Line, Side};
use crate::log::Log;
use crate::refusal::Refusal;

/// Who the bot is in its conversations.
const BOT: &str = "bot";
/// The agent of earlier days.
const FORMER_AGENT: (&str, &str) = ("carla_40example_2Ecom", "Carla Colleague");
const DAY_MS: u64 = 86_400_000;
const PICTURE: &[u8] = include_bytes!("chats/parcel.png");
const DOCUMENT: &str = "Invoice 4711\n\n1 parcel    12.00\nTotal       12.00\n";
const CONTACT: &str = "BEGIN:VCARD\nVERSION:3.0\nFN:Nora Neighbour\nTEL:+15550166\nEND:VCARD\n";

/// All customers who write. Clones are handles to the same.
#[derive(Clone)]
pub(crate) struct Chats(Arc<Inner>);

struct Inner {
    flex: FlexCloud,
    conversations: Conversations,
    log: Log,
    customers: AtomicU64,
    /// By conversation. Only those that a customer writes in now; earlier ones are nobody's.
    open: Mutex<BTreeMap<String, Customer>>,
}

/// A conversation that a customer has begun, and the task that is made of it.
pub(crate) struct Begun {
    pub(crate) conversation_sid: String,
    pub(crate) customer: Customer,
    pub(crate) source: Option<String>,
    pub(crate) task: Option<sandbox_flex::ChatTask>,
}

/// What becomes of a conversation for the call centre.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routing {
    pub(crate) holder: Holder,
    pub(crate) long_lived: bool,
    /// More attributes of the task; null removes one.
    pub(crate) attributes: Map<String, Value>,
    /// No task: the customer writes, and nobody is told.
    pub(crate) unrouted: bool,
}

impl From<NotMade> for Refusal {
    fn from(refusal: NotMade) -> Self {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        Self(status, refusal.to_string())
    }
}

fn unknown(conversation_sid: &str) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, format!("nobody writes in {conversation_sid}"))
}

impl Chats {
    pub(crate) fn new(flex: FlexCloud, log: Log) -> Self {
        let conversations = flex.conversations().clone();
        let (customers, open) = (AtomicU64::new(1), Mutex::default());
        Self(Arc::new(Inner { flex, conversations, log, customers, open }))
    }

    fn conversations(&self) -> &Conversations {
        &self.0.conversations
    }

    fn now(&self) -> Timestamp {
        self.0.log.wall()
    }

    /// Somebody whom the request names, or the next.
    pub(crate) fn customer(
        &self,
        channel: sandbox_flex::ChannelType,
        from: Option<String>,
        name: Option<String>,
    ) -> Customer {
        let number = self.0.customers.fetch_add(1, Ordering::Relaxed);
        Customer::new(channel, from, name, number)
    }

    /// Who writes in a conversation.
    fn writer(&self, conversation_sid: &str) -> Result<Customer, Refusal> {
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(conversation_sid).cloned().ok_or_else(|| unknown(conversation_sid))
    }

    fn log(&self, kind: &str, data: Value) {
        self.0.log.add("chat", kind, None, data);
    }

    // ---- beginning ------------------------------------------------------------------------------------------------

    /// A customer writes to the call centre: into their open conversation, if they have one, as Twilio has it.
    pub(crate) async fn begin(
        &self,
        customer: Customer,
        first: &[Content],
        routing: Routing,
    ) -> Result<Begun, Refusal> {
        let open = customer.proxy(CALL_CENTRE_NUMBER).and_then(|proxy| {
            self.conversations().read(|store| {
                store.open_room(&customer.address, &proxy).map(|room| room.conversation().sid.clone())
            })
        });
        let conversation_sid = match open {
            Some(sid) => sid,
            None => self.make(&customer, CALL_CENTRE_NUMBER, None, None).await?.sid,
        };
        self.0
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(conversation_sid.clone(), customer.clone());
        for content in first {
            self.write(&customer.actor(), &conversation_sid, &customer.address, content, None).await?;
        }
        self.log("chat_began", json!({ "conversation_sid": conversation_sid, "from": customer.address }));
        self.route(conversation_sid, routing)
    }

    /// Somebody else goes on with a conversation: a task of their own, and the one that is open is wrapped up.
    pub(crate) fn transfer(&self, conversation_sid: String, to: Holder) -> Result<Begun, Refusal> {
        let customer = self.writer(&conversation_sid)?;
        let task = self.0.flex.hand_chat_over(&conversation_sid, to);
        let task = task.map_err(|refusal| Refusal(StatusCode::CONFLICT, refusal.to_string()))?;
        Ok(Begun { conversation_sid, customer, source: None, task: Some(task) })
    }

    /// Makes a task of a conversation that a customer writes in.
    pub(crate) fn route(&self, conversation_sid: String, routing: Routing) -> Result<Begun, Refusal> {
        let customer = self.writer(&conversation_sid)?;
        let Routing { holder, long_lived, attributes: more, unrouted } = routing;
        if unrouted {
            return Ok(Begun { conversation_sid, customer, source: None, task: None });
        }
        let mut attributes = customer.task_attributes(&conversation_sid);
        for (name, value) in more {
            if value.is_null() {
                attributes.remove(&name);
            } else {
                attributes.insert(name, value);
            }
        }
        let source = ["sourceConversationSid", "sourceChatChannelSid"];
        let source = source.iter().find_map(|name| attributes.get(*name)?.as_str().map(str::to_owned));
        let task = self.0.flex.create_chat_task(NewChatTask { attributes, holder, long_lived });
        Ok(Begun { conversation_sid, customer, source, task: Some(task) })
    }

    /// A conversation with the customer in it.
    async fn make(
        &self,
        customer: &Customer,
        ours: &str,
        friendly_name: Option<String>,
        created: Option<Timestamp>,
    ) -> Result<Conversation, Refusal> {
        let new = NewConversation { friendly_name, created, ..NewConversation::default() };
        let conversation = self.conversations().create(&Actor::api(), new)?;
        if customer.proxy(ours).is_none() {
            let patch = UserPatch { friendly_name: Some(customer.name.clone()), ..UserPatch::default() };
            self.conversations().update_user(&Actor::api(), &customer.address, patch)?;
        }
        let participant = customer.participant(ours);
        self.add(&customer.actor(), &conversation.sid, participant).await?;
        Ok(conversation)
    }

    async fn add(
        &self,
        actor: &Actor,
        conversation: &str,
        participant: NewParticipant,
    ) -> Result<(), Refusal> {
        let change = Change::AddParticipant { conversation: conversation.to_owned(), participant };
        Ok(self.conversations().submit(actor, change).await.map(|_| ())?)
    }

    // ---- what was before ------------------------------------------------------------------------------------------

    /// The customer has talked to the bot, which ended `ago_ms` ago. The conversation's SID.
    pub(crate) async fn talked_to_bot(
        &self,
        customer: &Customer,
        ago_ms: u64,
        lines: Vec<Line>,
    ) -> Result<String, Refusal> {
        self.name_user(BOT, "Parcel assistant")?;
        self.tell(customer, BOT_NUMBER, "Parcel assistant", BOT, ago_ms, lines).await
    }

    /// The customer has talked to an agent, which ended `ago_ms` ago and is over. The conversation's SID.
    pub(crate) async fn talked_to_agent(
        &self,
        customer: &Customer,
        ago_ms: u64,
        number: u64,
    ) -> Result<String, Refusal> {
        let (agent, name) = FORMER_AGENT;
        self.name_user(agent, name)?;
        let title = format!("{} with {name}", customer.name);
        let lines = story::agent(number);
        let sid = self.tell(customer, CALL_CENTRE_NUMBER, &title, agent, ago_ms, lines).await?;
        self.conversations().set_state(&Actor::api(), &sid, ConversationState::Closed)?;
        Ok(sid)
    }

    fn name_user(&self, identity: &str, name: &str) -> Result<(), Refusal> {
        let patch = UserPatch { friendly_name: Some(name.to_owned()), ..UserPatch::default() };
        self.conversations().update_user(&Actor::api(), identity, patch)?;
        Ok(())
    }

    /// Writes a story down, with the times that it had.
    async fn tell(
        &self,
        customer: &Customer,
        ours: &str,
        title: &str,
        other: &str,
        ago_ms: u64,
        lines: Vec<Line>,
    ) -> Result<String, Refusal> {
        let end = Timestamp::from_millis(self.now().as_millis().saturating_sub(ago_ms));
        let at = |line: &Line| Timestamp::from_millis(end.as_millis().saturating_sub(line.before_end_ms));
        let began = lines.first().map_or(end, at);
        let sid = self.make(customer, ours, Some(title.to_owned()), Some(began)).await?.sid;
        let kind = if other == BOT { "bot" } else { "agent" };
        let participant = NewParticipant {
            attributes: Some(json!({ "member_type": kind }).to_string()),
            ..NewParticipant::identity(other)
        };
        self.add(&Actor::api(), &sid, participant).await?;
        for line in &lines {
            let author = match line.side {
                Side::Customer => customer.address.as_str(),
                Side::Bot | Side::Agent => other,
            };
            // Long ago, so nobody is asked or told about it now.
            self.write(&Actor::api(), &sid, author, &line.content, Some(at(line))).await?;
        }
        Ok(sid)
    }

    // ---- writing --------------------------------------------------------------------------------------------------

    /// The customer of a conversation writes.
    pub(crate) async fn say(&self, conversation_sid: &str, content: &Content) -> Result<Message, Refusal> {
        let customer = self.writer(conversation_sid)?;
        let message =
            self.write(&customer.actor(), conversation_sid, &customer.address, content, None).await?;
        let data = json!({ "conversation_sid": conversation_sid, "index": message.index });
        self.log("customer_wrote", data);
        Ok(message)
    }

    async fn write(
        &self,
        actor: &Actor,
        conversation: &str,
        author: &str,
        content: &Content,
        created: Option<Timestamp>,
    ) -> Result<Message, Refusal> {
        let mut message = NewMessage { author: Some(author.to_owned()), created, ..NewMessage::default() };
        match content {
            Content::Text { text } => message.body = Some(text.clone()),
            Content::Picture => {
                message.media = self.file("parcel.png", "image/png", PICTURE.into(), author)?
            }
            Content::Document => {
                message.media = self.file("invoice.txt", "text/plain", DOCUMENT.into(), author)?;
            }
            Content::Contact => {
                message.media = self.file("Nora Neighbour.vcf", "text/vcard", CONTACT.into(), author)?;
            }
            // Inferred: the names are those of the webhook of an inbound WhatsApp message, in lower case.
            Content::Location => {
                let place = json!({
                    "latitude": "52.5219", "longitude": "13.4132",
                    "address": "Alexanderplatz, Berlin", "label": "At the world clock",
                });
                message.attributes = Some(place.to_string());
            }
            Content::Nothing => {}
        }
        let change = Change::AddMessage { conversation: conversation.to_owned(), message };
        let happened = self.conversations().submit(actor, change).await?;
        let added = happened.into_iter().find_map(|happened| match happened {
            Happened::MessageAdded { message, .. } => Some(message),
            _ => None,
        });
        added.ok_or_else(|| Refusal(StatusCode::INTERNAL_SERVER_ERROR, "nothing was written".to_owned()))
    }

    fn file(
        &self,
        filename: &str,
        content_type: &str,
        content: Bytes,
        author: &str,
    ) -> Result<Vec<String>, Refusal> {
        let new = NewFile {
            filename: Some(filename.to_owned()),
            content_type: content_type.to_owned(),
            size: content.len(),
            category: "media".to_owned(),
            author: Some(author.to_owned()),
        };
        Ok(vec![self.conversations().upload(new, content)?.sid])
    }

    // ---- coming and going -----------------------------------------------------------------------------------------

    /// The customer types. Only a web chat passes that on.
    pub(crate) fn type_in(&self, conversation_sid: &str) -> Result<(), Refusal> {
        let customer = self.writer(conversation_sid)?;
        Ok(self.conversations().typing(conversation_sid, &customer.address)?)
    }

    /// The customer has read everything.
    pub(crate) fn read_all(&self, conversation_sid: &str) -> Result<(), Refusal> {
        let customer = self.writer(conversation_sid)?;
        let last = self.conversations().read(|store| {
            store.room(conversation_sid).and_then(|room| room.messages().keys().next_back().copied())
        });
        let patch = ParticipantPatch { last_read: Some(last), ..ParticipantPatch::default() };
        self.conversations().update_participant(
            &customer.actor(),
            conversation_sid,
            &customer.address,
            patch,
        )?;
        Ok(())
    }

    /// The customer leaves. What nobody has accepted is canceled.
    pub(crate) async fn leave(&self, conversation_sid: &str) -> Result<(), Refusal> {
        let customer = self.writer(conversation_sid)?;
        let change = Change::RemoveParticipant {
            conversation: conversation_sid.to_owned(),
            participant: customer.address.clone(),
        };
        self.conversations().submit(&customer.actor(), change).await?;
        self.log("customer_left", json!({ "conversation_sid": conversation_sid }));
        self.0.flex.chat_customer_leaves(conversation_sid);
        Ok(())
    }

    /// The customer comes back: into the same conversation while it is open, else into a new one.
    pub(crate) async fn come_back(
        &self,
        conversation_sid: &str,
        first: &[Content],
        routing: Routing,
    ) -> Result<Begun, Refusal> {
        let customer = self.writer(conversation_sid)?;
        let open = self
            .conversations()
            .conversation(conversation_sid)
            .is_some_and(|conversation| conversation.state != ConversationState::Closed);
        if !open {
            return self.begin(customer, first, routing).await;
        }
        let participants = self.conversations().participants(conversation_sid);
        if !participants.iter().any(|participant| participant.is_called(&customer.address)) {
            let participant = customer.participant(CALL_CENTRE_NUMBER);
            self.add(&customer.actor(), conversation_sid, participant).await?;
        }
        for content in first {
            self.write(&customer.actor(), conversation_sid, &customer.address, content, None).await?;
        }
        self.log("customer_came_back", json!({ "conversation_sid": conversation_sid }));
        self.route(conversation_sid.to_owned(), routing)
    }

    /// A conversation is removed for good, as an administrator or a retention rule does.
    pub(crate) fn remove(&self, conversation_sid: &str) -> Result<(), Refusal> {
        self.conversations().remove(&Actor::api(), conversation_sid)?;
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).remove(conversation_sid);
        self.log("conversation_removed", json!({ "conversation_sid": conversation_sid }));
        Ok(())
    }

    /// Nobody has ever written.
    pub(crate) fn reset(&self) {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.conversations().reset();
    }

    // ---- looking --------------------------------------------------------------------------------------------------

    /// The conversations that customers write in, the newest first, each with its end.
    pub(crate) fn all(&self) -> Value {
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all: Vec<Value> =
            open.iter().filter_map(|(sid, customer)| self.view(sid, Some(customer), Some(12))).collect();
        all.sort_by_key(|chat| std::cmp::Reverse(chat["date_created"].to_string()));
        json!(all)
    }

    /// One conversation with all its messages, also one that nobody writes in any more.
    pub(crate) fn one(&self, conversation_sid: &str) -> Result<Value, Refusal> {
        let customer = self.writer(conversation_sid).ok();
        self.view(conversation_sid, customer.as_ref(), None).ok_or_else(|| unknown(conversation_sid))
    }

    /// A conversation as its customer sees it, with its last messages.
    fn view(&self, sid: &str, customer: Option<&Customer>, last: Option<usize>) -> Option<Value> {
        self.conversations().read(|store| {
            let room = store.room(sid)?;
            let conversation = room.conversation();
            let name = |author: &str| match (customer, store.user(author)) {
                (Some(customer), _) if customer.address == author => customer.name.clone(),
                (_, Some(user)) => user.friendly_name.clone(),
                _ => author.to_owned(),
            };
            let side = |author: &str| match author {
                _ if customer.is_some_and(|customer| customer.address == author) => "customer",
                account::AGENT_IDENTITY => "agent",
                _ => "other",
            };
            let messages = room.messages();
            let hidden = last.map_or(0, |last| messages.len().saturating_sub(last));
            let shown = messages.values().skip(hidden).map(|message| {
                json!({
                    "sid": message.sid,
                    "index": message.index,
                    "author": message.author,
                    "name": name(&message.author),
                    "side": side(&message.author),
                    "body": message.body,
                    "attributes": message.attributes,
                    "media": message.media.iter().map(|media| json!({
                        "sid": media.sid, "filename": media.filename, "content_type": media.content_type,
                        "size": media.size,
                    })).collect::<Vec<_>>(),
                    "at": sandbox_kit::clock::iso(message.created),
                })
            });
            Some(json!({
                "conversation_sid": conversation.sid,
                "state": conversation.state.name(),
                "date_created": sandbox_kit::clock::iso(conversation.created),
                "channel": customer.map(|customer| customer.channel),
                "address": customer.map(|customer| &customer.address),
                "name": customer.map(|customer| &customer.name),
                "present": customer
                    .is_some_and(|customer| room.participant(&customer.address).is_some()),
                "participants": room.participants().map(|participant| json!({
                    "sid": participant.sid,
                    "identity": participant.identity,
                    "address": participant.binding.as_ref().map(|binding| &binding.address),
                    "last_read_message_index": participant.last_read,
                })).collect::<Vec<_>>(),
                "messages_count": messages.len(),
                "messages": shown.collect::<Vec<_>>(),
            }))
        })
    }
}
