//! A customer's message by SMS, WhatsApp or the like: into the open conversation of the pair of addresses, or into a new one
//! where the address that it was sent to starts such.

use std::sync::{Mutex, PoisonError};

use crate::change::{Actor, Change, Happened, NewConversation, NewMessage, NewParticipant, Refusal, Source};
use crate::handle::Conversations;
use crate::model::{Channel, Message};
use crate::rest::admin::Admin;

/// Delivers it. None: nobody has told Conversations about this address, and the message is for somebody else.
pub(crate) async fn deliver(
    conversations: &Conversations,
    admin: &Mutex<Admin>,
    (from, to): (&str, &str),
    message: NewMessage,
    now: kernel::Timestamp,
) -> Result<Option<(String, Message)>, Refusal> {
    let actor = Actor::channel(match Channel::of_address(from) {
        Channel::Whatsapp => Source::Whatsapp,
        Channel::Chat => Source::Chat,
        Channel::Sms | Channel::Messenger | Channel::Email => Source::Sms,
    });
    let open = conversations.read(|store| Some(store.open_room(from, to)?.conversation().sid.clone()));
    let conversation = match open {
        Some(sid) => sid,
        None => {
            let starts = {
                let admin = admin.lock().unwrap_or_else(PoisonError::into_inner);
                admin.auto_creation(to).cloned()
            };
            let Some(address) = starts else { return Ok(None) };
            // Inferred: the name.
            let new = NewConversation { friendly_name: Some(from.to_owned()), ..NewConversation::default() };
            let happened = conversations.submit(&actor, Change::AddConversation(new)).await?;
            let made = happened.into_iter().find_map(|one| match one {
                Happened::ConversationAdded(conversation) => Some(conversation.sid),
                _ => None,
            });
            let sid = made.ok_or_else(|| Refusal::new(500, 20500, "The change led to nothing"))?;
            // Before the participant and the message, of which it is to hear.
            admin.lock().unwrap_or_else(PoisonError::into_inner).attach(&sid, &address, now);
            let participant = NewParticipant::address(from, to);
            let change = Change::AddParticipant { conversation: sid.clone(), participant };
            conversations.submit(&actor, change).await?;
            sid
        }
    };
    let message = NewMessage { author: Some(from.to_owned()), ..message };
    let change = Change::AddMessage { conversation: conversation.clone(), message };
    let happened = conversations.submit(&actor, change).await?;
    Ok(happened.into_iter().find_map(|one| match one {
        Happened::MessageAdded { message, .. } => Some((conversation.clone(), message)),
        _ => None,
    }))
}
