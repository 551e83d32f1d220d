//! The worker attribute that switches the voice client on, as people and user directories write it.

/// The attribute's name.
pub const NAME: &str = "extensionVoiceClientEnabled";

/// How much of an odd value is shown to an agent, in characters.
const SHOWN: usize = 40;

/// A worker attribute's value, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Not there, or `null`.
    Absent,
    /// `true` or `false`.
    Bool(bool),
    /// A text. User directories (SAML, SCIM) know nothing else.
    Text(String),
    /// Anything else, as JSON.
    Other(String),
}

/// What the attribute means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Switch {
    /// The voice client is for this worker.
    On,
    /// It is not.
    Off,
    /// Neither: what the attribute says. Counts as off, and is told.
    Unclear(String),
}

/// Reads the attribute. A directory that has nothing to say writes an empty text.
#[must_use]
pub fn read(value: Value) -> Switch {
    let text = match value {
        Value::Bool(true) => return Switch::On,
        Value::Absent | Value::Bool(false) => return Switch::Off,
        Value::Text(text) => text,
        Value::Other(json) => return Switch::Unclear(short(&json)),
    };
    match text.trim() {
        on if on.eq_ignore_ascii_case("true") => Switch::On,
        off if off.is_empty() || off.eq_ignore_ascii_case("false") => Switch::Off,
        _ => Switch::Unclear(short(&format!("\"{text}\""))),
    }
}

fn short(value: &str) -> String {
    if value.chars().count() <= SHOWN {
        return value.to_owned();
    }
    value.chars().take(SHOWN).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Switch {
        read(Value::Text(value.into()))
    }

    #[test]
    fn true_counts_in_every_form_in_which_user_directories_write_it() {
        for value in ["true", "True", "TRUE", " true ", "true\n"] {
            assert_eq!(text(value), Switch::On, "{value:?}");
        }
        assert_eq!(read(Value::Bool(true)), Switch::On);
    }

    #[test]
    fn false_null_empty_and_absent_mean_that_the_agent_uses_flexs_own_softphone() {
        for value in ["false", "False", " FALSE", "", "  "] {
            assert_eq!(text(value), Switch::Off, "{value:?}");
        }
        for value in [Value::Absent, Value::Bool(false)] {
            assert_eq!(read(value), Switch::Off);
        }
    }

    #[test]
    fn what_is_neither_true_nor_false_is_named_as_it_was_written() {
        for (value, said) in [
            (Value::Other("1".into()), "1"),
            (Value::Other("[true]".into()), "[true]"),
            (Value::Text("yes".into()), "\"yes\""),
            (Value::Text("truee".into()), "\"truee\""),
        ] {
            assert_eq!(read(value), Switch::Unclear(said.into()));
        }
        let Switch::Unclear(said) = text(&"é".repeat(5000)) else { panic!() };
        assert_eq!(said.chars().count(), SHOWN + 1);
    }
}
