//! What customers, bots and agents have said, and when: the earlier conversations that the switchboard makes.

use serde::Deserialize;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Customer,
    Bot,
    Agent,
}

/// What a message consists of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Content {
    /// Words, also emoji.
    Text { text: String },
    /// A picture without words.
    Picture,
    /// A document without words.
    Document,
    /// A place, as WhatsApp's users send it: neither words nor a file.
    Location,
    /// Somebody's contact card: a file without words.
    Contact,
    /// Neither words nor a file, as a sticker or a reaction arrives.
    Nothing,
}

impl Content {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text { text: text.to_owned() }
    }
}

/// A message of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) side: Side,
    pub(crate) content: Content,
    /// How long before the story's end it was written.
    pub(crate) before_end_ms: u64,
}

/// Puts lines one after the other, this long apart.
fn apart(gap_ms: u64, lines: Vec<(Side, Content)>) -> Vec<Line> {
    let count = lines.len() as u64;
    let place = |(n, (side, content)): (u64, (Side, Content))| Line {
        side,
        content,
        before_end_ms: (count - 1 - n) * gap_ms,
    };
    (0..).zip(lines).map(place).collect()
}

/// A customer asks the bot, who does not help, and then wants a person.
pub(crate) fn bot() -> Vec<Line> {
    use Side::{Bot, Customer};
    let text = Content::text;
    apart(
        23_000,
        vec![
            (Customer, text("Hi 👋")),
            (
                Bot,
                text(
                    "Hello! I am the parcel assistant. What is it about?\n1 Where is my parcel\n2 Something is broken\n3 Something else",
                ),
            ),
            (Customer, text("2")),
            (Bot, text("I am sorry to hear that. What is the number of your order?")),
            (Customer, text("4711-0815")),
            (Bot, text("Thank you. Please send a picture of the damage.")),
            (Customer, Content::Picture),
            (Bot, text("I see a parcel. Where shall the new one go?")),
            (Customer, Content::Location),
            (Bot, text("Sorry, I did not understand that. Where shall the new one go?")),
            (Customer, text("This leads nowhere. I would like to talk to a person, please.")),
            (Bot, text("Of course. I connect you with somebody.")),
        ],
    )
}

/// A conversation with an agent, some other day. `number` makes them differ.
pub(crate) fn agent(number: u64) -> Vec<Line> {
    use Side::{Agent, Customer};
    let text = Content::text;
    const MATTERS: [&str; 3] = ["my invoice", "a delivery to the wrong door", "a refund"];
    let matter = MATTERS[usize::try_from(number).unwrap_or(0) % MATTERS.len()];
    apart(
        41_000,
        vec![
            (Customer, text(&format!("Good morning, I have a question about {matter}."))),
            (Agent, text("Good morning! What is the number of your order?")),
            (Customer, text(&format!("It is 4711-{:04}.", 100 + number))),
            (Customer, Content::Document),
            (Agent, text(&format!("Thank you. I have taken care of {matter}. Is there anything else?"))),
            (Customer, text("No, that was all. Thanks!")),
        ],
    )
}

/// A very long conversation with a bot: `count` messages, a minute apart, of lengths that differ.
pub(crate) fn long(count: u64) -> Vec<Line> {
    let line = |n: u64| {
        let side = if n.is_multiple_of(2) { Side::Customer } else { Side::Bot };
        let more = "and so on, ".repeat(usize::try_from(n % 23).unwrap_or(0));
        (side, Content::Text { text: format!("Message {n} of {count}: {more}that is all.") })
    };
    apart(60_000, (0..count).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_ends_now_and_its_lines_follow_one_another() {
        for story in [bot(), agent(0), agent(5), long(300)] {
            assert_eq!(story.last().map(|line| line.before_end_ms), Some(0));
            assert!(story.windows(2).all(|pair| pair[0].before_end_ms > pair[1].before_end_ms));
        }
        assert!(long(0).is_empty());
        assert!(bot().iter().any(|line| line.content == Content::Picture));
    }

    #[test]
    fn what_a_customer_sends_is_read_from_json() {
        let content = |text: &str| serde_json::from_str::<Content>(text).unwrap();
        assert_eq!(content(r#"{"kind":"text","text":"😀"}"#), Content::text("😀"));
        assert_eq!(content(r#"{"kind":"location"}"#), Content::Location);
        assert!(serde_json::from_str::<Content>(r#"{"kind":"text"}"#).is_err(), "text has words");
    }
}
