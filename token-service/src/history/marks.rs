//! What attributes say that somebody is: pure.

use serde_json::Value;

/// What the attributes of a participant or a user say that they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Whom the conversation is with.
    Customer,
    /// A person of the contact center.
    Agent,
    /// A program.
    Bot,
}

/// What attributes say that somebody is.
#[must_use]
pub fn mark(attributes: &Value) -> Option<Mark> {
    let kind = ["member_type", "memberType"].iter().find_map(|name| attributes[name].as_str())?;
    match kind.to_ascii_lowercase().as_str() {
        "customer" | "guest" => Some(Mark::Customer),
        "agent" | "supervisor" => Some(Mark::Agent),
        "bot" | "system" => Some(Mark::Bot),
        _ => None,
    }
}
