//! A Conversations service as one pure machine: what is asked of it is a [`Change`] with who asks, what comes of it is what
//! [`Happened`], or a [`Refusal`], after which nothing has changed.
//!
//! Limits and codes: <https://www.twilio.com/docs/conversations/conversations-limits> and
//! <https://www.twilio.com/docs/api/errors>.

use std::collections::{BTreeMap, HashMap};

use kernel::Timestamp;
use sansio::Machine;

use crate::change::{
    Actor, Change, ConversationPatch, Happened, MessagePatch, NewConversation, NewFile, NewMessage,
    NewParticipant, ParticipantPatch, Reason, Refusal, Source, UserPatch,
};
use crate::model::{
    Binding, CONVERSATION_ROLE_SID, Channel, Conversation, Delivery, Media, Message, NO_ATTRIBUTES,
    Participant, Receipt, SYSTEM, State, TimerLengths, USER_ROLE_SID, User,
};

/// Bytes of a conversation's attributes, or a user's.
pub const CONVERSATION_ATTRIBUTES_BYTES: usize = 16 * 1024;
/// Bytes of a message's attributes, or a participant's.
pub const SMALL_ATTRIBUTES_BYTES: usize = 4 * 1024;
/// Bytes of a message's body.
pub const BODY_BYTES: usize = 32 * 1024;
/// Characters of a friendly or unique name.
pub const NAME_CHARS: usize = 256;
/// Participants of a conversation.
pub const PARTICIPANTS: usize = 1000;
/// Participants of a conversation without the SDK.
pub const BOUND_PARTICIPANTS: usize = 50;
/// Open conversations of an identity.
pub const CONVERSATIONS_OF_AN_IDENTITY: usize = 1000;
/// The shortest timer until a conversation is inactive.
pub const INACTIVE_MS: u64 = 60_000;
/// The shortest timer until a conversation is closed.
pub const CLOSED_MS: u64 = 600_000;

/// What is asked of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub actor: Actor,
    pub change: Change,
}

/// What the store says.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are the large one")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// This is so now.
    Tell(Happened),
    /// Nothing was changed.
    Refuse(Refusal),
}

/// A conversation with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    conversation: Conversation,
    participants: BTreeMap<String, Participant>,
    messages: BTreeMap<u64, Message>,
    indexes: HashMap<String, u64>,
    next_index: u64,
}

impl Room {
    #[must_use]
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// In the order in which they came.
    pub fn participants(&self) -> impl DoubleEndedIterator<Item = &Participant> {
        self.participants.values()
    }

    /// By SID, identity or address.
    #[must_use]
    pub fn participant(&self, name: &str) -> Option<&Participant> {
        self.participants().find(|participant| participant.is_called(name))
    }

    /// By their index, which may have gaps.
    #[must_use]
    pub fn messages(&self) -> &BTreeMap<u64, Message> {
        &self.messages
    }

    /// By SID or index.
    #[must_use]
    pub fn message(&self, name: &str) -> Option<&Message> {
        let index = self.indexes.get(name).copied().or_else(|| name.parse().ok())?;
        self.messages.get(&index)
    }

    /// Whether it is somebody's: they take part in it, or have made it.
    ///
    /// Inferred: the second, from the SDK, which reads what it has just made before it joins.
    #[must_use]
    pub fn belongs_to(&self, identity: &str) -> bool {
        self.conversation.created_by == identity || self.participant(identity).is_some()
    }

    /// How many messages a participant has not read; none where nothing says how far they read.
    #[must_use]
    pub fn unread(&self, participant: &Participant) -> Option<usize> {
        let read = participant.last_read?;
        Some(self.messages.range(read.saturating_add(1)..).count())
    }

    fn is_open(&self) -> bool {
        self.conversation.state != State::Closed
    }

    /// When a timer makes another state of it, and which.
    fn next_state(&self) -> Option<(Timestamp, State)> {
        let Conversation { state, timers, last_activity, .. } = self.conversation;
        let due = |length: Option<u64>| Some(last_activity.plus(length?));
        let inactive = due(timers.inactive_ms).filter(|_| state == State::Active);
        let closed = due(timers.closed_ms).filter(|_| matches!(state, State::Active | State::Inactive));
        // Of two at one moment, the one that is final.
        [(closed, State::Closed), (inactive, State::Inactive)]
            .into_iter()
            .filter_map(|(at, state)| Some((at?, state)))
            .min_by_key(|(at, _)| *at)
    }
}

/// See the module's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// First half of every SID, so that another run's are others.
    seed: u64,
    made: u64,
    rooms: BTreeMap<String, Room>,
    names: HashMap<String, String>,
    users: BTreeMap<String, User>,
    files: HashMap<String, Media>,
}

impl Store {
    /// An empty service.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            made: 0,
            rooms: BTreeMap::new(),
            names: HashMap::new(),
            users: BTreeMap::new(),
            files: HashMap::new(),
        }
    }

    /// A conversation by SID or unique name.
    #[must_use]
    pub fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.get(self.sid_of(name))
    }

    /// All conversations, the oldest first.
    pub fn rooms(&self) -> impl DoubleEndedIterator<Item = &Room> {
        self.rooms.values()
    }

    /// The conversations that somebody takes part in, by identity or address; the oldest first.
    pub fn rooms_of<'a>(
        &'a self,
        name: &'a str,
    ) -> impl DoubleEndedIterator<Item = (&'a Room, &'a Participant)> {
        self.rooms().filter_map(move |room| Some((room, room.participant(name)?)))
    }

    /// The open conversation of this pair of addresses, if there is one.
    #[must_use]
    pub fn open_room(&self, address: &str, proxy_address: &str) -> Option<&Room> {
        self.rooms().find(|room| {
            room.is_open()
                && room.participants().filter_map(|participant| participant.binding.as_ref()).any(|binding| {
                    binding.address == address && binding.proxy_address.as_deref() == Some(proxy_address)
                })
        })
    }

    /// All users, in the order of their identities.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// By identity or SID.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name).or_else(|| self.users().find(|user| user.sid == name))
    }

    /// A file by its SID.
    #[must_use]
    pub fn file(&self, sid: &str) -> Option<&Media> {
        self.files.get(sid)
    }

    fn sid_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.names.get(name).map_or(name, String::as_str)
    }

    fn sid(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{:016x}{:016x}", self.seed, self.made)
    }

    fn find(&mut self, name: &str) -> Result<&mut Room, Refusal> {
        let sid = self.sid_of(name).to_owned();
        self.rooms.get_mut(&sid).ok_or_else(|| Refusal::missing(&format!("/Conversations/{name}")))
    }

    fn change(&mut self, actor: &Actor, change: Change, now: Timestamp) -> Result<Vec<Happened>, Refusal> {
        self.check_client(actor, &change)?;
        match change {
            Change::AddConversation(new) => self.add_conversation(actor, new, now),
            Change::UpdateConversation { conversation, patch } => {
                self.update_conversation(&conversation, patch, now)
            }
            Change::RemoveConversation { conversation } => self.remove_conversation(&conversation),
            Change::AddParticipant { conversation, participant } => {
                self.add_participant(&conversation, participant, now)
            }
            Change::UpdateParticipant { conversation, participant, patch } => {
                self.update_participant(&conversation, &participant, patch, now)
            }
            Change::RemoveParticipant { conversation, participant } => {
                let room = self.find(&conversation)?;
                let sid = room.participant(&participant).map(|found| found.sid.clone());
                let removed = sid.and_then(|sid| room.participants.remove(&sid));
                let participant = removed.ok_or_else(|| Refusal::missing("Participant"))?;
                Ok(vec![Happened::ParticipantRemoved {
                    conversation: room.conversation.sid.clone(),
                    participant,
                }])
            }
            Change::AddMessage { conversation, message } => {
                self.add_message(actor, &conversation, message, now)
            }
            Change::UpdateMessage { conversation, message, patch } => {
                self.update_message(actor, &conversation, &message, patch, now)
            }
            Change::RemoveMessage { conversation, message } => {
                let room = self.find(&conversation)?;
                let index = room.message(&message).map(|found| found.index);
                let removed = index.and_then(|index| room.messages.remove(&index));
                let message = removed.ok_or_else(|| Refusal::missing("Message"))?;
                room.indexes.remove(&message.sid);
                Ok(vec![Happened::MessageRemoved { conversation: room.conversation.sid.clone(), message }])
            }
            Change::Deliver { conversation, message, participant, status, error_code } => {
                self.deliver(&conversation, &message, &participant, (status, error_code), now)
            }
            Change::AddFile(new) => Ok(vec![self.add_file(new, now)]),
            Change::UpdateUser { identity, patch } => self.update_user(&identity, patch, now),
        }
    }

    /// What a client of the SDK may do: all in its own conversations but touch what others said, and join others.
    ///
    /// Inferred: which of the default roles' permissions matter here, and that a refusal is 50107.
    fn check_client(&self, actor: &Actor, change: &Change) -> Result<(), Refusal> {
        let (Source::Sdk, Some(me)) = (actor.source, actor.identity.as_deref()) else { return Ok(()) };
        let own_message = |room: &Room, message: &str| room.message(message).is_none_or(|m| m.author == me);
        let (conversation, allowed): (&str, &dyn Fn(&Room) -> bool) = match change {
            Change::AddConversation(_) | Change::AddFile(_) => return Ok(()),
            Change::UpdateUser { identity, .. } if identity == me => return Ok(()),
            Change::UpdateUser { .. } => return Err(forbidden()),
            Change::AddParticipant { participant, .. } if participant.identity.as_deref() == Some(me) => {
                return Ok(());
            }
            Change::AddParticipant { conversation, .. }
            | Change::UpdateParticipant { conversation, .. }
            | Change::RemoveParticipant { conversation, .. }
            | Change::UpdateConversation { conversation, .. }
            | Change::RemoveConversation { conversation } => (conversation, &|_| true),
            Change::AddMessage { conversation, message } => (conversation, &move |room| {
                room.participant(me).is_some() && message.author.as_deref().is_none_or(|author| author == me)
            }),
            Change::UpdateMessage { conversation, message, .. }
            | Change::RemoveMessage { conversation, message } => {
                (conversation, &move |room| own_message(room, message))
            }
            Change::Deliver { .. } => return Err(forbidden()),
        };
        match self.room(conversation) {
            Some(room) if !room.belongs_to(me) || !allowed(room) => Err(forbidden()),
            // What is not there is found out later.
            _ => Ok(()),
        }
    }

    fn add_conversation(
        &mut self,
        actor: &Actor,
        new: NewConversation,
        now: Timestamp,
    ) -> Result<Vec<Happened>, Refusal> {
        check_name(new.unique_name.as_deref())?;
        check_name(new.friendly_name.as_deref())?;
        check_attributes(new.attributes.as_deref(), CONVERSATION_ATTRIBUTES_BYTES)?;
        check_timers(new.timers)?;
        if new.timers != TimerLengths::default() && new.state.is_none() {
            // Source: error 50382.
            return Err(Refusal::new(400, 50382, "Timers need a state"));
        }
        let unique_name = new.unique_name.filter(|name| !name.is_empty());
        if unique_name.as_ref().is_some_and(|name| self.names.contains_key(name)) {
            return Err(name_taken());
        }
        let created = new.created.unwrap_or(now);
        let conversation = Conversation {
            sid: self.sid("CH"),
            unique_name,
            friendly_name: new.friendly_name,
            attributes: new.attributes.unwrap_or_else(|| NO_ATTRIBUTES.to_owned()),
            messaging_service_sid: new.messaging_service_sid,
            state: new.state.unwrap_or_default(),
            state_updated: created,
            timers: new.timers,
            created_by: actor.identity.clone().unwrap_or_else(|| SYSTEM.to_owned()),
            created,
            updated: created,
            last_activity: now,
        };
        if let Some(name) = &conversation.unique_name {
            self.names.insert(name.clone(), conversation.sid.clone());
        }
        let room = Room {
            conversation: conversation.clone(),
            participants: BTreeMap::new(),
            messages: BTreeMap::new(),
            indexes: HashMap::new(),
            next_index: 0,
        };
        self.rooms.insert(conversation.sid.clone(), room);
        Ok(vec![Happened::ConversationAdded(conversation)])
    }

    fn update_conversation(
        &mut self,
        name: &str,
        patch: ConversationPatch,
        now: Timestamp,
    ) -> Result<Vec<Happened>, Refusal> {
        check_name(patch.unique_name.as_deref())?;
        check_name(patch.friendly_name.as_deref())?;
        check_attributes(patch.attributes.as_deref(), CONVERSATION_ATTRIBUTES_BYTES)?;
        check_timers(patch.timers)?;
        let sid = self.find(name)?.conversation.sid.clone();
        if let Some(unique) = patch.unique_name.as_ref().filter(|unique| !unique.is_empty())
            && self.names.get(unique).is_some_and(|other| *other != sid)
        {
            return Err(name_taken());
        }
        let room = self.find(&sid)?;
        let from = room.conversation.state;
        if from == State::Closed && patch.state.is_some_and(|state| state != State::Closed) {
            return Err(closed());
        }
        let conversation = &mut room.conversation;
        let old_name = conversation.unique_name.clone();
        if let Some(unique) = patch.unique_name {
            conversation.unique_name = Some(unique).filter(|unique| !unique.is_empty());
        }
        if let Some(friendly) = patch.friendly_name {
            conversation.friendly_name = Some(friendly).filter(|friendly| !friendly.is_empty());
        }
        if let Some(attributes) = patch.attributes {
            conversation.attributes = attributes;
        }
        if let Some(service) = patch.messaging_service_sid {
            conversation.messaging_service_sid = Some(service).filter(|service| !service.is_empty());
        }
        let timer = |new: Option<u64>, old: Option<u64>| new.or(old).filter(|length| *length > 0);
        conversation.timers = TimerLengths {
            inactive_ms: timer(patch.timers.inactive_ms, conversation.timers.inactive_ms),
            closed_ms: timer(patch.timers.closed_ms, conversation.timers.closed_ms),
        };
        conversation.updated = patch.updated.unwrap_or(now);
        let state = patch.state.unwrap_or(from);
        if state != from {
            conversation.state = state;
            conversation.state_updated = now;
            conversation.last_activity = now;
        }
        let conversation = conversation.clone();
        if old_name != conversation.unique_name {
            if let Some(old) = old_name {
                self.names.remove(&old);
            }
            if let Some(unique) = &conversation.unique_name {
                self.names.insert(unique.clone(), sid);
            }
        }
        let mut happened = vec![Happened::ConversationUpdated(conversation.clone())];
        if state != from {
            happened.push(Happened::StateUpdated { conversation, from, reason: Reason::Api });
        }
        Ok(happened)
    }

    fn remove_conversation(&mut self, name: &str) -> Result<Vec<Happened>, Refusal> {
        let sid = self.find(name)?.conversation.sid.clone();
        let Some(room) = self.rooms.remove(&sid) else { return Ok(Vec::new()) };
        self.names.retain(|_, named| *named != sid);
        let gone = room
            .participants
            .into_values()
            .map(|participant| Happened::ParticipantRemoved { conversation: sid.clone(), participant });
        let mut happened: Vec<Happened> = gone.collect();
        happened.push(Happened::ConversationRemoved(room.conversation));
        Ok(happened)
    }

    fn add_participant(
        &mut self,
        name: &str,
        new: NewParticipant,
        now: Timestamp,
    ) -> Result<Vec<Happened>, Refusal> {
        check_attributes(new.attributes.as_deref(), SMALL_ATTRIBUTES_BYTES)?;
        let address = new.address.or_else(|| new.projected_address.clone());
        if new.identity.is_none() && address.is_none() {
            return Err(Refusal::invalid("A participant needs an identity or an address"));
        }
        let room = self.find(name)?;
        if !room.is_open() {
            return Err(closed());
        }
        let called = new.identity.as_deref().or(address.as_deref()).unwrap_or_default();
        if room.participant(called).is_some() {
            // Source: error 50433.
            return Err(Refusal::new(409, 50433, "Participant already exists"));
        }
        let bound = room.participants().filter(|participant| participant.identity.is_none()).count();
        if room.participants.len() >= PARTICIPANTS || new.identity.is_none() && bound >= BOUND_PARTICIPANTS {
            return Err(Refusal::invalid("The conversation has as many participants as it can have"));
        }
        let sid = room.conversation.sid.clone();
        if let Some(identity) = &new.identity
            && self.rooms_of(identity).filter(|(room, _)| room.is_open()).count()
                >= CONVERSATIONS_OF_AN_IDENTITY
        {
            // Source: error 50214. Inferred: its status, and that closed conversations do not count.
            return Err(Refusal::new(403, 50214, "User channel limit exceeded"));
        }
        if let (Some(address), Some(proxy)) = (&address, &new.proxy_address)
            && self.open_room(address, proxy).is_some()
        {
            // Inferred: the status.
            let message = "A binding for this participant and proxy address already exists";
            return Err(Refusal::new(409, 50416, message));
        }
        let mut happened = match &new.identity {
            Some(identity) if self.user(identity).is_none() => {
                self.update_user(identity, UserPatch::default(), now)?
            }
            _ => Vec::new(),
        };
        let binding = address.map(|address| Binding {
            channel: Channel::of_address(&address),
            address,
            proxy_address: new.proxy_address,
            projected_address: new.projected_address,
        });
        let participant = Participant {
            sid: self.sid("MB"),
            identity: new.identity,
            binding,
            attributes: new.attributes.unwrap_or_else(|| NO_ATTRIBUTES.to_owned()),
            role_sid: new.role_sid.unwrap_or_else(|| CONVERSATION_ROLE_SID.to_owned()),
            last_read: None,
            last_read_at: None,
            notification_level: "default".to_owned(),
            created: now,
            updated: now,
        };
        self.find(&sid)?.participants.insert(participant.sid.clone(), participant.clone());
        happened.push(Happened::ParticipantAdded { conversation: sid, participant });
        Ok(happened)
    }

    fn update_participant(
        &mut self,
        name: &str,
        participant: &str,
        patch: ParticipantPatch,
        now: Timestamp,
    ) -> Result<Vec<Happened>, Refusal> {
        check_attributes(patch.attributes.as_deref(), SMALL_ATTRIBUTES_BYTES)?;
        let room = self.find(name)?;
        let sid = room.participant(participant).map(|found| found.sid.clone()).unwrap_or_default();
        let found = room.participants.get_mut(&sid).ok_or_else(|| Refusal::missing("Participant"))?;
        if let Some(attributes) = patch.attributes {
            found.attributes = attributes;
        }
        if let Some(role) = patch.role_sid {
            found.role_sid = role;
        }
        if let Some(last_read) = patch.last_read {
            found.last_read = last_read;
            found.last_read_at = last_read.map(|_| now);
        }
        if let Some(level) = patch.notification_level {
            found.notification_level = level;
        }
        found.updated = now;
        let participant = found.clone();
        Ok(vec![Happened::ParticipantUpdated { conversation: room.conversation.sid.clone(), participant }])
    }

    fn add_message(
        &mut self,
        actor: &Actor,
        name: &str,
        new: NewMessage,
        now: Timestamp,
    ) -> Result<Vec<Happened>, Refusal> {
        check_attributes(new.attributes.as_deref(), SMALL_ATTRIBUTES_BYTES)?;
        check_body(new.body.as_deref())?;
        let mut media = Vec::new();
        for sid in &new.media {
            media.push(
                self.files.get(sid).cloned().ok_or_else(|| Refusal::missing(&format!("/Media/{sid}")))?,
            );
        }
        let said_by = new.renamed.or(new.author).or_else(|| actor.identity.clone());
        let author = said_by.unwrap_or_else(|| SYSTEM.to_owned());
        let room = self.find(name)?;
        if !room.is_open() {
            return Err(closed());
        }
        let participant_sid = room.participant(&author).map(|participant| participant.sid.clone());
        let outside: Vec<String> = room
            .participants()
            .filter(|other| other.identity.is_none() && Some(&other.sid) != participant_sid.as_ref())
            .map(|other| other.sid.clone())
            .collect();
        let created = new.created.unwrap_or(now);
        let sid = self.sid("IM");
        let receipts = outside
            .into_iter()
            .map(|participant_sid| Receipt {
                sid: self.sid("DY"),
                participant_sid,
                channel_message_sid: self.sid("SM"),
                status: Delivery::Sent,
                error_code: 0,
                created,
                updated: created,
            })
            .collect();
        let room = self.find(name)?;
        let message = Message {
            sid,
            index: room.next_index,
            author,
            participant_sid,
            body: new.body,
            subject: new.subject,
            attributes: new.attributes.unwrap_or_else(|| NO_ATTRIBUTES.to_owned()),
            media,
            legacy_media: new.legacy_media,
            content_sid: new.content_sid,
            receipts,
            last_updated_by: None,
            created,
            updated: created,
        };
        room.next_index += 1;
        room.indexes.insert(message.sid.clone(), message.index);
        room.messages.insert(message.index, message.clone());
        let conversation = &mut room.conversation;
        conversation.last_activity = now;
        let mut happened = vec![Happened::MessageAdded { conversation: conversation.sid.clone(), message }];
        if conversation.state == State::Inactive {
            conversation.state = State::Active;
            conversation.state_updated = now;
            conversation.updated = now;
            happened.push(Happened::ConversationUpdated(conversation.clone()));
            happened.push(Happened::StateUpdated {
                conversation: conversation.clone(),
                from: State::Inactive,
                reason: Reason::Event,
            });
        }
        Ok(happened)
    }

    fn update_message(
        &mut self,
        actor: &Actor,
        name: &str,
        message: &str,
        patch: MessagePatch,
        now: Timestamp,
    ) -> Result<Vec<Happened>, Refusal> {
        check_attributes(patch.attributes.as_deref(), SMALL_ATTRIBUTES_BYTES)?;
        check_body(patch.body.as_deref())?;
        let room = self.find(name)?;
        let index = room.message(message).map(|found| found.index);
        let found = index.and_then(|index| room.messages.get_mut(&index));
        let found = found.ok_or_else(|| Refusal::missing("Message"))?;
        if let Some(author) = patch.author {
            found.author = author;
        }
        if let Some(body) = patch.body {
            found.body = Some(body);
        }
        if let Some(subject) = patch.subject {
            found.subject = Some(subject);
        }
        if let Some(attributes) = patch.attributes {
            found.attributes = attributes;
        }
        found.last_updated_by = Some(actor.identity.clone().unwrap_or_else(|| SYSTEM.to_owned()));
        found.updated = now;
        let message = found.clone();
        Ok(vec![Happened::MessageUpdated { conversation: room.conversation.sid.clone(), message }])
    }

    fn deliver(
        &mut self,
        name: &str,
        message: &str,
        participant: &str,
        (status, error_code): (Delivery, u32),
        now: Timestamp,
    ) -> Result<Vec<Happened>, Refusal> {
        let room = self.find(name)?;
        let to = room.participant(participant).map(|found| found.sid.clone());
        let index = room.message(message).map(|found| found.index);
        let message = index.and_then(|index| room.messages.get_mut(&index));
        let message = message.ok_or_else(|| Refusal::missing("Message"))?;
        let receipt =
            message.receipts.iter_mut().find(|receipt| Some(&receipt.participant_sid) == to.as_ref());
        let receipt = receipt.ok_or_else(|| Refusal::missing("DeliveryReceipt"))?;
        receipt.status = status;
        receipt.error_code = error_code;
        receipt.updated = now;
        let receipt = receipt.clone();
        let message = message.clone();
        Ok(vec![Happened::DeliveryUpdated { conversation: room.conversation.sid.clone(), message, receipt }])
    }

    fn add_file(&mut self, new: NewFile, now: Timestamp) -> Happened {
        let file = Media {
            sid: self.sid("ME"),
            filename: new.filename,
            content_type: new.content_type,
            size: new.size,
            category: new.category,
            author: new.author,
            created: now,
        };
        self.files.insert(file.sid.clone(), file.clone());
        Happened::FileAdded(file)
    }

    fn update_user(
        &mut self,
        name: &str,
        patch: UserPatch,
        now: Timestamp,
    ) -> Result<Vec<Happened>, Refusal> {
        check_name(patch.friendly_name.as_deref())?;
        check_attributes(patch.attributes.as_deref(), CONVERSATION_ATTRIBUTES_BYTES)?;
        let identity = self.user(name).map_or_else(|| name.to_owned(), |user| user.identity.clone());
        let known = self.users.contains_key(&identity);
        let sid = if known { String::new() } else { self.sid("US") };
        let user = self.users.entry(identity.clone()).or_insert_with(|| User {
            sid,
            friendly_name: identity.clone(),
            identity,
            attributes: NO_ATTRIBUTES.to_owned(),
            role_sid: USER_ROLE_SID.to_owned(),
            online: false,
            created: now,
            updated: now,
        });
        if let Some(friendly) = patch.friendly_name {
            user.friendly_name = friendly;
        }
        if let Some(attributes) = patch.attributes {
            user.attributes = attributes;
        }
        if let Some(role) = patch.role_sid {
            user.role_sid = role;
        }
        if let Some(online) = patch.online {
            user.online = online;
        }
        user.updated = now;
        let user = user.clone();
        Ok(vec![if known { Happened::UserUpdated(user) } else { Happened::UserAdded(user) }])
    }
}

impl Machine for Store {
    type Time = Timestamp;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, Event { actor, change }: Event, now: Timestamp) -> Vec<Command> {
        match self.change(&actor, change, now) {
            Ok(happened) => happened.into_iter().map(Command::Tell).collect(),
            Err(refusal) => vec![Command::Refuse(refusal)],
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) -> Vec<Command> {
        let mut told = Vec::new();
        for room in self.rooms.values_mut() {
            // Both timers may be due after a sleep: one after the other, as they would have been.
            while let Some((at, state)) = room.next_state().filter(|(at, _)| *at <= now) {
                let conversation = &mut room.conversation;
                let from = std::mem::replace(&mut conversation.state, state);
                conversation.state_updated = at;
                conversation.updated = at;
                told.push(Command::Tell(Happened::ConversationUpdated(conversation.clone())));
                let conversation = conversation.clone();
                told.push(Command::Tell(Happened::StateUpdated {
                    conversation,
                    from,
                    reason: Reason::Timer,
                }));
            }
        }
        told
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        sansio::earliest(self.rooms().map(|room| room.next_state().map(|(at, _)| at)))
    }
}

fn check_attributes(attributes: Option<&str>, bytes: usize) -> Result<(), Refusal> {
    let Some(attributes) = attributes else { return Ok(()) };
    if attributes.len() > bytes {
        return Err(Refusal::invalid(format!("Attributes have more than {bytes} bytes")));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(attributes)
        .map(|_| ())
        .map_err(|_json| Refusal::invalid("Attributes are not JSON"))
}

fn check_body(body: Option<&str>) -> Result<(), Refusal> {
    match body {
        Some(body) if body.len() > BODY_BYTES => {
            Err(Refusal::invalid(format!("Body has more than {BODY_BYTES} bytes")))
        }
        _ => Ok(()),
    }
}

fn check_name(name: Option<&str>) -> Result<(), Refusal> {
    match name {
        Some(name) if name.chars().count() > NAME_CHARS => {
            Err(Refusal::invalid(format!("A name has more than {NAME_CHARS} characters")))
        }
        _ => Ok(()),
    }
}

fn check_timers(timers: TimerLengths) -> Result<(), Refusal> {
    let short = |length: Option<u64>, least: u64| length.is_some_and(|length| length > 0 && length < least);
    if short(timers.inactive_ms, INACTIVE_MS) {
        return Err(Refusal::invalid("The inactive timer is shorter than a minute"));
    }
    if short(timers.closed_ms, CLOSED_MS) {
        // Source: error 50376.
        return Err(Refusal::new(400, 50376, "The closed timer is shorter than ten minutes"));
    }
    Ok(())
}

/// Source: error 50377.
fn closed() -> Refusal {
    Refusal::new(400, 50377, "The conversation is closed")
}

/// Inferred: the code.
fn name_taken() -> Refusal {
    Refusal::new(409, 50353, "Conversation with provided unique name already exists")
}

fn forbidden() -> Refusal {
    Refusal::new(403, 50107, "User unauthorized for command")
}
