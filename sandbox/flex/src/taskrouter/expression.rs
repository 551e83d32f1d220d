//! `EvaluateTaskAttributes`: which tasks a list is to hold, by what their attributes are.
//!
//! Source: <https://www.twilio.com/docs/taskrouter/expression-syntax>. Of it the sandbox reads what a service asks a list
//! with: comparisons for equality, with `AND` and `OR` between them, of which `AND` binds tighter.

use serde_json::Value;

use super::machine::event::{Attributes, Refusal};

/// An expression: alternatives, each of comparisons that all hold.
pub(super) struct Expression(Vec<Vec<Comparison>>);

struct Comparison {
    /// The attribute, and what it is in.
    path: Vec<String>,
    equal: bool,
    value: Value,
}

impl Expression {
    /// # Errors
    /// [`Refusal`] 400 if it is none, or more than the sandbox knows.
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let unreadable = || {
            Refusal::conflict(format!(
                "EvaluateTaskAttributes is no expression that the sandbox knows: {text}"
            ))
        };
        let mut words = words(text).ok_or_else(unreadable)?.into_iter();
        let mut all = vec![Vec::new()];
        loop {
            let (Some(Word::Name(name)), Some(Word::Operator(equal)), Some(value)) =
                (words.next(), words.next(), words.next().and_then(Word::value))
            else {
                return Err(unreadable());
            };
            let path = name.split('.').map(str::to_owned).collect();
            if let Some(last) = all.last_mut() {
                last.push(Comparison { path, equal, value });
            }
            match words.next() {
                None => return Ok(Self(all)),
                Some(Word::Name(name)) if name.eq_ignore_ascii_case("and") => {}
                Some(Word::Name(name)) if name.eq_ignore_ascii_case("or") => all.push(Vec::new()),
                Some(_) => return Err(unreadable()),
            }
        }
    }

    /// Whether a task with these attributes is meant.
    pub(super) fn holds(&self, attributes: &Attributes) -> bool {
        self.0.iter().any(|all| all.iter().all(|comparison| comparison.holds(attributes)))
    }
}

impl Comparison {
    fn holds(&self, attributes: &Attributes) -> bool {
        let (first, rest) = match self.path.split_first() {
            Some(path) => path,
            None => return false,
        };
        let found = rest.iter().try_fold(attributes.get(first), |value, name| Some(value?.get(name)));
        (found.flatten() == Some(&self.value)) == self.equal
    }
}

enum Word {
    Name(String),
    /// Whether it asks for what is equal.
    Operator(bool),
    Text(String),
}

impl Word {
    fn value(self) -> Option<Value> {
        match self {
            Self::Text(text) => Some(Value::String(text)),
            // Numbers and truth are written as JSON has them.
            Self::Name(name) => serde_json::from_str(&name).ok(),
            Self::Operator(_) => None,
        }
    }
}

fn words(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, length) = if first == '"' || first == '\'' {
            let end = rest[1..].find(first)?;
            (Word::Text(rest[1..=end].to_owned()), end + 2)
        } else if let Some((sign, equal)) =
            [("==", true), ("!=", false), ("=", true)].into_iter().find(|(sign, _)| rest.starts_with(sign))
        {
            (Word::Operator(equal), sign.len())
        } else {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || "._-".contains(c))).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            (Word::Name(rest[..end].to_owned()), end)
        };
        words.push(word);
        rest = rest[length..].trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tasks_are_chosen_by_what_their_attributes_are() {
        let attributes =
            json!({ "conversationSid": "CH1", "channelType": "web", "customers": { "tier": 2 } });
        let attributes = attributes.as_object().unwrap();
        for (text, holds) in [
            (r#"conversationSid == "CH1""#, true),
            (r#"conversationSid=='CH1'"#, true),
            (r#"conversationSid = "CH2""#, false),
            (r#"conversationSid != "CH2""#, true),
            (r#"unknown == "CH1""#, false),
            (r#"unknown != "CH1""#, true),
            ("customers.tier == 2", true),
            ("customers.tier.more == 2", false),
            (r#"conversationSid == "CH1" AND channelType == "sms""#, false),
            (r#"conversationSid == "CH9" and channelType == "sms" OR channelType == "web""#, true),
            (r#"conversationSid == "CH1) OR 1==1""#, false),
        ] {
            let Ok(expression) = Expression::read(text) else { panic!("{text} is an expression") };
            assert_eq!(expression.holds(attributes), holds, "{text}");
        }
        for text in [
            "",
            "conversationSid",
            "a ==",
            r#"a == "b"#,
            r#"a == "b" c"#,
            "a == b",
            "a > 1",
            r#"a == "b" AND"#,
        ] {
            assert!(Expression::read(text).is_err(), "{text}");
        }
    }
}
