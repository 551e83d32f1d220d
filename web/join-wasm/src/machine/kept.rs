//! What outlives a reload of the page, in the browser's own storage: the seat, and what the person had chosen.

use kernel::Secret;
use protocol::video::SeatRole;

/// What is kept under a link.
///
/// A line each, `name value`; the first line is `in` while the page is to go back by itself after a reload, and `left` after the person has
/// left by hand. The static page reads that first line, and nothing else.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The person left by hand: a tap is wanted before they are in again.
    pub left: bool,
    /// The service's origin; empty for the page's own.
    pub service: String,
    /// The code that the seat was got by.
    pub code: Option<Secret>,
    /// The seat.
    pub seat: Option<Secret>,
    /// Whose it is.
    pub role: SeatRole,
    /// What was answered about recording.
    pub consent: Option<bool>,
    /// The camera is off.
    pub camera_off: bool,
    /// The microphone is off.
    pub microphone_off: bool,
    /// The chosen camera.
    pub camera: Option<String>,
    /// The chosen microphone.
    pub microphone: Option<String>,
    /// The chosen speaker.
    pub speaker: Option<String>,
    /// What the organisation calls itself.
    pub organisation: String,
    /// The agent's public name.
    pub agent: String,
}

impl Kept {
    /// As text.
    #[must_use]
    pub fn write(&self) -> Secret {
        let mut text = String::from(if self.left { "left" } else { "in" });
        let mut line = |name: &str, value: Option<&str>| {
            // What would break the lines is nothing that a browser or the service names a thing by.
            if let Some(value) = value.filter(|value| !value.is_empty() && !value.contains('\n')) {
                text.push('\n');
                text.push_str(name);
                text.push(' ');
                text.push_str(value);
            }
        };
        line("service", Some(&self.service));
        line("code", self.code.as_ref().map(Secret::expose));
        line("seat", self.seat.as_ref().map(Secret::expose));
        line("role", Some(role_name(self.role)));
        line("consent", self.consent.map(|agreed| if agreed { "yes" } else { "no" }));
        line("camera-off", self.camera_off.then_some("yes"));
        line("microphone-off", self.microphone_off.then_some("yes"));
        line("camera", self.camera.as_deref());
        line("microphone", self.microphone.as_deref());
        line("speaker", self.speaker.as_deref());
        line("organisation", Some(&self.organisation));
        line("agent", Some(&self.agent));
        Secret::new(text)
    }

    /// What [`Self::write`] wrote; what is not understood is passed over.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut kept = Self::default();
        let mut lines = text.lines();
        kept.left = lines.next() != Some("in");
        for (name, value) in lines.filter_map(|line| line.split_once(' ')) {
            let owned = || Some(value.to_owned());
            match name {
                "service" => kept.service = value.to_owned(),
                "code" => kept.code = Some(Secret::new(value)),
                "seat" => kept.seat = Some(Secret::new(value)),
                "role" => kept.role = role_of(value),
                "consent" => kept.consent = Some(value == "yes"),
                "camera-off" => kept.camera_off = true,
                "microphone-off" => kept.microphone_off = true,
                "camera" => kept.camera = owned(),
                "microphone" => kept.microphone = owned(),
                "speaker" => kept.speaker = owned(),
                "organisation" => kept.organisation = value.to_owned(),
                "agent" => kept.agent = value.to_owned(),
                _ => {}
            }
        }
        kept
    }
}

const fn role_name(role: SeatRole) -> &'static str {
    match role {
        SeatRole::Customer => "customer",
        SeatRole::Agent => "agent",
        SeatRole::Guest => "guest",
    }
}

/// What the identity or the name of a role begins with says.
#[must_use]
pub fn role_of(name: &str) -> SeatRole {
    [SeatRole::Agent, SeatRole::Guest]
        .into_iter()
        .find(|role| name.starts_with(role_name(*role)))
        .unwrap_or(SeatRole::Customer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let kept = Kept {
            service: "https://tokens.acme.test".into(),
            code: Some(Secret::new("0123")),
            seat: Some(Secret::new("s-1")),
            role: SeatRole::Guest,
            consent: Some(false),
            camera_off: true,
            camera: Some("a b=c".into()),
            organisation: "Acme & Söhne".into(),
            agent: "two\nlines".into(),
            ..Kept::default()
        };
        let read = Kept::read(kept.write().expose());
        assert_eq!(read.write(), kept.write());
        assert_eq!((read.camera.as_deref(), read.agent.as_str()), (Some("a b=c"), ""));
        assert!(read.camera_off && !read.microphone_off && !read.left && read.consent == Some(false));
        let left = Kept { left: true, ..kept };
        assert!(left.write().expose().starts_with("left\n") && Kept::read(left.write().expose()).left);
    }

    #[test]
    fn whatever_else_stands_there_never_leads_back_by_itself() {
        for text in ["", "in", "IN\nseat x", "left\nseat x", "{\"seat\":1}", "in\nseat", "in\nseat\u{0}x"] {
            let kept = Kept::read(text);
            assert!(kept.left || kept.seat.is_none(), "{text}");
        }
    }
}
