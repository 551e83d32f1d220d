//! What a text message costs: the invitation to a video call is one segment, in every language.
//!
//! Source of the alphabet: 3GPP TS 23.038, 6.2.1. Up to 160 of its characters are one segment; one character that is not among them makes the
//! whole message UCS-2, of which 70 are one.

use messages::{Language, flex::Text};

/// One septet each.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Two septets each.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// The longest origin that is promised to fit, in characters: `https://` and a host of 37.
const ORIGIN: &str = "https://video.contact-center.example-corp.com";

/// In how many segments a text is sent.
fn segments(text: &str) -> usize {
    let septets: Option<usize> = text
        .chars()
        .map(|character| match character {
            _ if BASIC.contains(character) => Some(1),
            _ if EXTENDED.contains(character) => Some(2),
            _ => None,
        })
        .sum();
    let (count, alone, each) = match septets {
        Some(septets) => (septets, 160, 153),
        None => (text.encode_utf16().count(), 70, 67),
    };
    if count <= alone { 1 } else { count.div_ceil(each) }
}

#[test]
fn an_invitation_by_text_message_is_one_segment_in_every_language() {
    assert_eq!(ORIGIN.len(), 45);
    let url = format!("{ORIGIN}{}{}", protocol::video::PAGE_PATH, "z".repeat(protocol::video::CODE_LENGTH));
    for language in [Language::English, Language::Spanish] {
        let text = Text::VideoInvitation.built_in(language);
        // As it is sent, and as the plugin asks the service to send it.
        for sent in [text.replace("{url}", &url), text.replace("{url}", "{link}").replace("{link}", &url)] {
            assert!(sent.contains(&url));
            assert_eq!(segments(&sent), 1, "{sent}");
        }
        // What a chat or a phone would take into the link.
        let behind = text.split_once("{url}").unwrap().1;
        assert!(behind.chars().next().is_none_or(char::is_whitespace), "{text}");
    }
}

#[test]
fn one_character_outside_of_the_alphabet_more_than_doubles_what_a_message_costs() {
    for (text, expected) in [
        ("x".repeat(160), 1),
        ("x".repeat(161), 2),
        ("ñ".repeat(160), 1),
        ("€".repeat(80), 1),
        ("€".repeat(81), 2),
        ("á".repeat(70), 1),
        (format!("{}á", "x".repeat(70)), 2),
        (format!("{}…", "x".repeat(159)), 3),
    ] {
        assert_eq!(segments(&text), expected, "{text}");
    }
}
