//! What an administrator has written.

use super::*;

#[test]
fn missing_settings_are_named_and_nothing_is_posted() {
    for (settings, account, missing) in [
        (Settings::default(), ACCOUNT, "token_service_url"),
        (
            Settings { token_service_url: Some("  ".into()), ..Settings::default() },
            ACCOUNT,
            "token_service_url",
        ),
        (Settings { identity_prefix: Some("Ja".into()), ..boot().settings }, ACCOUNT, "identity_prefix"),
        (boot().settings, "", "account_sid"),
    ] {
        let mut page = Rig::new(Boot { settings, account_sid: account.into(), ..boot() });
        page.send(configured());
        page.send(heartbeat(state(None)));
        page.pass(10_000, None);
        assert!(page.status().contains(missing), "{}", page.status());
        assert!(!page.ordered().iter().any(|c| matches!(c, Command::Post(_) | Command::PostToken(_))));
    }
}

#[test]
fn a_wrong_setting_is_named_in_words() {
    let wrong = |settings: Settings| Rig::new(Boot { settings, ..boot() }).status();
    let set = |name: &str, value: &str| {
        let mut settings = boot().settings;
        *settings.field(name).unwrap() = Some(value.into());
        settings
    };
    for (settings, name) in [
        (set("token_service_url", "http://t.example.com"), "token_service_url"),
        (set("token_service_url", "t.example.com/v1"), "token_service_url"),
        (set("identity_prefix", "Ext!"), "identity_prefix"),
        (set("call_controls", "magic"), "call_controls"),
        (Settings { not_text: vec!["offline_activity"], ..boot().settings }, "offline_activity"),
    ] {
        let said = wrong(settings);
        assert!(said.contains("correct “") && said.contains(name), "{said}");
    }
    for name in Settings::NAMES {
        assert!(Settings::default().field(name).is_some(), "{name}");
    }
    assert_eq!(wrong(set("offline_activity", "  ")), "Voice: connecting", "empty is as good as absent");
}
