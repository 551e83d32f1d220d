//! What a caller's name may look like, in every view. The gateway hands over what anybody who can dial the client wrote;
//! without this, a stranger's prose would reach notifications, Flex and the screen.

/// The longest that is shown.
const MAX_CHARS: usize = 32;
/// E.164 has at most 15 digits; some carriers put a prefix before them.
const MAX_DIGITS: usize = 20;
/// What carriers put in place of a withheld number: the keypad's digits of ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and
/// UNAVAILABLE.
const WITHHELD: [&str; 5] = ["+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"];

/// What is shown of a call's `From`: a number, or `client:` or `sip:` and a short name of plain letters, digits and
/// `. _ - @ +`. `None`, which is *unknown*, for everything else.
///
/// The scheme stays, so that a client that is named like a number is not taken for one. Of a SIP address only the user is
/// shown: its host may be anybody's. What is shown is left as it is when it passes through here again.
///
/// ```
/// use protocol::caller::shown;
/// assert_eq!(shown("+15550100").as_deref(), Some("+15550100"));
/// assert_eq!(shown("client:ada_40example_2Ecom").as_deref(), Some("client:ada@example.com"));
/// assert_eq!(shown("sip:desk.7@pbx.example").as_deref(), Some("sip:desk.7"));
/// assert_eq!(shown("Your Bank <+15550100>"), None);
/// ```
#[must_use]
pub fn shown(from: &str) -> Option<String> {
    let digits = from.strip_prefix('+').unwrap_or(from);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return (digits.len() <= MAX_DIGITS && !WITHHELD.contains(&from)).then(|| from.to_owned());
    }
    let (scheme, name) = from.split_once(':')?;
    let (scheme, name) = match scheme {
        "client" => ("client", plain_name(name)),
        "sip" | "sips" => ("sip", name.split(['@', ';', '?']).next().unwrap_or("").to_owned()),
        _ => return None,
    };
    if name.is_empty() || !name.chars().all(is_plain) {
        return None;
    }
    let mut shown = format!("{scheme}:{name}");
    if shown.len() > MAX_CHARS {
        // All of it is ASCII. The mark says that there is more, so that a long name does not pass for a short one.
        shown.truncate(MAX_CHARS - 1);
        shown.push('…');
    }
    Some(shown)
}

const fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+')
}

/// Flex writes an agent's address into a client's name with `_` and two hexadecimal digits for what a name may not have;
/// that is undone for the few characters that may be shown.
fn plain_name(name: &str) -> String {
    [("_40", "@"), ("_2E", "."), ("_2D", "-"), ("_2B", "+")]
        .iter()
        .fold(name.to_owned(), |name, (code, char)| name.replace(code, char))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_caller_is_a_number_a_client_or_a_sip_user_and_everything_else_is_unknown() {
        for (from, wanted) in [
            ("+15550100", Some("+15550100")),
            ("68849", Some("68849")),
            ("client:ext_agent_40example_2Ecom", Some("client:ext_agent@example.com")),
            ("client:mallory", Some("client:mallory")),
            // A client that is named like a number does not look like one.
            ("client:15550100", Some("client:15550100")),
            ("sip:+15550100@evil.example;user=phone", Some("sip:+15550100")),
            ("sips:desk.7@pbx.example", Some("sip:desk.7")),
            ("client:firstname_2Elastname_40department_2Eexample", Some("client:firstname.lastname@depar…")),
            // Withheld numbers are nobody's.
            ("+266696687", None),
            ("Anonymous", None),
            ("Restricted", None),
            ("", None),
            ("+", None),
            ("+1 (555) 0100", None),
            ("+123456789012345678901", None),
            ("+١٢٣٤٥", None),
            ("client:", None),
            ("client:\u{202e}0010555", None),
            ("client:ada\u{200b}", None),
            ("client:<b>ada</b>", None),
            ("sip:@evil.example", None),
            ("sip:\u{202e}7710 555 1+ - knab ruoY\u{202c}\u{200b}@evil.example", None),
            ("sip:press \"Hang up\"@evil.example", None),
            ("tel:+15550100", None),
            ("CLIENT:ada", None),
            ("☎ Your Bank", None),
        ] {
            assert_eq!(shown(from).as_deref(), wanted, "{from:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_a_stranger_writes_what_is_shown_is_short_and_plain(
            scheme in prop_oneof![Just(""), Just("client:"), Just("sip:"), Just("+")],
            text in prop_oneof!["\\PC*", "[\\x00-\\x7f\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}]{0,40}", "[a-zA-Z0-9_.@-]{0,200}"],
        ) {
            if let Some(name) = shown(&format!("{scheme}{text}")) {
                prop_assert!(name.chars().count() <= MAX_CHARS);
                let kept = name.strip_suffix('…').unwrap_or(&name);
                prop_assert!(kept.chars().all(|c| is_plain(c) || c == ':'), "{name:?}");
            }
        }
    }
}
