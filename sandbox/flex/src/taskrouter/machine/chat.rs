//! What only a chat task has: the conversation in which customer and agent write to each other.

use serde_json::{Value, json};

use super::event::{Attributes, ChatCommand};
use crate::api::ChannelType;

/// The conversation of a task.
#[derive(Debug, Clone)]
pub(super) struct Chat {
    pub(super) conversation_sid: String,
    channel_type: ChannelType,
    customer_address: Value,
    /// Goes on when the task is completed: the next task takes up the same conversation.
    long_lived: bool,
    customer_left: bool,
    /// Another task has taken the conversation up.
    handed_over: bool,
}

impl Chat {
    /// A task whose attributes name a conversation is a chat.
    pub(super) fn of(attributes: &Attributes, long_lived: bool) -> Option<Self> {
        let text = |name: &str| attributes.get(name).and_then(Value::as_str);
        Some(Self {
            conversation_sid: text("conversationSid")?.to_owned(),
            channel_type: text("channelType").map_or(ChannelType::Web, ChannelType::named),
            customer_address: attributes.get("customerAddress").cloned().unwrap_or_default(),
            long_lived,
            customer_left: false,
            handed_over: false,
        })
    }

    /// Somebody else's task is about the conversation now: it does not end with this one.
    pub(super) fn hand_over(&mut self) {
        self.handed_over = true;
    }

    pub(super) fn is_long_lived(&self) -> bool {
        self.long_lived
    }

    pub(super) fn customer_leaves(&mut self) {
        self.customer_left = true;
    }

    /// The agent accepts: TaskRouter's side of Flex makes them a participant.
    pub(super) fn join(&self) -> ChatCommand {
        ChatCommand::Join { conversation_sid: self.conversation_sid.clone() }
    }

    /// The task is completed: the agent is a participant no longer, **whatever other task of theirs is about the same
    /// conversation**, and the conversation ends unless it is a long-lived one.
    ///
    /// Source: Twilio Professional Services on tasks that share a long-lived channel: completing one of them removes
    /// the agent from the channel, and so breaks the others. Inferred: that Flex Conversations do as Flex Chat did.
    pub(super) fn completed(&self) -> Vec<ChatCommand> {
        let mut commands = vec![ChatCommand::Leave { conversation_sid: self.conversation_sid.clone() }];
        if !self.long_lived && !self.handed_over {
            commands.push(ChatCommand::Close { conversation_sid: self.conversation_sid.clone() });
        }
        commands
    }

    pub(super) fn channel_type(&self) -> ChannelType {
        self.channel_type
    }

    pub(super) fn customer_address(&self) -> &Value {
        &self.customer_address
    }

    /// For people and tests.
    pub(super) fn summary(&self) -> Value {
        json!({
            "conversation_sid": self.conversation_sid,
            "channel_type": self.channel_type.name(),
            "customer_address": self.customer_address,
            "long_lived": self.long_lived,
            "customer_left": self.customer_left,
        })
    }
}
