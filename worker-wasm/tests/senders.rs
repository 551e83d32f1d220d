//! Who may open which port: every kind of sender against every name, as one table.

mod rig;

use rig::*;
use worker_wasm::machine::{Command, PortId, Sender};

const PORTS: [&str; 5] = ["flexUI", "popup", "offscreen", "video", "something"];

/// A document of the extension's that sits in a tab.
fn own_tab(path: &str) -> Sender {
    Sender { tab: Some(1), frame_id: Some(0), ..own_page(path) }
}

fn senders() -> Vec<(&'static str, Sender)> {
    let page =
        |url: &str, origin: &str| Sender { url: Some(url.into()), origin: Some(origin.into()), ..flex_tab() };
    let evil = |path: &str| page(&format!("https://evil.test/{path}"), "https://evil.test");
    vec![
        ("Flex's page, top frame", flex_tab()),
        ("Flex's page, inner frame", Sender { frame_id: Some(3), ..flex_tab() }),
        ("Flex's page, no frame named", Sender { frame_id: None, ..flex_tab() }),
        ("Flex's page, not in a tab", Sender { tab: None, ..flex_tab() }),
        ("Flex's page, another extension", Sender { id: Some("another".into()), ..flex_tab() }),
        ("Flex's page, no extension", Sender { id: None, ..flex_tab() }),
        ("Flex's page, no origin", Sender { origin: None, ..flex_tab() }),
        ("Flex's page, sandboxed", page(&format!("{FLEX_ORIGIN}/x"), "null")),
        ("Flex's page, path popup.html", page(&format!("{FLEX_ORIGIN}/popup.html"), FLEX_ORIGIN)),
        ("Flex's page without TLS", page("http://flex.twilio.com/", "http://flex.twilio.com")),
        ("Flex's page on another port", page("https://flex.twilio.com:444/", "https://flex.twilio.com:444")),
        ("a host that ends like Flex's", page("https://aflex.twilio.com/", "https://aflex.twilio.com")),
        (
            "a host that begins like Flex's",
            page("https://flex.twilio.com.evil.test/", "https://flex.twilio.com.evil.test"),
        ),
        ("another site", evil("")),
        ("another site, path offscreen.html", evil("offscreen.html")),
        ("another site, path of our popup", evil("chrome-extension://holdfastid/popup.html")),
        ("our popup", own_page("popup.html")),
        ("our popup, in a tab", own_tab("popup.html")),
        (
            "our popup, named by another extension",
            Sender { id: Some("another".into()), ..own_page("popup.html") },
        ),
        ("our options page", own_tab("options.html#devices")),
        ("our welcome page", own_tab("welcome.html?first")),
        ("our offscreen document", own_page("offscreen.html")),
        ("our offscreen page, in a tab", own_tab("offscreen.html")),
        ("our video window", own_tab("video.html#CH1.aabbccddeeff")),
        ("our video page, not in a tab", own_page("video.html")),
        ("another file of ours", own_page("x/popup.html")),
        (
            "another extension's popup",
            Sender {
                id: Some("another".into()),
                url: Some("chrome-extension://another/popup.html".into()),
                origin: Some("chrome-extension://another".into()),
                ..own_page("")
            },
        ),
        (
            "nobody",
            Sender {
                id: None,
                url: None,
                origin: None,
                tab: None,
                window: None,
                frame_id: None,
                document: None,
            },
        ),
    ]
}

#[test]
fn the_table_of_senders() {
    let mut table = format!("{:38} {}\n", "", PORTS.map(|port| format!("{port:9}")).join(" "));
    for (name, sender) in senders() {
        let row = PORTS.map(|port| {
            let mut rig = Rig::started();
            rig.take();
            rig.opens(PortId(9), port, sender.clone());
            let is_refused = rig.did(|command| *command == Command::ClosePort { port: PortId(9) });
            format!("{:9}", if is_refused { "-" } else { "heard" })
        });
        table.push_str(format!("{name:38} {}", row.join(" ")).trim_end());
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}
