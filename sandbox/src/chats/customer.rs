//! Who writes to the call centre, and from where.

use sandbox_conversations::change::{Actor, NewParticipant, Source};
use sandbox_flex::ChannelType;
use sandbox_flex::account::CALL_CENTRE_NUMBER;
use serde_json::{Map, Value, json};

/// The number at which the bot answers: another than the agents' own, so that a customer may write to both.
pub(crate) const BOT_NUMBER: &str = "+15550100099";

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Customer {
    pub(crate) channel: ChannelType,
    /// As the channel has it: an identity, `+1555…`, `whatsapp:+1555…`.
    pub(crate) address: String,
    pub(crate) name: String,
}

impl Customer {
    /// The `number`th customer of this sandbox, where the request does not say who it is.
    pub(crate) fn new(channel: ChannelType, from: Option<String>, name: Option<String>, number: u64) -> Self {
        let from = from.filter(|from| !from.trim().is_empty()).unwrap_or_else(|| match channel {
            ChannelType::Web => format!("guest-{number}"),
            ChannelType::Sms | ChannelType::Whatsapp => format!("+1555020{:04}", number % 10_000),
        });
        let address = match channel {
            ChannelType::Whatsapp if !from.starts_with("whatsapp:") => format!("whatsapp:{from}"),
            _ => from,
        };
        let name = name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "Cleo Customer".to_owned());
        Self { channel, address, name }
    }

    /// The address of ours that this customer writes to, for a channel that has such.
    pub(crate) fn proxy(&self, ours: &str) -> Option<String> {
        match self.channel {
            ChannelType::Web => None,
            ChannelType::Sms => Some(ours.to_owned()),
            ChannelType::Whatsapp => Some(format!("whatsapp:{ours}")),
        }
    }

    /// The customer in a conversation.
    pub(crate) fn participant(&self, ours: &str) -> NewParticipant {
        match self.proxy(ours) {
            Some(proxy) => NewParticipant::address(self.address.as_str(), proxy),
            None => NewParticipant {
                attributes: Some(json!({ "member_type": "guest" }).to_string()),
                ..NewParticipant::identity(self.address.as_str())
            },
        }
    }

    /// What the customer does comes by their channel.
    pub(crate) fn actor(&self) -> Actor {
        match self.channel {
            ChannelType::Web => Actor::sdk(self.address.as_str()),
            ChannelType::Sms => Actor::channel(Source::Sms),
            ChannelType::Whatsapp => Actor::channel(Source::Whatsapp),
        }
    }

    /// The attributes of a task as Flex Conversations makes them. Inferred, where Flex UI does not read them.
    pub(crate) fn task_attributes(&self, conversation_sid: &str) -> Map<String, Value> {
        let attributes = json!({
            "conversationSid": conversation_sid,
            "channelType": self.channel.name(),
            "customerName": self.name,
            "name": self.name,
            "customerAddress": self.address,
            "from": self.address,
            "direction": "inbound",
            "customers": { "external_id": self.address },
            "proxyAddress": self.proxy(CALL_CENTRE_NUMBER),
        });
        if let Value::Object(attributes) = attributes { attributes } else { Map::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_who_is_not_named_has_an_address_that_fits_their_channel() {
        for (channel, address, proxy) in [
            (ChannelType::Web, "guest-7", None),
            (ChannelType::Sms, "+15550200007", Some("+15550100000")),
            (ChannelType::Whatsapp, "whatsapp:+15550200007", Some("whatsapp:+15550100000")),
        ] {
            let customer = Customer::new(channel, Some(" ".to_owned()), None, 7);
            assert_eq!(customer.address, address);
            assert_eq!(customer.proxy(CALL_CENTRE_NUMBER).as_deref(), proxy);
            let attributes = customer.task_attributes("CH1");
            assert_eq!(attributes["customerAddress"], address);
            assert_eq!(attributes["channelType"], channel.name());
        }
        let named = Customer::new(ChannelType::Whatsapp, Some("whatsapp:+1".to_owned()), None, 1);
        assert_eq!(named.address, "whatsapp:+1");
    }
}
