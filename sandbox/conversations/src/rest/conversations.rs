//! Conversations by REST, and all that is in one: participants, messages, receipts, webhooks.

use std::sync::{Mutex, PoisonError};

use axum::http::Method;
use serde_json::Value;

use crate::change::{
    Actor, Change, ConversationPatch, Happened, MessagePatch, NewConversation, NewMessage, NewParticipant,
    ParticipantPatch, Refusal,
};
use crate::handle::Conversations;
use crate::model::{Conversation, Message, Participant, State, TimerLengths};
use crate::rest::admin::Admin;
use crate::rest::page::{Order, Page, page};
use crate::rest::request::{Answer, Outcome, Request, unknown};
use crate::rest::view;
use crate::store::{Room, Store};

/// Participants with which a conversation can be made at once.
const PARTICIPANTS_AT_ONCE: usize = 10;

/// `Conversations/…`
pub(crate) async fn answer(
    conversations: &Conversations,
    admin: &Mutex<Admin>,
    request: &Request<'_>,
) -> Outcome {
    match request.path {
        ["Conversations"] => all(conversations, request).await,
        ["ConversationWithParticipants"] => with_participants(conversations, request).await,
        ["Conversations", name] => one(conversations, request, name).await,
        ["Conversations", name, "Participants", rest @ ..] => {
            participants(conversations, request, name, rest).await
        }
        ["Conversations", name, "Messages", rest @ ..] => messages(conversations, request, name, rest).await,
        ["Conversations", name, "Webhooks", rest @ ..] => {
            // What is not there has no webhooks.
            let sid =
                conversations.read(|store| room(store, name).map(|room| room.conversation().sid.clone()))?;
            let mut admin = admin.lock().unwrap_or_else(PoisonError::into_inner);
            webhooks(&mut admin, request, &sid, rest)
        }
        _ => Err(unknown(request)),
    }
}

fn room<'a>(store: &'a Store, name: &str) -> Result<&'a Room, Refusal> {
    store.room(name).ok_or_else(|| Refusal::missing(&format!("/Conversations/{name}")))
}

/// What a change is known to lead to.
fn only<T>(happened: Vec<Happened>, pick: fn(Happened) -> Option<T>) -> Result<T, Refusal> {
    let found = happened.into_iter().find_map(pick);
    found.ok_or_else(|| Refusal::new(500, 20500, "The change led to nothing"))
}

fn conversation_of(happened: Happened) -> Option<Conversation> {
    match happened {
        Happened::ConversationAdded(conversation) | Happened::ConversationUpdated(conversation) => {
            Some(conversation)
        }
        _ => None,
    }
}

fn participant_of(happened: Happened) -> Option<(String, Participant)> {
    match happened {
        Happened::ParticipantAdded { conversation, participant }
        | Happened::ParticipantUpdated { conversation, participant } => Some((conversation, participant)),
        _ => None,
    }
}

fn message_of(happened: Happened) -> Option<(String, Message)> {
    match happened {
        Happened::MessageAdded { conversation, message }
        | Happened::MessageUpdated { conversation, message } => Some((conversation, message)),
        _ => None,
    }
}

fn timers(request: &Request<'_>) -> Result<TimerLengths, Refusal> {
    Ok(TimerLengths {
        inactive_ms: request.form.duration_ms("Timers.Inactive")?,
        closed_ms: request.form.duration_ms("Timers.Closed")?,
    })
}

fn new_conversation(request: &Request<'_>) -> Result<NewConversation, Refusal> {
    let form = &request.form;
    Ok(NewConversation {
        unique_name: form.owned("UniqueName"),
        friendly_name: form.owned("FriendlyName"),
        attributes: form.owned("Attributes"),
        messaging_service_sid: form.owned("MessagingServiceSid"),
        state: form.state()?,
        timers: timers(request)?,
        created: form.instant("DateCreated")?,
    })
}

async fn all(conversations: &Conversations, request: &Request<'_>) -> Outcome {
    match request.method {
        Method::POST => {
            let change = Change::AddConversation(new_conversation(request)?);
            let made = only(conversations.submit(&request.actor, change).await?, conversation_of)?;
            Ok(Answer::Created(view::conversation(request.place, &made)))
        }
        Method::GET => {
            let state = request.query.state()?;
            let (start, end) = (request.query.instant("StartDate")?, request.query.instant("EndDate")?);
            // Inferred: the newest first.
            let mut asked = request.page()?;
            asked.order = Order::Descending;
            let page = conversations.read(|store| {
                let fits = |conversation: &Conversation| {
                    state.is_none_or(|state| conversation.state == state)
                        && start.is_none_or(|start| conversation.created >= start)
                        && end.is_none_or(|end| conversation.created <= end)
                };
                let rooms = store.rooms().map(Room::conversation).filter(|conversation| fits(conversation));
                let mut found: Vec<(String, Value)> = rooms
                    .map(|conversation| {
                        (by_date(conversation), view::conversation(request.place, conversation))
                    })
                    .collect();
                found.sort_by(|(a, _), (b, _)| a.cmp(b));
                page(found.into_iter(), &asked)
            })?;
            Ok(request.list("conversations", page, &asked))
        }
        _ => Err(unknown(request)),
    }
}

/// Sorts conversations by when they began. It stays the same for as long as a conversation exists, so that none moves from
/// one page to another.
pub(crate) fn by_date(conversation: &Conversation) -> String {
    format!("{:020}-{}", conversation.created.as_millis(), conversation.sid)
}

async fn one(conversations: &Conversations, request: &Request<'_>, name: &str) -> Outcome {
    match request.method {
        Method::GET => conversations.read(|store| {
            Ok(Answer::Found(view::conversation(request.place, room(store, name)?.conversation())))
        }),
        Method::POST => {
            let form = &request.form;
            let patch = ConversationPatch {
                unique_name: form.owned("UniqueName"),
                friendly_name: form.owned("FriendlyName"),
                attributes: form.owned("Attributes"),
                messaging_service_sid: form.owned("MessagingServiceSid"),
                state: form.state()?,
                timers: timers(request)?,
                updated: form.instant("DateUpdated")?,
            };
            let change = Change::UpdateConversation { conversation: name.to_owned(), patch };
            let changed = only(conversations.submit(&request.actor, change).await?, conversation_of)?;
            Ok(Answer::Found(view::conversation(request.place, &changed)))
        }
        Method::DELETE => {
            let change = Change::RemoveConversation { conversation: name.to_owned() };
            conversations.submit(&request.actor, change).await?;
            Ok(Answer::Gone)
        }
        _ => Err(unknown(request)),
    }
}

async fn with_participants(conversations: &Conversations, request: &Request<'_>) -> Outcome {
    if request.method != Method::POST {
        return Err(unknown(request));
    }
    let mut new = new_conversation(request)?;
    let state = new.state.replace(State::Initializing).unwrap_or_default();
    let texts = request.form.list("Participant").unwrap_or_default();
    if texts.len() > PARTICIPANTS_AT_ONCE {
        let message = format!("A conversation begins with at most {PARTICIPANTS_AT_ONCE} participants");
        return Err(Refusal::invalid(message));
    }
    let participants = texts.iter().map(|text| described(text)).collect::<Result<Vec<_>, _>>()?;
    let change = Change::AddConversation(new);
    let made = only(conversations.submit(&request.actor, change).await?, conversation_of)?;
    for participant in participants {
        let change = Change::AddParticipant { conversation: made.sid.clone(), participant };
        if let Err(refusal) = conversations.submit(&request.actor, change).await {
            // Inferred: nothing is left of it.
            conversations.remove(&Actor::api(), &made.sid)?;
            return Err(refusal);
        }
    }
    let patch = ConversationPatch { state: Some(state), ..ConversationPatch::default() };
    let change = Change::UpdateConversation { conversation: made.sid.clone(), patch };
    conversations.submit(&request.actor, change).await?;
    Ok(Answer::Accepted(view::conversation(request.place, &made)))
}

/// A participant described in JSON, in the names of the resource.
fn described(text: &str) -> Result<NewParticipant, Refusal> {
    let given: Value =
        serde_json::from_str(text).map_err(|_json| Refusal::invalid("Participant is not JSON"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let binding = &given["messaging_binding"];
    Ok(NewParticipant {
        identity: text(&given["identity"]),
        address: text(&binding["address"]),
        proxy_address: text(&binding["proxy_address"]),
        projected_address: text(&binding["projected_address"]),
        attributes: text(&given["attributes"]),
        role_sid: text(&given["role_sid"]),
    })
}

async fn participants(
    conversations: &Conversations,
    request: &Request<'_>,
    name: &str,
    rest: &[&str],
) -> Outcome {
    let conversation = name.to_owned();
    let form = &request.form;
    match (&request.method, rest) {
        (&Method::GET, []) => {
            let asked = request.page()?;
            let page = conversations.read(|store| {
                let room = room(store, name)?;
                let sid = &room.conversation().sid;
                let all = room
                    .participants()
                    .map(|one| (one.sid.clone(), view::participant(request.place, sid, one)));
                page(all.collect::<Vec<_>>().into_iter(), &asked)
            })?;
            Ok(request.list("participants", page, &asked))
        }
        (&Method::POST, []) => {
            let participant = NewParticipant {
                identity: form.owned("Identity"),
                address: form.owned("MessagingBinding.Address"),
                proxy_address: form.owned("MessagingBinding.ProxyAddress"),
                projected_address: form.owned("MessagingBinding.ProjectedAddress"),
                attributes: form.owned("Attributes"),
                role_sid: form.owned("RoleSid"),
            };
            let change = Change::AddParticipant { conversation, participant };
            let happened = conversations.submit(&request.actor, change).await?;
            let (sid, made) = only(happened, participant_of)?;
            Ok(Answer::Created(view::participant(request.place, &sid, &made)))
        }
        (&Method::GET, [who]) => conversations.read(|store| {
            let room = room(store, name)?;
            let found = room.participant(who).ok_or_else(|| unknown(request))?;
            Ok(Answer::Found(view::participant(request.place, &room.conversation().sid, found)))
        }),
        (&Method::POST, [who]) => {
            let patch = ParticipantPatch {
                attributes: form.owned("Attributes"),
                role_sid: form.owned("RoleSid"),
                last_read: form.parsed("LastReadMessageIndex")?.map(Some),
                notification_level: None,
            };
            let change = Change::UpdateParticipant { conversation, participant: (*who).to_owned(), patch };
            let happened = conversations.submit(&request.actor, change).await?;
            let (sid, changed) = only(happened, participant_of)?;
            Ok(Answer::Found(view::participant(request.place, &sid, &changed)))
        }
        (&Method::DELETE, [who]) => {
            let change = Change::RemoveParticipant { conversation, participant: (*who).to_owned() };
            conversations.submit(&request.actor, change).await?;
            Ok(Answer::Gone)
        }
        _ => Err(unknown(request)),
    }
}

async fn messages(
    conversations: &Conversations,
    request: &Request<'_>,
    name: &str,
    rest: &[&str],
) -> Outcome {
    let conversation = name.to_owned();
    let form = &request.form;
    match (&request.method, rest) {
        (&Method::GET, []) => {
            let asked = request.page()?;
            let page = conversations.read(|store| {
                let room = room(store, name)?;
                let page = page(room.messages().iter().map(|(index, message)| (*index, message)), &asked)?;
                let sid = &room.conversation().sid;
                Ok(Page {
                    items: page.items.into_iter().map(|one| view::message(request.place, sid, one)).collect(),
                    previous: page.previous,
                    next: page.next,
                })
            })?;
            Ok(request.list("messages", page, &asked))
        }
        (&Method::POST, []) => {
            let message = NewMessage {
                author: form.owned("Author"),
                body: form.owned("Body"),
                subject: form.owned("Subject"),
                attributes: form.owned("Attributes"),
                media: form.list("MediaSid").unwrap_or_default(),
                legacy_media: false,
                content_sid: form.owned("ContentSid"),
                renamed: None,
                created: form.instant("DateCreated")?,
            };
            let change = Change::AddMessage { conversation, message };
            let (sid, made) = only(conversations.submit(&request.actor, change).await?, message_of)?;
            Ok(Answer::Created(view::message(request.place, &sid, &made)))
        }
        (&Method::GET, [message]) => with_message(conversations, request, name, message, |sid, found| {
            Ok(Answer::Found(view::message(request.place, sid, found)))
        }),
        (&Method::POST, [message]) => {
            let patch = MessagePatch {
                author: form.owned("Author"),
                body: form.owned("Body"),
                subject: form.owned("Subject"),
                attributes: form.owned("Attributes"),
            };
            let change = Change::UpdateMessage { conversation, message: (*message).to_owned(), patch };
            let (sid, changed) = only(conversations.submit(&request.actor, change).await?, message_of)?;
            Ok(Answer::Found(view::message(request.place, &sid, &changed)))
        }
        (&Method::DELETE, [message]) => {
            let change = Change::RemoveMessage { conversation, message: (*message).to_owned() };
            conversations.submit(&request.actor, change).await?;
            Ok(Answer::Gone)
        }
        (&Method::GET, [message, "Receipts"]) => {
            let asked = request.page()?;
            with_message(conversations, request, name, message, |sid, found| {
                let all: Vec<(String, Value)> = found
                    .receipts
                    .iter()
                    .map(|one| (one.sid.clone(), view::receipt(request.place, sid, &found.sid, one)))
                    .collect();
                Ok(request.list("delivery_receipts", page(all.into_iter(), &asked)?, &asked))
            })
        }
        (&Method::GET, [message, "Receipts", receipt]) => {
            with_message(conversations, request, name, message, |sid, found| {
                let receipt = found.receipts.iter().find(|one| one.sid == *receipt);
                let receipt = receipt.ok_or_else(|| unknown(request))?;
                Ok(Answer::Found(view::receipt(request.place, sid, &found.sid, receipt)))
            })
        }
        _ => Err(unknown(request)),
    }
}

fn with_message(
    conversations: &Conversations,
    request: &Request<'_>,
    name: &str,
    message: &str,
    work: impl FnOnce(&str, &Message) -> Outcome,
) -> Outcome {
    conversations.read(|store| {
        let room = room(store, name)?;
        let found = room.message(message).ok_or_else(|| unknown(request))?;
        work(&room.conversation().sid, found)
    })
}

fn webhooks(admin: &mut Admin, request: &Request<'_>, sid: &str, rest: &[&str]) -> Outcome {
    let shown = |webhook: &_| view::scoped_webhook(request.place, sid, webhook);
    match (&request.method, rest) {
        (&Method::GET, []) => {
            let asked = request.page()?;
            let of = admin.webhooks.scoped.get(sid).into_iter().flatten();
            let all: Vec<(String, Value)> = of.map(|webhook| (webhook.sid.clone(), shown(webhook))).collect();
            Ok(request.list("webhooks", page(all.into_iter(), &asked)?, &asked))
        }
        (&Method::POST, []) => {
            Ok(Answer::Created(shown(&admin.add_scoped(sid, &request.form, request.now)?)))
        }
        (&Method::GET, [webhook]) => {
            let mut of = admin.webhooks.scoped.get(sid).into_iter().flatten();
            let found = of.find(|one| one.sid == *webhook).ok_or_else(|| unknown(request))?;
            Ok(Answer::Found(shown(found)))
        }
        (&Method::POST, [webhook]) => {
            Ok(Answer::Found(shown(&admin.update_scoped(sid, webhook, &request.form, request.now)?)))
        }
        (&Method::DELETE, [webhook]) => {
            let of = admin.webhooks.scoped.get_mut(sid).ok_or_else(|| unknown(request))?;
            let before = of.len();
            of.retain(|one| one.sid != *webhook);
            if of.len() == before { Err(unknown(request)) } else { Ok(Answer::Gone) }
        }
        _ => Err(unknown(request)),
    }
}
