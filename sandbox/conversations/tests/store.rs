//! The store as whoever uses it sees it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use kernel::Timestamp;
use proptest::prelude::*;
use sandbox_conversations::change::{
    Actor, Change, ConversationPatch, Happened, NewConversation, NewFile, NewMessage, NewParticipant,
    ParticipantPatch, Reason, Refusal, UserPatch,
};
use sandbox_conversations::model::{Channel, Delivery, State, TimerLengths};
use sandbox_conversations::store::{
    BODY_BYTES, CONVERSATIONS_OF_AN_IDENTITY, Command, Event, SMALL_ATTRIBUTES_BYTES, Store,
};
use sansio::Machine as _;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const MINUTE: u64 = 60_000;

fn told(commands: Vec<Command>) -> Result<Vec<Happened>, Refusal> {
    let told = commands.into_iter().map(|command| match command {
        Command::Tell(happened) => Ok(happened),
        Command::Refuse(refusal) => Err(refusal),
    });
    told.collect()
}

fn ask(store: &mut Store, actor: &Actor, change: Change, now: Timestamp) -> Result<Vec<Happened>, Refusal> {
    told(store.handle(Event { actor: actor.clone(), change }, now))
}

/// By the REST API, at the start.
fn api(store: &mut Store, change: Change) -> Result<Vec<Happened>, Refusal> {
    ask(store, &Actor::api(), change, START)
}

fn code(result: Result<Vec<Happened>, Refusal>) -> (u16, u32) {
    let refusal = result.unwrap_err();
    (refusal.status, refusal.code)
}

fn create(store: &mut Store, new: NewConversation) -> String {
    match api(store, Change::AddConversation(new)).unwrap().remove(0) {
        Happened::ConversationAdded(conversation) => conversation.sid,
        other => panic!("{other:?}"),
    }
}

fn join(
    store: &mut Store,
    conversation: &str,
    participant: NewParticipant,
) -> Result<Vec<Happened>, Refusal> {
    api(store, Change::AddParticipant { conversation: conversation.to_owned(), participant })
}

fn post(store: &mut Store, conversation: &str, message: NewMessage) -> Result<Vec<Happened>, Refusal> {
    api(store, Change::AddMessage { conversation: conversation.to_owned(), message })
}

fn set_state(store: &mut Store, conversation: &str, state: State) -> Result<Vec<Happened>, Refusal> {
    let patch = ConversationPatch { state: Some(state), ..ConversationPatch::default() };
    api(store, Change::UpdateConversation { conversation: conversation.to_owned(), patch })
}

#[test]
fn a_conversation_is_found_by_its_sid_and_by_its_unique_name_which_is_its_own() {
    let mut store = Store::new(1);
    let named = || NewConversation { unique_name: Some("order 7".to_owned()), ..NewConversation::default() };
    let sid = create(&mut store, named());
    assert!(sid.starts_with("CH") && sid.len() == 34);
    assert_eq!(store.room("order 7").unwrap().conversation().sid, sid);
    assert_eq!(code(api(&mut store, Change::AddConversation(named()))), (409, 50353));

    let rename = |name: &str| ConversationPatch { unique_name: Some(name.to_owned()), ..Default::default() };
    let change = Change::UpdateConversation { conversation: sid.clone(), patch: rename("order 8") };
    api(&mut store, change).unwrap();
    assert!(store.room("order 7").is_none() && store.room("order 8").is_some());
    create(&mut store, named());
    let change = Change::UpdateConversation { conversation: sid, patch: rename("order 7") };
    assert_eq!(code(api(&mut store, change)), (409, 50353));
}

#[test]
fn a_removed_message_leaves_a_gap_and_the_next_one_does_not_fill_it() {
    let mut store = Store::new(1);
    let sid = create(&mut store, NewConversation::default());
    for text in ["zero", "one", "two"] {
        post(&mut store, &sid, NewMessage::text("bot", text)).unwrap();
    }
    for message in ["1", "2"] {
        let change = Change::RemoveMessage { conversation: sid.clone(), message: message.to_owned() };
        api(&mut store, change).unwrap();
    }
    post(&mut store, &sid, NewMessage::text("bot", "three")).unwrap();
    let indexes: Vec<u64> = store.room(&sid).unwrap().messages().keys().copied().collect();
    assert_eq!(indexes, [0, 3]);
}

#[test]
fn a_message_may_have_neither_words_nor_files() {
    let mut store = Store::new(1);
    let sid = create(&mut store, NewConversation::default());
    post(&mut store, &sid, NewMessage::default()).unwrap();
    let message = store.room(&sid).unwrap().message("0").unwrap();
    assert_eq!((message.author.as_str(), &message.body, message.media.len()), ("system", &None, 0));
}

#[test]
fn a_message_carries_files_that_were_uploaded_and_no_others() {
    let mut store = Store::new(1);
    let sid = create(&mut store, NewConversation::default());
    let file = NewFile {
        filename: Some("cat.png".to_owned()),
        content_type: "image/png".to_owned(),
        size: 3,
        category: "media".to_owned(),
        author: None,
    };
    let happened = api(&mut store, Change::AddFile(file)).unwrap();
    let [Happened::FileAdded(file)] = happened.as_slice() else { panic!("{happened:?}") };
    let with = |sid: &str| NewMessage { media: vec![sid.to_owned()], ..NewMessage::default() };
    post(&mut store, &sid, with(&file.sid)).unwrap();
    assert_eq!(store.room(&sid).unwrap().message("0").unwrap().media, std::slice::from_ref(file));
    assert_eq!(code(post(&mut store, &sid, with("ME0"))), (404, 20404));
}

#[test]
fn what_is_too_long_or_no_json_is_refused() {
    let mut store = Store::new(1);
    let sid = create(&mut store, NewConversation::default());
    let long = |bytes: usize| Some(format!("\"{}\"", "x".repeat(bytes - 1)));
    for message in [
        NewMessage { attributes: long(SMALL_ATTRIBUTES_BYTES), ..NewMessage::default() },
        NewMessage { attributes: Some("{".to_owned()), ..NewMessage::default() },
        NewMessage::text("bot", "x".repeat(BODY_BYTES + 1)),
    ] {
        assert_eq!(code(post(&mut store, &sid, message)), (400, 20001));
    }
    // A conversation's may be four times as long.
    create(
        &mut store,
        NewConversation { attributes: long(SMALL_ATTRIBUTES_BYTES), ..NewConversation::default() },
    );
    let new = NewConversation { attributes: long(4 * SMALL_ATTRIBUTES_BYTES), ..NewConversation::default() };
    assert_eq!(code(api(&mut store, Change::AddConversation(new))), (400, 20001));
}

#[test]
fn nobody_takes_part_twice_and_a_pair_of_addresses_in_one_open_conversation_only() {
    let mut store = Store::new(1);
    let (first, second) =
        (create(&mut store, NewConversation::default()), create(&mut store, NewConversation::default()));
    join(&mut store, &first, NewParticipant::identity("ada")).unwrap();
    assert_eq!(code(join(&mut store, &first, NewParticipant::identity("ada"))), (409, 50433));
    let customer = || NewParticipant::address("whatsapp:+15550100123", "whatsapp:+15550100000");
    join(&mut store, &first, customer()).unwrap();
    let room = store.room(&first).unwrap();
    let binding = room.participant("whatsapp:+15550100123").unwrap().binding.clone().unwrap();
    assert_eq!(binding.channel, Channel::Whatsapp);
    assert_eq!(code(join(&mut store, &second, customer())), (409, 50416));
    set_state(&mut store, &first, State::Closed).unwrap();
    join(&mut store, &second, customer()).unwrap();
    let open = store.open_room("whatsapp:+15550100123", "whatsapp:+15550100000").unwrap();
    assert_eq!(open.conversation().sid, second);
}

#[test]
fn a_closed_conversation_stays_closed_and_silent() {
    let mut store = Store::new(1);
    let sid = create(&mut store, NewConversation::default());
    let happened = set_state(&mut store, &sid, State::Closed).unwrap();
    assert!(matches!(happened[1], Happened::StateUpdated { from: State::Active, reason: Reason::Api, .. }));
    assert_eq!(code(set_state(&mut store, &sid, State::Active)), (400, 50377));
    assert_eq!(code(post(&mut store, &sid, NewMessage::text("bot", "hello?"))), (400, 50377));
    assert_eq!(code(join(&mut store, &sid, NewParticipant::identity("ada"))), (400, 50377));
}

#[test]
fn an_identity_takes_part_in_a_thousand_open_conversations_and_no_more() {
    let mut store = Store::new(1);
    let mut last = String::new();
    for _ in 0..CONVERSATIONS_OF_AN_IDENTITY {
        last = create(&mut store, NewConversation::default());
        join(&mut store, &last, NewParticipant::identity("ada")).unwrap();
    }
    let one_more = create(&mut store, NewConversation::default());
    assert_eq!(code(join(&mut store, &one_more, NewParticipant::identity("ada"))), (403, 50214));
    set_state(&mut store, &last, State::Closed).unwrap();
    join(&mut store, &one_more, NewParticipant::identity("ada")).unwrap();
}

#[test]
fn timers_put_a_conversation_to_sleep_and_close_it_and_a_message_wakes_it() {
    let mut store = Store::new(1);
    let timers = TimerLengths { inactive_ms: Some(MINUTE), closed_ms: Some(10 * MINUTE) };
    let new = NewConversation { timers, state: Some(State::Active), ..NewConversation::default() };
    let without_state = NewConversation { state: None, ..new.clone() };
    assert_eq!(code(api(&mut store, Change::AddConversation(without_state))), (400, 50382));
    let sid = create(&mut store, new);
    assert_eq!(store.poll_timeout(), Some(START.plus(MINUTE)));
    assert_eq!(store.handle_timeout(START.plus(MINUTE - 1)), []);
    let happened = told(store.handle_timeout(START.plus(MINUTE))).unwrap();
    assert!(matches!(happened[1], Happened::StateUpdated { from: State::Active, reason: Reason::Timer, .. }));
    assert_eq!(store.room(&sid).unwrap().conversation().state, State::Inactive);

    let hello = Change::AddMessage { conversation: sid.clone(), message: NewMessage::text("bot", "hello") };
    let happened = ask(&mut store, &Actor::api(), hello, START.plus(2 * MINUTE)).unwrap();
    assert!(matches!(
        happened[2],
        Happened::StateUpdated { from: State::Inactive, reason: Reason::Event, .. }
    ));
    assert_eq!(store.poll_timeout(), Some(START.plus(3 * MINUTE)));

    // The computer slept: both were due.
    let happened = told(store.handle_timeout(START.plus(60 * MINUTE))).unwrap();
    let states: Vec<State> = happened
        .iter()
        .filter_map(|happened| match happened {
            Happened::StateUpdated { conversation, .. } => Some(conversation.state),
            _ => None,
        })
        .collect();
    assert_eq!(states, [State::Inactive, State::Closed]);
    assert_eq!(store.poll_timeout(), None);
}

#[test]
fn timers_that_are_too_short_are_refused_and_zero_switches_one_off() {
    let mut store = Store::new(1);
    let timers = |inactive_ms, closed_ms| NewConversation {
        timers: TimerLengths { inactive_ms, closed_ms },
        state: Some(State::Active),
        ..NewConversation::default()
    };
    assert_eq!(code(api(&mut store, Change::AddConversation(timers(Some(MINUTE - 1), None)))), (400, 20001));
    assert_eq!(code(api(&mut store, Change::AddConversation(timers(None, Some(MINUTE))))), (400, 50376));
    let sid = create(&mut store, timers(Some(MINUTE), None));
    let timers = TimerLengths { inactive_ms: Some(0), closed_ms: None };
    let patch = ConversationPatch { timers, ..ConversationPatch::default() };
    api(&mut store, Change::UpdateConversation { conversation: sid, patch }).unwrap();
    assert_eq!(store.poll_timeout(), None);
}

#[test]
fn what_is_unread_is_what_lies_beyond_the_horizon() {
    let mut store = Store::new(1);
    let sid = create(&mut store, NewConversation::default());
    join(&mut store, &sid, NewParticipant::identity("ada")).unwrap();
    for text in ["zero", "one", "two", "three"] {
        post(&mut store, &sid, NewMessage::text("bot", text)).unwrap();
    }
    let unread = |store: &Store| {
        let room = store.room(&sid).unwrap();
        room.unread(room.participant("ada").unwrap())
    };
    let read = |last_read| Change::UpdateParticipant {
        conversation: sid.clone(),
        participant: "ada".to_owned(),
        patch: ParticipantPatch { last_read: Some(last_read), ..ParticipantPatch::default() },
    };
    assert_eq!(unread(&store), None);
    api(&mut store, read(Some(0))).unwrap();
    assert_eq!(unread(&store), Some(3));
    api(&mut store, Change::RemoveMessage { conversation: sid.clone(), message: "2".to_owned() }).unwrap();
    assert_eq!(unread(&store), Some(2));
    api(&mut store, read(None)).unwrap();
    assert_eq!(unread(&store), None);
}

#[test]
fn a_message_to_somebody_by_sms_has_a_receipt_that_follows_it() {
    let mut store = Store::new(1);
    let sid = create(&mut store, NewConversation::default());
    join(&mut store, &sid, NewParticipant::identity("ada")).unwrap();
    join(&mut store, &sid, NewParticipant::address("+15550100123", "+15550100000")).unwrap();
    post(&mut store, &sid, NewMessage::text("ada", "hello")).unwrap();
    post(&mut store, &sid, NewMessage::text("+15550100123", "hi")).unwrap();
    let room = store.room(&sid).unwrap();
    assert_eq!(room.message("0").unwrap().receipts[0].status, Delivery::Sent);
    assert_eq!(room.message("1").unwrap().receipts, [], "their own");
    assert_eq!(
        room.message("1").unwrap().participant_sid.as_deref(),
        Some(room.participant("+15550100123").unwrap().sid.as_str())
    );
    let deliver = |message: &str| Change::Deliver {
        conversation: sid.clone(),
        message: message.to_owned(),
        participant: "+15550100123".to_owned(),
        status: Delivery::Undelivered,
        error_code: 30008,
    };
    let happened = api(&mut store, deliver("0")).unwrap();
    let [Happened::DeliveryUpdated { receipt, .. }] = happened.as_slice() else { panic!("{happened:?}") };
    assert_eq!((receipt.status, receipt.error_code), (Delivery::Undelivered, 30008));
    assert_eq!(code(api(&mut store, deliver("1"))), (404, 20404));
}

#[test]
fn a_client_may_join_but_neither_speak_in_conversations_of_others_nor_change_what_others_said() {
    let mut store = Store::new(1);
    let sid = create(&mut store, NewConversation::default());
    post(&mut store, &sid, NewMessage::text("bot", "hello")).unwrap();
    let ada = Actor::sdk("ada");
    let say = || Change::AddMessage {
        conversation: sid.clone(),
        message: NewMessage { body: Some("hi".into()), ..Default::default() },
    };
    let remove =
        |message: &str| Change::RemoveMessage { conversation: sid.clone(), message: message.to_owned() };
    let add = |identity: &str| Change::AddParticipant {
        conversation: sid.clone(),
        participant: NewParticipant::identity(identity),
    };
    assert_eq!(code(ask(&mut store, &ada, say(), START)), (403, 50107));
    let own = ask(&mut store, &ada, Change::AddConversation(NewConversation::default()), START).unwrap();
    let [Happened::ConversationAdded(own)] = own.as_slice() else { panic!("{own:?}") };
    let room = store.room(&own.sid).unwrap();
    assert!(room.belongs_to("ada") && !room.belongs_to("ben"));
    let hello = Change::AddMessage { conversation: own.sid.clone(), message: NewMessage::default() };
    assert_eq!(code(ask(&mut store, &ada, hello, START)), (403, 50107), "who has made it takes no part yet");
    assert_eq!(code(ask(&mut store, &ada, add("ben"), START)), (403, 50107));
    ask(&mut store, &ada, add("ada"), START).unwrap();
    ask(&mut store, &ada, add("ben"), START).unwrap();
    ask(&mut store, &ada, say(), START).unwrap();
    assert_eq!(store.room(&sid).unwrap().message("1").unwrap().author, "ada");
    assert_eq!(code(ask(&mut store, &ada, remove("0"), START)), (403, 50107));
    ask(&mut store, &ada, remove("1"), START).unwrap();
    let pretend = Change::AddMessage { conversation: sid.clone(), message: NewMessage::text("ben", "hi") };
    assert_eq!(code(ask(&mut store, &ada, pretend, START)), (403, 50107));
    let name = UserPatch { friendly_name: Some("x".to_owned()), ..UserPatch::default() };
    let other = Change::UpdateUser { identity: "ben".to_owned(), patch: name };
    assert_eq!(code(ask(&mut store, &ada, other, START)), (403, 50107));
}

/// Any change, on a few conversations, people and messages.
fn any_change() -> impl Strategy<Value = (Actor, Change)> {
    let who = prop_oneof![Just("ada"), Just("ben"), Just("+15550100123")];
    let actor = prop_oneof![Just(Actor::api()), Just(Actor::sdk("ada")), Just(Actor::sdk("ben"))];
    let place = prop_oneof![Just("a"), Just("b"), Just("nowhere")].prop_map(str::to_owned);
    let state = prop_oneof![Just(State::Active), Just(State::Inactive), Just(State::Closed)];
    let change =
        (place, who, 0..4_u64, state, 0..9_u8).prop_map(|(conversation, who, index, state, kind)| {
            let (who, message) = (who.to_owned(), index.to_string());
            match kind {
                0 => Change::AddConversation(NewConversation {
                    unique_name: Some(conversation),
                    ..NewConversation::default()
                }),
                1 => Change::UpdateConversation {
                    conversation,
                    patch: ConversationPatch { state: Some(state), ..ConversationPatch::default() },
                },
                2 => Change::RemoveConversation { conversation },
                3 => Change::AddParticipant {
                    conversation,
                    participant: if who.starts_with('+') {
                        NewParticipant::address(who, "+15550100000")
                    } else {
                        NewParticipant::identity(who)
                    },
                },
                4 => Change::UpdateParticipant {
                    conversation,
                    participant: who,
                    patch: ParticipantPatch { last_read: Some(Some(index)), ..ParticipantPatch::default() },
                },
                5 => Change::RemoveParticipant { conversation, participant: who },
                6 => Change::RemoveMessage { conversation, message },
                7 => Change::Deliver {
                    conversation,
                    message,
                    participant: who,
                    status: Delivery::Read,
                    error_code: 0,
                },
                _ => Change::AddMessage { conversation, message: NewMessage::text(who, "hello") },
            }
        });
    (actor, change)
}

proptest! {
    #[test]
    fn a_refusal_changes_nothing_and_indexes_only_grow(changes in prop::collection::vec(any_change(), 1..60)) {
        let mut store = Store::new(1);
        let mut newest = std::collections::HashMap::new();
        for (actor, change) in changes {
            let before = store.clone();
            match ask(&mut store, &actor, change, START) {
                Err(_) => prop_assert_eq!(&store, &before),
                Ok(happened) => {
                    for happened in happened {
                        if let Happened::MessageAdded { conversation, message } = happened {
                            let last = newest.insert(conversation, message.index);
                            prop_assert!(last.is_none_or(|last| last < message.index));
                        }
                    }
                }
            }
            for room in store.rooms() {
                let people: Vec<_> = room.participants().filter_map(|one| one.author()).collect();
                let distinct: std::collections::BTreeSet<_> = people.iter().collect();
                prop_assert_eq!(people.len(), distinct.len());
            }
        }
    }
}
