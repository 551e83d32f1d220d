//! Rules of recording and of subscription: ordered, the last that matches decides.
//!
//! Source: <https://www.twilio.com/docs/video/api/track-subscriptions>. Inferred: that the last decides, which agrees with
//! every example there.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::wire::TrackKind;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(rename = "type")]
    effect: Effect,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    publisher: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    track: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<TrackKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    priority: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Effect {
    Include,
    Exclude,
}

/// A track as rules know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// The publisher's identity.
    pub identity: &'a str,
    /// The publisher's SID.
    pub publisher: &'a str,
    /// The track's name.
    pub name: &'a str,
    /// The track's SID.
    pub track: &'a str,
    pub kind: TrackKind,
}

/// Rules in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    fn one(effect: Effect) -> Self {
        let all = Some(true);
        Self(vec![Rule { effect, all, publisher: None, track: None, kind: None, priority: None }])
    }

    /// Everything.
    #[must_use]
    pub fn everything() -> Self {
        Self::one(Effect::Include)
    }

    /// Nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::one(Effect::Exclude)
    }

    /// Reads the JSON of a form field.
    ///
    /// # Errors
    /// If these are no rules, or a rule says neither what it is about nor that it is about all.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let rules: Vec<Rule> = serde_json::from_str(text).map_err(|_not_rules| Problem::RULES)?;
        let is_whole = |rule: &Rule| {
            rule.all == Some(true)
                || rule.publisher.is_some()
                || rule.track.is_some()
                || rule.kind.is_some()
                || rule.priority.is_some()
        };
        // Source: the page above, "maximum of 20 rules".
        if rules.is_empty() || rules.len() > 20 || !rules.iter().all(is_whole) {
            return Err(Problem::RULES);
        }
        Ok(Self(rules))
    }

    /// Whether a track is meant.
    pub(crate) fn include(&self, subject: Subject<'_>) -> bool {
        let concerns = |rule: &&Rule| {
            let is = |wanted: &Option<String>, one: &str, other: &str| {
                wanted.as_deref().is_none_or(|wanted| wanted == one || wanted == other)
            };
            is(&rule.publisher, subject.identity, subject.publisher)
                && is(&rule.track, subject.name, subject.track)
                && rule.kind.is_none_or(|kind| kind == subject.kind)
        };
        self.0.iter().rfind(concerns).is_some_and(|rule| rule.effect == Effect::Include)
    }

    /// As REST answers them.
    pub(crate) fn to_json(&self) -> Value {
        let mut rules = json!(self.0);
        for rule in rules.as_array_mut().into_iter().flatten() {
            for filter in ["all", "publisher", "track", "kind", "priority"] {
                if rule[filter].is_null() {
                    rule[filter] = Value::Null;
                }
            }
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_matches_decides() {
        let subject =
            |identity, kind| Subject { identity, publisher: "PA", name: "camera", track: "MT", kind };
        let rules = Rules::parse(
            r#"[{"type":"include","all":true},{"type":"exclude","publisher":"guest","kind":"video"}]"#,
        )
        .unwrap();
        assert!(rules.include(subject("agent", TrackKind::Video)));
        assert!(rules.include(subject("guest", TrackKind::Audio)));
        assert!(!rules.include(subject("guest", TrackKind::Video)));
        assert!(!Rules::nothing().include(subject("agent", TrackKind::Video)));
        assert!(Rules::everything().include(subject("agent", TrackKind::Video)));
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for bad in ["", "{}", "[]", r#"[{"type":"include"}]"#, r#"[{"type":"maybe","all":true}]"#] {
            assert_eq!(Rules::parse(bad), Err(Problem::RULES), "{bad}");
        }
    }
}
