//! Two replicas over one store: whatever the order, one customer is seated, and each request is served by either.

use proptest::prelude::*;
use protocol::video::{EndReason, VideoPhase, WaitingWhy};
use serde_json::json;
use token_service::{
    limits::shared::Shared,
    video::{
        RecordingPolicy,
        session::{Fresh, Policy, Tap},
        store::{Store, StoreError, Stored},
    },
};

use crate::{
    cloud::{Cloud, sid},
    rig::{Rig, code, error, path},
    session::session,
    support::{WORKER, redis::Redis},
};

const POLICY: Policy =
    Policy { max_guests: 0, max_minutes: 60, recording: RecordingPolicy::Off, knock: false };

/// A tap that one replica handles, step by step.
struct Handling {
    browser: usize,
    read: Option<Stored>,
    outcome: Option<Option<String>>,
}

impl Handling {
    /// One step: reads, or decides and writes. Whoever was too slow begins again.
    async fn step(&mut self, store: &Store) {
        match self.read.take() {
            _ if self.outcome.is_some() => {}
            None => self.read = store.load("s00000000000").await.unwrap(),
            Some(mut stored) => {
                let name = format!("seat{}", self.browser);
                let fresh = Fresh { digest: name.clone(), id: name.clone(), suffix: name };
                let tap = Tap { code: "c", seat: None, consent: None, fresh: &fresh };
                let seated = stored.session.join(&tap, &POLICY, 1_000).unwrap();
                if store.save(&stored, None, 1_000).await.unwrap() {
                    self.outcome = Some(seated.identity);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_the_order_in_which_two_replicas_read_and_write_one_customer_is_seated(
        order in proptest::collection::vec(0..4_usize, 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let seated = runtime.block_on(async {
            let store = Store::new(None);
            let mut new = session();
            new.invite("c".into(), 0);
            assert!(store.save(&Stored { session: new, version: 0 }, None, 0).await.unwrap());
            let mut handlings: Vec<Handling> =
                (0..4).map(|browser| Handling { browser, read: None, outcome: None }).collect();
            for turn in order {
                handlings[turn].step(&store).await;
            }
            // All come to an end, whoever was slow.
            while let Some(waits) = handlings.iter_mut().find(|handling| handling.outcome.is_none()) {
                waits.step(&store).await;
            }
            handlings.into_iter().filter_map(|handling| handling.outcome.flatten()).count()
        });
        prop_assert_eq!(seated, 1);
    }
}

/// What a store promises, of two replicas that share a Redis, or of one that has its own memory.
async fn a_store_keeps_what_was_written_and_refuses_what_is_late(one: &Store, two: &Store) {
    let mut new = session();
    new.invite("c1".into(), 0);
    let (account, subject) = (new.account.clone(), new.subject().to_owned());
    let first = Stored { session: new.clone(), version: 0 };
    assert!(one.load(&new.id).await.unwrap().is_none());
    assert!(one.save(&first, None, 0).await.unwrap());
    assert!(!two.save(&first, None, 0).await.unwrap(), "it is there already");
    assert_eq!(two.of_code("c1").await.unwrap().as_deref(), Some(new.id.as_str()));
    assert_eq!(two.of_code("c2").await.unwrap(), None);
    assert_eq!(two.of_subject(&account, &subject).await.unwrap().as_deref(), Some(new.id.as_str()));

    let (mut here, there) =
        (one.load(&new.id).await.unwrap().unwrap(), two.load(&new.id).await.unwrap().unwrap());
    assert_eq!(here, there);
    here.session.invite("c2".into(), 0);
    assert!(one.save(&here, None, 0).await.unwrap());
    assert!(!two.save(&there, None, 0).await.unwrap(), "changed meanwhile");
    assert_eq!(two.of_code("c2").await.unwrap().as_deref(), Some(new.id.as_str()));

    // Another session of the same conversation, only in the place of the one that is known.
    let mut next = session();
    next.id = "s00000000001".into();
    let next = Stored { session: next, version: 0 };
    assert!(!two.save(&next, None, 0).await.unwrap());
    assert!(two.save(&next, Some(new.id.as_str()), 0).await.unwrap());
    assert_eq!(one.of_subject(&account, &subject).await.unwrap().as_deref(), Some(next.session.id.as_str()));

    // Many changes at once, and none is lost.
    let change = async |store: &Store, number: u32| {
        for turn in 0..8 {
            let code = format!("{number}-{turn}");
            store
                .update(&next.session.id, 0, |session| session.invite(code.clone(), 0))
                .await
                .unwrap()
                .unwrap();
        }
    };
    tokio::join!(change(one, 1), change(two, 2), change(one, 3));
    let all = two.load(&next.session.id).await.unwrap().unwrap();
    assert_eq!(all.session.codes().count(), 24);
}

#[tokio::test]
async fn a_store_keeps_the_same_in_memory_and_in_redis() {
    let memory = Store::new(None);
    a_store_keeps_what_was_written_and_refuses_what_is_late(&memory, &memory).await;
    let Some(redis) = Redis::start(None).await else { return };
    let store = || Store::new(Some(Shared::new(&redis.url(), std::time::Duration::from_secs(10)).unwrap()));
    a_store_keeps_what_was_written_and_refuses_what_is_late(&store(), &store()).await;
}

#[tokio::test]
async fn what_nobody_can_need_any_more_is_forgotten() {
    let store = Store::new(None);
    let mut new = session();
    new.invite("c".into(), 0);
    let (id, day) = (new.id.clone(), 24 * 3_600_000);
    assert!(store.save(&Stored { session: new, version: 0 }, None, 0).await.unwrap());
    store.forget_old(29 * day);
    assert!(store.of_code("c").await.unwrap().is_some());
    store.update(&id, 29 * day, |session| session.end(EndReason::Agent, 29 * day)).await.unwrap();
    store.forget_old(30 * day - 1);
    assert!(store.load(&id).await.unwrap().is_some(), "a late page hears that it is over");
    store.forget_old(30 * day);
    assert!(store.load(&id).await.unwrap().is_none());
    assert_eq!(store.of_code("c").await.unwrap(), None);
}

#[tokio::test]
async fn any_replica_serves_any_request() {
    let Some(redis) = Redis::start(None).await else { return };
    let cloud = Cloud::start().await;
    let (one, two) = (Rig::replica(&cloud, &redis.url()).await, Rig::replica(&cloud, &redis.url()).await);
    cloud.world().task(1, WORKER, json!({"conversationSid": sid("CH", 1)}));
    let opened = one.open(1).await;
    let code = code(&opened);
    let agent = two.join(&opened.agent_link).await;
    let customer = one.join(&code).await;
    assert_eq!(agent.admission.unwrap().room, customer.admission.unwrap().room);
    one.pulse(&agent.seat, true).await;
    two.pulse(&customer.seat, true).await;
    assert_eq!(two.join(&code).await.waiting, Some(WaitingWhy::SecondBrowser));
    assert_eq!(two.status(1).await.phase, VideoPhase::Met);
    assert_eq!(two.open(1).await.status.session, opened.status.session);
    two.end(1, "agent").await;
    assert_eq!(one.pulse(&customer.seat, true).await.ended, Some(EndReason::Agent));
    assert_eq!(cloud.world().rooms.len(), 1);
}

#[tokio::test]
async fn two_taps_at_two_replicas_at_the_same_moment_seat_one_customer() {
    let Some(redis) = Redis::start(None).await else { return };
    let cloud = Cloud::start().await;
    let (one, two) = (Rig::replica(&cloud, &redis.url()).await, Rig::replica(&cloud, &redis.url()).await);
    for number in 1..=5 {
        cloud.world().task(number, WORKER, json!({"conversationSid": sid("CH", number)}));
        // Two clicks at the same moment, too, open one session.
        let (opened, other) = tokio::join!(one.open(number), two.open(number));
        assert_eq!(opened.status.session, other.status.session);
        let code = code(&opened);
        let (first, second, third) = tokio::join!(one.join(&code), two.join(&code), two.join(&code));
        let seated = [&first, &second, &third].iter().filter(|joined| joined.admission.is_some()).count();
        assert_eq!(seated, 1);
    }
}

#[tokio::test]
async fn while_redis_does_not_answer_nobody_is_let_in_and_nothing_is_forgotten() {
    let Some(redis) = Redis::start(None).await else { return };
    let cloud = Cloud::start().await;
    let rig = Rig::replica(&cloud, &redis.url()).await;
    cloud.world().task(1, WORKER, json!({"conversationSid": sid("CH", 1)}));
    let opened = rig.open(1).await;
    let customer = rig.join(&code(&opened)).await;
    drop(redis);
    let unavailable = "503 upstream_unavailable";
    assert_eq!(error(&rig.page("join", json!({"code": opened.agent_link})).await), unavailable);
    assert_eq!(error(&rig.page("pulse", json!({"seat": customer.seat, "in_room": true})).await), unavailable);
    assert_eq!(error(&rig.agent("POST", &path(1, ""), json!({})).await), unavailable);
    let store = Store::new(Some(
        Shared::new(&kernel::Secret::new("redis://127.0.0.1:1"), std::time::Duration::from_millis(50))
            .unwrap(),
    ));
    assert!(matches!(store.load("s00000000000").await, Err(StoreError::NoAnswer(_))));
}
