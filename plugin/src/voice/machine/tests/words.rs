//! Everything that is said, in every language.

use super::*;
use crate::machine::i18n::Language;

fn places(text: &str) -> Vec<&str> {
    let mut names: Vec<_> =
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_text_exists_in_both_languages_with_the_same_places() {
    for text in Text::all() {
        let (english, spanish) = (text.built_in(Language::English), text.built_in(Language::Spanish));
        assert!(!english.trim().is_empty() && !spanish.trim().is_empty(), "{text:?}");
        assert_ne!(english, spanish, "{text:?} is not translated");
        assert_eq!(places(english), places(spanish), "{text:?}");
    }
}

#[test]
fn flexs_language_is_followed_and_whoever_has_neither_gets_english() {
    for tag in ["es", "es-MX", "ES-es", "es_AR"] {
        assert_eq!(Language::from_tag(tag), Language::Spanish, "{tag}");
    }
    for tag in ["en-US", "fr", "", "est"] {
        assert_eq!(Language::from_tag(tag), Language::English, "{tag}");
    }
    let page = Rig::new(Boot { words: Words::new(Language::Spanish, BTreeMap::new()), ..boot() });
    assert_eq!(page.shown().text, "Voz: conectando");
}

#[test]
fn in_spanish_nothing_is_said_in_english() {
    for (language, english) in [(Language::English, true), (Language::Spanish, false)] {
        let mut page = Rig::new(Boot { words: Words::new(language, BTreeMap::new()), ..boot() });
        page.send(configured());
        let failed = ClientState {
            registered: false,
            problem: Some(problem(ProblemCode::GatewayUnavailable, true)),
            ..state(None)
        };
        page.send(heartbeat(failed));
        let said = page.shown().notes.join(" ");
        assert_eq!(said.contains("It broke. Do this."), english, "{said}");
        page.send(Event::Message(ToPage::ConfigRejected {
            payload: Some(problem(ProblemCode::WrongAccount, false)),
        }));
        let line = page.shown();
        assert_eq!(format!("{} {}", line.detail, line.notes.join(" ")).contains("roke"), english, "{line:?}");
    }
}

#[test]
fn an_administrator_may_replace_any_text_and_what_fills_a_place_is_never_a_place_itself() {
    let own = BTreeMap::from([(
        Text::OfflineIsOurs.key().to_owned(),
        "Not {activity}, {unknown} and { open".to_owned(),
    )]);
    let words = Words::new(Language::English, own);
    assert_eq!(
        words.say(Text::OfflineIsOurs, &[("activity", "{unknown}")]),
        "Not {unknown}, {unknown} and { open"
    );
    assert_eq!(words.plain(Text::Ready), "Voice: ready");
}

#[test]
fn every_reason_why_voice_is_missing_has_words_of_its_own() {
    let mut reasons = vec![
        Why::Missing("token_service_url"),
        Why::Misconfigured("identity_prefix"),
        Why::NoExtension,
        Why::Rejected(None),
        Why::Gone,
        Why::Silent,
        Why::NoToken,
        Why::NotRegistered,
        Why::Error,
        Why::WrongIdentity(IdentityPrefix::new("ext_").unwrap()),
        Why::ContactUri,
    ];
    // What the plugin has no words for is said in the extension's.
    let of_extension =
        |code: ProblemCode| Problem { message: code.name().to_owned(), ..problem(code, false) };
    reasons.extend(ProblemCode::ALL.map(|code| Why::Problem(of_extension(code))));
    for language in [Language::English, Language::Spanish] {
        let words = Words::new(language, BTreeMap::new());
        let said: std::collections::BTreeSet<_> = reasons.iter().map(|why| words.unavailable(why)).collect();
        assert_eq!(said.len(), reasons.len(), "two reasons sound alike");
    }
}
