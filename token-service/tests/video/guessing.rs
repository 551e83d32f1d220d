//! Codes cannot be guessed, and whoever tries is slowed; whoever has a good one is not.

use protocol::video::Looked;
use serde_json::json;

use crate::rig::{Rig, code, error, read};

const GUESSER: [u8; 4] = [203, 0, 113, 7];

fn guess(number: u64) -> String {
    // What tests draw by lot is a number, too, and must not be guessed by chance.
    format!("z{number:019}")
}

#[tokio::test]
async fn ten_thousand_tries_from_one_address_get_nothing_and_are_slowed() {
    let rig = Rig::with_task(&[]).await;
    rig.open(1).await;
    let mut slowed = 0;
    for number in 0..10_000 {
        let what = ["look", "join"][usize::try_from(number % 2).unwrap()];
        let answer = rig.page_from(GUESSER, what, json!({"code": guess(number)})).await;
        match error(&answer).as_str() {
            "404 unknown_code" => {}
            "429 rate_limited" => slowed += 1,
            other => panic!("{other}"),
        }
    }
    assert!(slowed > 9_900, "{slowed}");
    assert!(rig.world().rooms.is_empty());
}

#[tokio::test]
async fn several_customers_behind_the_address_of_a_guesser_are_still_served() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    let code = code(&{
        rig.world().task(2, crate::support::WORKER, json!({}));
        rig.open(2).await
    });
    for number in 0..200 {
        rig.page_from(GUESSER, "look", json!({"code": guess(number)})).await;
    }
    // A code that comes again, as its page does, is looked at; places that are good are never kept waiting.
    let first = rig.page_from(GUESSER, "look", json!({"code": code})).await;
    assert_eq!((error(&first).as_str(), first.header("retry-after")), ("429 rate_limited", Some("2")));
    rig.later(2);
    let looked: Looked = read(&rig.page_from(GUESSER, "look", json!({"code": code})).await);
    assert!(!looked.seated);
    let pulse = json!({"seat": met.customer, "in_room": true});
    assert_eq!(rig.page_from(GUESSER, "pulse", pulse).await.status, 200);
}

#[tokio::test]
async fn places_cannot_be_guessed_either() {
    let rig = Rig::with_task(&[]).await;
    let met = rig.met().await;
    let (session, _) = met.agent.split_once('.').unwrap();
    let mut slowed = 0;
    for number in 0..500 {
        let seat = format!("{session}.z{number:031}");
        let answer = rig.page_from(GUESSER, "end", json!({"seat": seat})).await;
        slowed += u32::from(error(&answer) == "429 rate_limited");
    }
    assert!(slowed > 450, "{slowed}");
    assert_eq!(rig.pulse(&met.customer, true).await.ended, None);
}

#[tokio::test]
async fn a_code_that_is_only_malformed_counts_for_nothing() {
    let rig = Rig::with_task(&[]).await;
    let code = code(&rig.open(1).await);
    for number in 0..500 {
        let answer = rig.page_from(GUESSER, "look", json!({"code": format!("{number}")})).await;
        assert_eq!(error(&answer), "404 unknown_code");
    }
    assert_eq!(rig.page_from(GUESSER, "look", json!({"code": code})).await.status, 200);
}
