//! The shell of the webhooks: asks before a change, and tells of it afterwards.

use std::sync::{Arc, Mutex, PoisonError};

use sandbox_callbacks::Courier;
use tokio::sync::mpsc;

use crate::change::{Actor, Change, Notice};
use crate::handle::{Gate, Gated, WeakConversations};
use crate::rest::admin::Admin;
use crate::webhooks::{Owner, judged};

/// What both of them need.
#[derive(Clone)]
pub(crate) struct Hooks {
    pub account_sid: String,
    pub service_sid: String,
    /// Weak, because the service owns its gate.
    pub conversations: WeakConversations,
    pub admin: Arc<Mutex<Admin>>,
    pub courier: Courier,
}

impl Hooks {
    fn owner(&self) -> Owner<'_> {
        Owner { account_sid: &self.account_sid, service_sid: &self.service_sid }
    }

    /// Tells of every change, in its order, until the service ends.
    pub(crate) async fn follow(self, mut notices: mpsc::UnboundedReceiver<Notice>) {
        while let Some(notice) = notices.recv().await {
            let told = {
                let mut admin = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
                admin.webhooks.post(self.owner(), &notice)
            };
            for one in told {
                self.courier.post(&one.queue, one.callback);
            }
        }
    }
}

impl Gate for Hooks {
    fn before<'a>(&'a self, actor: &'a Actor, change: Change) -> Gated<'a> {
        Box::pin(async move {
            let question = self.conversations.upgrade().and_then(|conversations| {
                conversations.read(|store| {
                    let admin = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
                    admin.webhooks.pre(self.owner(), actor, &change, store)
                })
            });
            match question {
                Some(question) => judged(change, &self.courier.ask(question).await),
                None => Ok(change),
            }
        })
    }
}
