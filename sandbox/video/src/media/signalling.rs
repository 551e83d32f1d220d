//! What the SDK says over the data channels that the server opened, and what it is answered.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::ids::{ParticipantSid, TrackSid};

/// A message of the SDK.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Said {
    /// How good its network is, and how much it would know.
    NetworkQuality {
        #[serde(rename = "reportLevel", default)]
        report_level: u8,
    },
    /// What of the tracks is looked at.
    RenderHints { subscriber: Hints },
    /// `ready`, priorities, and what nobody knows.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Hints {
    #[serde(default)]
    pub id: Value,
    #[serde(default)]
    pub hints: Vec<Hint>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Hint {
    pub track: TrackSid,
    /// False while nobody looks at it; absent where only the size changed.
    pub enabled: Option<bool>,
}

/// How networks are rated: the own one, and those of the others.
///
/// Inferred: a network of this machine is excellent, and one that nothing goes through is none. The rating of Twilio's
/// servers is not known.
pub(crate) fn network_quality(detailed: bool, own: u8, others: &BTreeMap<ParticipantSid, u8>) -> Value {
    let both = json!({"send": own, "recv": own});
    let local = if detailed { json!({"level": own, "audio": both, "video": both}) } else { json!(own) };
    let remotes: Vec<_> = others.iter().map(|(sid, level)| json!({"sid": sid, "level": level})).collect();
    json!({"type": "network_quality", "local": local, "remotes": remotes})
}

/// Every hint must be answered within two seconds, or all come again.
pub(crate) fn render_hints_taken(hints: &Hints) -> Value {
    let results: Vec<_> =
        hints.hints.iter().map(|hint| json!({"track": hint.track, "result": "OK"})).collect();
    json!({"type": "render_hints", "subscriber": {"id": hints.id, "hints": results}})
}

pub(crate) fn switched(on: &[TrackSid], off: &[TrackSid]) -> Value {
    json!({"type": "track_switch_off", "on": on, "off": off})
}

pub(crate) fn active_speaker(participant: &ParticipantSid) -> Value {
    json!({"type": "active_speaker", "participant": participant})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_read_and_answered_one_by_one() {
        let track = format!("MT{}", "1".repeat(32));
        let said = json!({"type": "render_hints", "subscriber": {"id": 3, "hints": [
            {"track": track, "enabled": false, "render_dimensions": {"width": 1, "height": 1}}]}});
        let Said::RenderHints { subscriber } = serde_json::from_value(said).unwrap() else {
            panic!("no hints")
        };
        assert_eq!(subscriber.hints[0].enabled, Some(false));
        assert_eq!(
            render_hints_taken(&subscriber),
            json!({"type": "render_hints", "subscriber": {"id": 3, "hints": [{"track": track, "result": "OK"}]}})
        );
        assert!(matches!(serde_json::from_value(json!({"type": "ready"})).unwrap(), Said::Other));
    }

    #[test]
    fn quality_is_told_as_a_number_or_in_detail() {
        let other = ParticipantSid::new(format!("PA{}", "2".repeat(32))).unwrap();
        let others = BTreeMap::from([(other.clone(), 4)]);
        assert_eq!(
            network_quality(false, 5, &others),
            json!({"type": "network_quality", "local": 5, "remotes": [{"sid": other, "level": 4}]})
        );
        assert_eq!(network_quality(true, 3, &others)["local"]["video"], json!({"send": 3, "recv": 3}));
    }
}
