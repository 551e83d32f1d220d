//! What is copied and printed, and said of authors and conversations.

use protocol::history::{AuthorRole, HistoryAuthor, HistoryMedia, HistoryPlace};

use super::harness::*;
use crate::chat_history::machine::event::{Act, Command};
use crate::chat_history::machine::transcript::{author, transcript};
use crate::words::{Language, Words};

#[test]
fn a_transcript_is_plain_text_with_dates_authors_bodies_files_and_places_and_says_that_it_is_a_part() {
    let mut rig = Rig::opened();
    rig.conversations = vec![102];
    let mut file = message(1, 101);
    file.body = String::new();
    file.author.name = "Ada <b>".to_owned();
    file.media = vec![HistoryMedia {
        sid: sid("ME", 1),
        content_type: "application/pdf".to_owned(),
        filename: "contract.pdf".to_owned(),
        size: 1,
    }];
    file.place =
        Some(HistoryPlace { latitude: "1".to_owned(), longitude: "2".to_owned(), label: String::new() });
    rig.changed.insert(file.sid.clone(), file);
    rig.serve();
    let words = Words::default();
    let text = transcript(rig.chat().timeline(), &words, &|at| format!("<{at}>"));
    assert!(text.starts_with("These are the messages that were loaded. There are older ones.\n\n"), "{text}");
    assert!(text.contains("<2026-01-01T09:00:00Z> · SMS · Ada, Ada <b>\n"), "{text}");
    assert!(text.contains("[<2026-01-01T10:00:00Z>] Bot: message 100 of 1\n"), "{text}");
    let last = "[<2026-01-01T10:00:00Z>] Ada <b> (Agent): [contract.pdf] [Place on the map: 1, 2]\n\n";
    assert!(text.ends_with(last), "{text}");

    rig.act(Act::LoadAll);
    rig.serve();
    let text = transcript(rig.chat().timeline(), &words, &|at| at.to_owned());
    assert!(!text.contains("older ones") && text.contains("Customer: message 0 of 1"), "{text}");
}

#[test]
fn copying_says_how_much_was_copied_and_when_the_browser_did_not_let_us() {
    let mut rig = Rig::opened();
    rig.serve();
    rig.act(Act::Copy);
    assert!(rig.seen.contains(&Command::Copy(sid("WT", 1))));
    rig.act(Act::Copied { ok: true });
    assert_eq!(rig.tab().status, "100 messages copied: those that are loaded. There are more.");
    rig.act(Act::Copied { ok: false });
    assert_eq!(rig.tab().status, "The browser did not let us copy. Use Print instead.");
    rig.act(Act::LoadAll);
    rig.serve();
    rig.act(Act::Copied { ok: true });
    assert_eq!(rig.tab().status, "250 messages copied.");
    rig.act(Act::Print);
    assert!(rig.seen.contains(&Command::Print(sid("WT", 1))));
}

#[test]
fn who_wrote_is_named_with_what_they_are_in_the_agents_language() {
    let spanish = Words::new(Language::Spanish, std::collections::BTreeMap::new());
    let who = |role, name: &str| author(&HistoryAuthor { role, name: name.to_owned() }, &spanish);
    assert_eq!(who(AuthorRole::Customer, "Jörg"), "Jörg (Cliente)");
    assert_eq!(who(AuthorRole::Agent, " "), "Agente");
    assert_eq!(who(AuthorRole::Bot, "asistente virtual"), "Asistente virtual");
}
