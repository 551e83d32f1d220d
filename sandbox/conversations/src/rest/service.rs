//! The service by REST, and what it has beside conversations: users, roles, configuration, addresses.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::Method;
use serde_json::Value;

use crate::change::{Change, Happened, ParticipantPatch, Refusal, UserPatch};
use crate::handle::Conversations;
use crate::model::User;
use crate::rest::admin::{Admin, configure_webhooks};
use crate::rest::conversations::by_date;
use crate::rest::page::{Order, page};
use crate::rest::request::{Answer, Outcome, Request, unknown};
use crate::rest::view;
use crate::store::Store;

/// Whose configuration a path is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Account,
    Service,
}

/// All but `Conversations/…`.
pub(crate) async fn answer(
    conversations: &Conversations,
    admin: &Mutex<Admin>,
    request: &Request<'_>,
    level: Level,
) -> Outcome {
    match request.path {
        ["Users", ..] => users(conversations, request).await,
        ["ParticipantConversations"] => participant_conversations(conversations, request),
        ["Roles", rest @ ..] => roles(&mut locked(admin), request, rest),
        ["Configuration", "Addresses", rest @ ..] if level == Level::Account => {
            addresses(&mut locked(admin), request, rest)
        }
        ["Configuration", rest @ ..] => configuration(&mut locked(admin), request, rest, level),
        // The service itself.
        [] => service(&locked(admin), request, level),
        ["Services"] => services(&locked(admin), request),
        _ => Err(unknown(request)),
    }
}

fn locked(admin: &Mutex<Admin>) -> MutexGuard<'_, Admin> {
    admin.lock().unwrap_or_else(PoisonError::into_inner)
}

fn service(admin: &Admin, request: &Request<'_>, level: Level) -> Outcome {
    if request.method != Method::GET || level == Level::Account {
        return Err(unknown(request));
    }
    Ok(Answer::Found(view::service(request.place, &admin.service_name, admin.started)))
}

fn services(admin: &Admin, request: &Request<'_>) -> Outcome {
    match request.method {
        Method::GET => {
            let asked = request.page()?;
            let base = format!("{}/Services/{}", request.place.base, request.place.service_sid);
            let place = view::Place { base: &base, ..request.place };
            let only = view::service(place, &admin.service_name, admin.started);
            let all = vec![(request.place.service_sid.to_owned(), only)];
            Ok(request.list("services", page(all.into_iter(), &asked)?, &asked))
        }
        // The sandbox is one account with one service.
        Method::POST => Err(Refusal::new(403, 20403, "The sandbox has one Conversations service")),
        _ => Err(unknown(request)),
    }
}

fn configuration(admin: &mut Admin, request: &Request<'_>, rest: &[&str], level: Level) -> Outcome {
    match (&request.method, rest, level) {
        (&Method::GET, [], Level::Account) => Ok(Answer::Found(view::account_configuration(request.place))),
        (&Method::POST, [], Level::Account) => {
            // The account has one service, which is its default, and nothing else that could be one.
            let service = request.form.text("DefaultChatServiceSid");
            if service.is_some_and(|sid| sid != request.place.service_sid) {
                return Err(Refusal::missing("/Services"));
            }
            let others = ["DefaultMessagingServiceSid", "DefaultInactiveTimer", "DefaultClosedTimer"];
            if let Some(name) = others.iter().find(|name| request.form.text(name).is_some()) {
                return Err(Refusal::invalid(format!("The sandbox has no {name}")));
            }
            Ok(Answer::Found(view::account_configuration(request.place)))
        }
        (&Method::GET | &Method::POST, [], Level::Service) => {
            admin.configure_service(&request.form)?;
            Ok(Answer::Found(view::service_configuration(request.place, &admin.configuration)))
        }
        (&Method::GET | &Method::POST, ["Webhooks"], _) => {
            let webhooks = match level {
                Level::Account => &mut admin.webhooks.account,
                Level::Service => &mut admin.webhooks.service,
            };
            configure_webhooks(webhooks, &request.form)?;
            Ok(Answer::Found(view::service_webhooks(request.place, webhooks)))
        }
        _ => Err(unknown(request)),
    }
}

fn roles(admin: &mut Admin, request: &Request<'_>, rest: &[&str]) -> Outcome {
    match (&request.method, rest) {
        (&Method::GET, []) => {
            let asked = request.page()?;
            let shown = admin.roles.iter().map(|role| (role.sid.clone(), view::role(request.place, role)));
            let mut all: Vec<(String, Value)> = shown.collect();
            all.sort_by(|(a, _), (b, _)| a.cmp(b));
            Ok(request.list("roles", page(all.into_iter(), &asked)?, &asked))
        }
        (&Method::POST, []) => {
            let role = admin.add_role(&request.form, request.now)?;
            Ok(Answer::Created(view::role(request.place, &role)))
        }
        (method, [sid]) => {
            let at = admin.roles.iter().position(|role| role.sid == *sid).ok_or_else(|| unknown(request))?;
            match (method, admin.roles.get_mut(at)) {
                (&Method::GET, Some(role)) => Ok(Answer::Found(view::role(request.place, role))),
                (&Method::POST, Some(role)) => {
                    role.permissions = request.form.list("Permission").unwrap_or_default();
                    role.updated = request.now;
                    Ok(Answer::Found(view::role(request.place, role)))
                }
                (&Method::DELETE, Some(_)) => {
                    admin.roles.remove(at);
                    Ok(Answer::Gone)
                }
                _ => Err(unknown(request)),
            }
        }
        _ => Err(unknown(request)),
    }
}

fn addresses(admin: &mut Admin, request: &Request<'_>, rest: &[&str]) -> Outcome {
    match (&request.method, rest) {
        (&Method::GET, []) => {
            let asked = request.page()?;
            let all = admin.addresses.iter().map(|one| (one.sid.clone(), view::address(request.place, one)));
            let page = page(all.collect::<Vec<_>>().into_iter(), &asked)?;
            Ok(request.list("address_configurations", page, &asked))
        }
        (&Method::POST, []) => {
            let address = admin.add_address(&request.form, request.now)?;
            Ok(Answer::Created(view::address(request.place, &address)))
        }
        (&Method::GET, [name]) => {
            let found = admin.addresses.iter().find(|one| one.sid == *name || one.address == *name);
            Ok(Answer::Found(view::address(request.place, found.ok_or_else(|| unknown(request))?)))
        }
        (&Method::POST, [name]) => {
            let address = admin.update_address(name, &request.form, request.now)?;
            Ok(Answer::Found(view::address(request.place, &address)))
        }
        (&Method::DELETE, [name]) => {
            let before = admin.addresses.len();
            admin.addresses.retain(|one| one.sid != *name && one.address != *name);
            if admin.addresses.len() == before { Err(unknown(request)) } else { Ok(Answer::Gone) }
        }
        _ => Err(unknown(request)),
    }
}

/// The conversations of whoever has this identity or this address, the newest first.
///
/// Inferred: that order.
fn participant_conversations(conversations: &Conversations, request: &Request<'_>) -> Outcome {
    if request.method != Method::GET {
        return Err(unknown(request));
    }
    let identity = request.query.text("Identity").filter(|text| !text.is_empty());
    let address = request.query.text("Address").filter(|text| !text.is_empty());
    let Some(name) = identity.or(address) else {
        return Err(Refusal::invalid("Either Identity or Address must be given"));
    };
    let mut asked = request.page()?;
    asked.order = Order::Descending;
    let page = conversations.read(|store| {
        let user = store.user(name);
        let all = store.rooms_of(name).filter(|(_, participant)| match identity {
            Some(identity) => participant.identity.as_deref() == Some(identity),
            None => participant.binding.as_ref().is_some_and(|binding| binding.address == name),
        });
        let mut found: Vec<(String, Value)> = all
            .map(|(room, participant)| {
                let shown = view::participant_conversation(request.place, room, participant, user);
                (by_date(room.conversation()), shown)
            })
            .collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        page(found.into_iter(), &asked)
    })?;
    Ok(request.list("conversations", page, &asked))
}

fn user_patch(request: &Request<'_>) -> UserPatch {
    UserPatch {
        friendly_name: request.form.owned("FriendlyName"),
        attributes: request.form.owned("Attributes"),
        role_sid: request.form.owned("RoleSid"),
        online: None,
    }
}

fn user_of(happened: Vec<Happened>) -> Result<User, Refusal> {
    let user = happened.into_iter().find_map(|one| match one {
        Happened::UserAdded(user) | Happened::UserUpdated(user) => Some(user),
        _ => None,
    });
    user.ok_or_else(|| Refusal::new(500, 20500, "The change led to nothing"))
}

fn user<'a>(store: &'a Store, request: &Request<'_>, name: &str) -> Result<&'a User, Refusal> {
    store.user(name).ok_or_else(|| unknown(request))
}

async fn users(conversations: &Conversations, request: &Request<'_>) -> Outcome {
    match (&request.method, request.path) {
        (&Method::GET, ["Users"]) => {
            let asked = request.page()?;
            let page = conversations.read(|store| {
                let shown = store.users().map(|user| (user.sid.clone(), view::user(request.place, user)));
                let mut all: Vec<(String, Value)> = shown.collect();
                all.sort_by(|(a, _), (b, _)| a.cmp(b));
                page(all.into_iter(), &asked)
            })?;
            Ok(request.list("users", page, &asked))
        }
        (&Method::POST, ["Users"]) => {
            let identity = request.form.required("Identity")?.to_owned();
            if conversations.user(&identity).is_some() {
                // Source: error 50201.
                return Err(Refusal::new(409, 50201, "User already exists"));
            }
            let change = Change::UpdateUser { identity, patch: user_patch(request) };
            let made = user_of(conversations.submit(&request.actor, change).await?)?;
            Ok(Answer::Created(view::user(request.place, &made)))
        }
        (&Method::GET, ["Users", name]) => conversations
            .read(|store| Ok(Answer::Found(view::user(request.place, user(store, request, name)?)))),
        (&Method::POST, ["Users", name]) => {
            let identity = conversations.read(|store| Ok(user(store, request, name)?.identity.clone()))?;
            let change = Change::UpdateUser { identity, patch: user_patch(request) };
            let changed = user_of(conversations.submit(&request.actor, change).await?)?;
            Ok(Answer::Found(view::user(request.place, &changed)))
        }
        (_, ["Users", name, "Conversations", rest @ ..]) => {
            user_conversations(conversations, request, name, rest).await
        }
        _ => Err(unknown(request)),
    }
}

async fn user_conversations(
    conversations: &Conversations,
    request: &Request<'_>,
    name: &str,
    rest: &[&str],
) -> Outcome {
    let shown = |conversation: &str| {
        conversations.read(|store| {
            let user = user(store, request, name)?;
            let room = store.room(conversation).ok_or_else(|| unknown(request))?;
            let participant = room.participant(&user.identity).ok_or_else(|| unknown(request))?;
            Ok(view::user_conversation(request.place, room, participant, user))
        })
    };
    let participant =
        || conversations.read(|store| Ok::<_, Refusal>(user(store, request, name)?.identity.clone()));
    match (&request.method, rest) {
        (&Method::GET, []) => {
            let mut asked = request.page()?;
            asked.order = Order::Descending;
            let page = conversations.read(|store| {
                let user = user(store, request, name)?;
                let mut all: Vec<(String, Value)> = store
                    .rooms_of(&user.identity)
                    .map(|(room, participant)| {
                        let shown = view::user_conversation(request.place, room, participant, user);
                        (by_date(room.conversation()), shown)
                    })
                    .collect();
                all.sort_by(|(a, _), (b, _)| a.cmp(b));
                page(all.into_iter(), &asked)
            })?;
            Ok(request.list("conversations", page, &asked))
        }
        (&Method::GET, [conversation]) => Ok(Answer::Found(shown(conversation)?)),
        (&Method::POST, [conversation]) => {
            let patch = ParticipantPatch {
                last_read: request.form.parsed("LastReadMessageIndex")?.map(Some),
                notification_level: request.form.owned("NotificationLevel"),
                ..ParticipantPatch::default()
            };
            let change = Change::UpdateParticipant {
                conversation: (*conversation).to_owned(),
                participant: participant()?,
                patch,
            };
            conversations.submit(&request.actor, change).await?;
            Ok(Answer::Found(shown(conversation)?))
        }
        (&Method::DELETE, [conversation]) => {
            let change = Change::RemoveParticipant {
                conversation: (*conversation).to_owned(),
                participant: participant()?,
            };
            conversations.submit(&request.actor, change).await?;
            Ok(Answer::Gone)
        }
        _ => Err(unknown(request)),
    }
}
