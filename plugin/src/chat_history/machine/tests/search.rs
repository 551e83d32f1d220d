//! Finding words, and everything that is read for it.

use super::harness::*;
use crate::chat_history::machine::chat::MOST_MESSAGES;
use crate::chat_history::machine::event::Act;
use crate::chat_history::machine::pieces::{Piece, is_picture, map_of, pieces};
use crate::chat_history::machine::search::Search;
use protocol::history::HistoryPlace;

fn search(text: &str) -> Act {
    Act::Search(text.to_owned())
}

#[test]
fn a_search_reads_everything_that_is_earlier_counts_and_shows_the_newest_hit_first() {
    let mut rig = Rig::opened();
    rig.conversations = vec![250, 130];
    rig.serve();
    rig.act(search("MESSAGE 42 of"));
    assert_eq!(rig.tab().hits.as_deref(), Some("Loading…"));
    assert!(rig.tab().stop.is_some());
    rig.serve();
    assert_eq!((rig.messages(), rig.tab().hits.as_deref()), (380, Some("1 of 2")));
    assert_eq!(rig.chat().anchor().unwrap().key, message(1, 42).sid);
    rig.act(Act::Step { older: true });
    assert_eq!(rig.chat().anchor().unwrap().key, message(2, 42).sid);
    rig.act(Act::Step { older: true });
    assert_eq!(
        (rig.tab().hits.as_deref(), &rig.chat().anchor().unwrap().key),
        (Some("1 of 2"), &message(1, 42).sid)
    );
    rig.act(Act::Step { older: false });
    assert_eq!(rig.tab().hits.as_deref(), Some("2 of 2"));
    rig.act(search(""));
    assert_eq!(rig.tab().hits, None);
}

#[test]
fn a_search_can_be_stopped_and_one_letter_reads_nothing() {
    let mut rig = Rig::opened();
    rig.conversations = vec![10_000];
    rig.serve();
    rig.act(search("x"));
    assert!(rig.open.is_empty());
    rig.act(search("nowhere"));
    rig.serve_one();
    rig.act(Act::Stop);
    rig.serve();
    assert!(rig.messages() <= 3 * PAGE);
    assert_eq!((rig.tab().hits.as_deref(), rig.tab().stop), (Some("Not found"), None));
    assert!(rig.tab().load_all.is_some());
}

#[test]
fn no_more_than_the_bound_is_read_and_that_is_said() {
    let mut rig = Rig::opened();
    rig.conversations = vec![MOST_MESSAGES + 5_000];
    rig.serve();
    rig.act(Act::LoadAll);
    rig.serve();
    assert_eq!(rig.messages(), MOST_MESSAGES);
    assert_eq!(rig.tab().status, "20000 messages were read; older ones are left out.");
    assert_eq!((rig.tab().stop, rig.tab().load_all), (None, None));
}

#[test]
fn capitals_and_accents_do_not_matter_and_places_are_whole_letters() {
    let found = |needle: &str, text: &str| {
        let search = Search::new(needle.to_owned());
        search.places(text).into_iter().map(|place| text[place].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("jose", "José y JOSE, josé"), ["José", "JOSE", "josé"]);
    assert_eq!(found("ÑU", "ñu 🦀 Nu"), ["ñu", "Nu"]);
    assert_eq!(found("aa", "aaaa"), ["aa", "aa"]);
    assert_eq!(found("🦀", "x🦀y"), ["🦀"]);
    assert!(found(" ", "a b").is_empty());
    // A capital whose small form is two letters.
    assert_eq!(found("i", "İx"), ["İ"]);
}

#[test]
fn only_addresses_of_the_web_become_links_and_end_where_the_sentence_does() {
    let cut = |text: &str| {
        let links =
            pieces(text, &Search::default()).into_iter().filter_map(|piece| piece.link.map(str::to_owned));
        links.collect::<Vec<_>>()
    };
    assert_eq!(
        cut("See https://a.test/x?y=1, or (http://b.test)."),
        ["https://a.test/x?y=1", "http://b.test"]
    );
    assert!(cut("javascript:alert(1) ftp://x httpx https:// data:text/html,<b>").is_empty());
    assert_eq!(cut("https://a.test/\u{202e}gpj.exe"), ["https://a.test/"]);
    assert_eq!(cut("\"https://a.test\"<b>"), ["https://a.test"]);

    let text = "at https://a.test/needle now";
    let search = Search::new("needle".to_owned());
    let whole: String = pieces(text, &search).iter().map(|piece| piece.text).collect();
    assert_eq!(whole, text);
    let found = Piece { text: "needle", link: Some("https://a.test/needle"), found: true };
    assert!(pieces(text, &search).contains(&found));
}

#[test]
fn pictures_are_those_of_pixels_and_places_are_numbers() {
    for (kind, shown) in [
        ("image/png", true),
        ("IMAGE/JPEG; q=1", true),
        ("image/svg+xml", false),
        ("text/html", false),
        ("", false),
    ] {
        assert_eq!(is_picture(kind), shown, "{kind}");
    }
    let place = |latitude: &str, longitude: &str| {
        map_of(&HistoryPlace {
            latitude: latitude.to_owned(),
            longitude: longitude.to_owned(),
            label: String::new(),
        })
    };
    let map = place(" 52.5", "-13.4").unwrap();
    assert_eq!(map, "https://www.openstreetmap.org/?mlat=52.5&mlon=-13.4#map=16/52.5/-13.4");
    for (latitude, longitude) in [("", "1"), ("1", "1&x=2"), ("1e5", "1"), ("--1", "1"), ("1.", "1")] {
        assert_eq!(place(latitude, longitude), None);
    }
}
