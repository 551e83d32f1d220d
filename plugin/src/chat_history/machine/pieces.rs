//! A message's text in pieces: what is a link, and what is found by the search. Only ever plain text.

use std::ops::Range;

use protocol::history::HistoryPlace;

use super::search::Search;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// As it was written.
    pub text: &'a str,
    /// The whole address of which it is a part.
    pub link: Option<&'a str>,
    /// It was looked for.
    pub found: bool,
}

/// Cuts a text.
#[must_use]
pub fn pieces<'a>(text: &'a str, search: &Search) -> Vec<Piece<'a>> {
    let (links, found) = (links(text), search.places(text));
    let mut cuts: Vec<usize> = links
        .iter()
        .chain(&found)
        .flat_map(|range| [range.start, range.end])
        .chain([0, text.len()])
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    let within =
        |ranges: &[Range<usize>], from: usize| ranges.iter().find(|range| range.contains(&from)).cloned();
    cuts.windows(2)
        .filter_map(|cut| {
            let &[from, to] = cut else { return None };
            Some(Piece {
                text: text.get(from..to)?,
                link: within(&links, from).and_then(|range| text.get(range)),
                found: within(&found, from).is_some(),
            })
        })
        .collect()
}

/// The addresses in a text: `http` and `https` alone, up to what cannot belong to one.
fn links(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("http")).map(|at| from + at) {
        let rest = text.get(at..).unwrap_or_default();
        let scheme = ["https://", "http://"].into_iter().find(|scheme| rest.starts_with(scheme));
        let end = rest
            .find(|c: char| {
                c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '\u{200e}'..='\u{202e}')
            })
            .unwrap_or(rest.len());
        let address = rest
            .get(..end)
            .unwrap_or_default()
            .trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '\'']);
        let is_link = scheme.is_some_and(|scheme| address.len() > scheme.len());
        if is_link {
            found.push(at..at + address.len());
        }
        from = at + if is_link { address.len() } else { "http".len() };
    }
    found
}

/// Whether a file is a picture that every browser draws from pixels alone.
#[must_use]
pub fn is_picture(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    ["image/png", "image/jpeg", "image/gif", "image/webp"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known))
}

/// Where a place is on a map; `None` where what was sent is no place.
#[must_use]
pub fn map_of(place: &HistoryPlace) -> Option<String> {
    let (latitude, longitude) = (degrees(&place.latitude)?, degrees(&place.longitude)?);
    Some(format!(
        "https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}#map=16/{latitude}/{longitude}"
    ))
}

/// Degrees, as they were sent: digits with a sign and a point, which may stand in an address.
fn degrees(text: &str) -> Option<&str> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number =
        |digits: &str| (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    (is_number(whole) && whole.len() <= 3 && is_number(part)).then_some(text)
}
