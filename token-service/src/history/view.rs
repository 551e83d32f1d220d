//! What Twilio has, as agents see it: pure, no I/O.

use kernel::Timestamp;
use protocol::history::{HistoryAuthor, HistoryMedia, HistoryMessage, HistoryPlace};
use serde_json::Value;
use twilio::conversations::Message;

use super::text::{cleaned, filename};

/// The longest label of a place, in characters.
const MAX_LABEL: usize = 200;

/// The longest content type, in characters.
const MAX_CONTENT_TYPE: usize = 100;

/// In ISO 8601; empty for what is not known.
#[must_use]
pub fn iso_8601(instant: Option<Timestamp>) -> String {
    let millis = instant.and_then(|instant| i64::try_from(instant.as_millis()).ok());
    let instant = millis.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    instant.map(|instant| instant.to_string()).unwrap_or_default()
}

/// A message, written by this author, at this place in its conversation.
#[must_use]
pub fn message(message: &Message, index: u64, author: HistoryAuthor) -> HistoryMessage {
    let media = message.media.iter().map(|media| HistoryMedia {
        sid: media.sid.to_string(),
        content_type: cleaned(&media.content_type, MAX_CONTENT_TYPE).to_ascii_lowercase(),
        filename: filename(&media.filename),
        size: media.size,
    });
    let place = place(&message.attributes, &message.body);
    // What is nothing but a place is not also written as one.
    let body = if place.is_some() && geo(&message.body).is_some() { "" } else { &message.body };
    HistoryMessage {
        sid: message.sid.to_string(),
        index,
        at: iso_8601(message.created),
        author,
        body: body.replace('\0', ""),
        media: media.collect(),
        place,
    }
}

/// The place that came with a message.
///
/// Inferred: Twilio's callback for an inbound WhatsApp message has `Latitude`, `Longitude`, `Address` and `Label`; how Conversations
/// hands them on was not seen. They are looked for in the message's attributes, by these names in any case, also within `location`,
/// and in a body that is a `geo:` URI.
fn place(attributes: &Value, body: &str) -> Option<HistoryPlace> {
    let named = |name: &str| -> Option<&Value> {
        let all = |value: &'_ Value| value.as_object().cloned().unwrap_or_default();
        let found = |value: &Value| all(value).keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
        let within = &attributes["location"];
        found(within).map(|key| &within[&key]).or_else(|| found(attributes).map(|key| &attributes[&key]))
    };
    let degrees = |name: &str, most: f64| {
        let text = match named(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        is_degrees(&text, most).then_some(text)
    };
    let text = |name: &str| named(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    match (degrees("latitude", 90.0), degrees("longitude", 180.0)) {
        (Some(latitude), Some(longitude)) => {
            let label = ["label", "name", "address"].iter().find_map(|name| text(name)).unwrap_or_default();
            Some(HistoryPlace { latitude, longitude, label: cleaned(label, MAX_LABEL) })
        }
        _ => geo(body),
    }
}

/// A body that is nothing but a `geo:` URI (RFC 5870).
fn geo(body: &str) -> Option<HistoryPlace> {
    let (latitude, longitude) = body.trim().strip_prefix("geo:")?.split_once(',')?;
    let longitude = longitude.split([';', '?', ',']).next().unwrap_or_default();
    (is_degrees(latitude, 90.0) && is_degrees(longitude, 180.0)).then(|| HistoryPlace {
        latitude: latitude.to_owned(),
        longitude: longitude.to_owned(),
        label: String::new(),
    })
}

fn is_degrees(text: &str, most: f64) -> bool {
    let plain = text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    plain && text.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= most)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use twilio::MessageSid;

    use super::*;

    fn shown(attributes: Value, body: &str) -> HistoryMessage {
        let read = Message {
            sid: MessageSid::new(format!("IM{}", "1".repeat(32))).unwrap(),
            index: Some(3),
            author: String::new(),
            body: body.into(),
            created: Some(Timestamp::from_millis(1_700_000_000_000)),
            attributes,
            media: Vec::new(),
        };
        message(&read, 3, HistoryAuthor { role: Default::default(), name: String::new() })
    }

    #[test]
    fn a_place_is_shown_wherever_it_is_written() {
        for (attributes, body, label) in [
            (json!({"latitude": "52.5", "longitude": "13.4", "address": "Berlin"}), "", "Berlin"),
            (json!({"Latitude": 52.5, "Longitude": 13.4, "Label": "Café"}), "", "Café"),
            (json!({"location": {"latitude": "52.5", "longitude": "13.4", "name": "Home"}}), "", "Home"),
            (json!(null), "geo:52.5,13.4;u=35", ""),
        ] {
            let place = shown(attributes.clone(), body).place.unwrap();
            assert_eq!(
                (place.latitude.as_str(), place.longitude.as_str(), place.label.as_str()),
                ("52.5", "13.4", label),
                "{attributes} {body}"
            );
        }
        for (attributes, body) in [
            (json!({"latitude": "north", "longitude": "13.4"}), ""),
            (json!({"latitude": "95", "longitude": "13.4"}), ""),
            (json!({"latitude": "NaN", "longitude": "inf"}), "geo:here"),
            (json!({"latitude": "52.5"}), "geo:1,2,3 and more text, but 1,2 is taken"),
        ] {
            let read = shown(attributes.clone(), body);
            assert_eq!(read.place.is_some(), body.starts_with("geo:1"), "{attributes} {body}");
        }
    }

    #[test]
    fn times_are_in_iso_8601() {
        assert_eq!(shown(json!(null), "a\0b").at, "2023-11-14T22:13:20Z");
        assert_eq!(shown(json!(null), "a\0b").body, "ab");
        assert_eq!(iso_8601(None), "");
    }
}
