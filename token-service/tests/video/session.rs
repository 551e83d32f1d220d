//! The machine of a session: who may be in it, by which link, and how far it is.

use kernel::AccountSid;
use proptest::prelude::*;
use protocol::video::{EndReason, Recording, SeatRole, VideoPhase, WaitingWhy};
use token_service::video::{
    RecordingPolicy,
    session::{
        AGENT_CODE_MS, Agent, Fresh, GONE_MS, LOST_MS, NotSeated, Policy, Recorded, Seated, Session, Subject,
        Tap, WAITS_MS,
    },
};
use twilio::{ConversationSid, RoomSid, TaskSid, WorkerSid};

const PLAIN: Policy =
    Policy { max_guests: 0, max_minutes: 60, recording: RecordingPolicy::Off, knock: false };
const ASKS: Policy = Policy { recording: RecordingPolicy::Ask, ..PLAIN };

/// A session, and whoever comes.
struct Rig {
    session: Session,
    policy: Policy,
    now: u64,
    seats: u32,
}

fn task(number: u8) -> TaskSid {
    TaskSid::new(format!("WT{number:032x}")).unwrap()
}

fn agent(number: u8) -> Agent {
    let worker = WorkerSid::new(format!("WK{number:032x}")).unwrap();
    Agent { worker, task: task(number), name: format!("Agent {number}"), call_live: false }
}

pub fn session() -> Session {
    let account = AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap();
    let conversation = ConversationSid::new(format!("CH{}", "1".repeat(32))).unwrap();
    Session::new("s00000000000".into(), account, &Subject::Conversation(conversation), 0)
}

impl Rig {
    /// With an agent's link `a1` and a customer's `c`.
    fn new(policy: Policy) -> Self {
        let mut rig = Self { session: session(), policy, now: 1_000_000, seats: 0 };
        rig.session.open(agent(1), "a1".into(), rig.now);
        rig.session.invite("c".into(), rig.now);
        rig
    }

    /// A browser taps: its new seat's name, and what came of it.
    fn tap(&mut self, code: &str, seat: Option<&str>, consent: Option<bool>) -> Result<Seated, NotSeated> {
        self.seats += 1;
        let name = format!("seat{}", self.seats);
        let fresh = Fresh { digest: name.clone(), id: format!("id-{name}"), suffix: name };
        let tap = Tap { code, seat, consent, fresh: &fresh };
        self.session.join(&tap, &self.policy, self.now)
    }

    fn newest(&self) -> String {
        format!("seat{}", self.seats)
    }

    /// A browser taps and is in the room: its seat.
    fn enters(&mut self, code: &str, consent: Option<bool>) -> String {
        let seated = self.tap(code, None, consent).unwrap();
        assert!(seated.identity.is_some(), "{seated:?}");
        let seat = self.newest();
        self.is_in_room(&seat);
        seat
    }

    fn is_in_room(&mut self, seat: &str) {
        self.session.pulse(seat, true, Some(4), &self.policy, self.now).unwrap();
    }

    /// A browser taps and has to wait: its seat, and why.
    fn waits(&mut self, code: &str) -> (String, WaitingWhy) {
        let seated = self.tap(code, None, None).unwrap();
        assert_eq!(seated.identity, None);
        (self.newest(), seated.waiting.unwrap())
    }

    fn phase(&self) -> VideoPhase {
        self.session.status(&agent(1).worker, &self.policy, self.now).phase
    }

    fn later(&mut self, ms: u64) {
        self.now += ms;
    }

    /// Time in which these pages go on speaking.
    fn later_with(&mut self, ms: u64, seats: &[&str]) {
        for _ in 0..ms / 5_000 {
            self.later(5_000);
            for seat in seats {
                self.is_in_room(seat);
            }
        }
    }
}

#[test]
fn a_session_is_invited_opened_met_away_and_ended() {
    let mut rig = Rig::new(PLAIN);
    assert_eq!(rig.phase(), VideoPhase::Invited);
    rig.enters("a1", None);
    assert_eq!(rig.phase(), VideoPhase::Invited, "the agent alone");
    assert_eq!(rig.session.look("c", None, rig.now), Ok((SeatRole::Customer, false)));
    assert_eq!(rig.phase(), VideoPhase::Opened);
    let customer = rig.enters("c", None);
    assert_eq!(rig.phase(), VideoPhase::Met);
    rig.session.leave(&customer, true);
    assert_eq!(rig.phase(), VideoPhase::Away);
    assert!(rig.session.end(EndReason::Agent, rig.now));
    assert!(!rig.session.end(EndReason::TaskOver, rig.now), "the first is right");
    let status = rig.session.status(&agent(1).worker, &PLAIN, rig.now);
    assert_eq!((status.phase, status.ended), (VideoPhase::Ended, Some(EndReason::Agent)));
}

#[test]
fn looking_uses_nothing_up() {
    let mut rig = Rig::new(PLAIN);
    for _ in 0..100 {
        assert_eq!(rig.session.look("c", None, rig.now), Ok((SeatRole::Customer, false)));
        assert_eq!(rig.session.look("a1", None, rig.now), Ok((SeatRole::Agent, false)));
    }
    rig.enters("c", None);
    rig.enters("a1", None);
    assert_eq!(rig.session.look("nothing", None, rig.now), Err(NotSeated::UnknownCode));
}

#[test]
fn the_first_browser_has_the_customers_seat_and_every_other_one_waits() {
    let mut rig = Rig::new(PLAIN);
    let agent = rig.enters("a1", None);
    let first = rig.enters("c", None);
    let (second, why) = rig.waits("c");
    assert_eq!(why, WaitingWhy::SecondBrowser);
    for _ in 0..3 {
        let standing = rig.session.pulse(&second, true, None, &PLAIN, rig.now).unwrap();
        assert_eq!((standing.identity, standing.in_room), (None, false), "whatever its page says");
    }
    let standing = rig.session.pulse(&agent, true, None, &PLAIN, rig.now).unwrap();
    assert_eq!(standing.others_waiting.len(), 1);
    assert!(rig.session.pulse(&first, true, None, &PLAIN, rig.now).unwrap().others_waiting.is_empty());
}

#[test]
fn a_second_browser_while_the_first_is_away_is_another_browser_of_the_same_and_a_yes_moves_the_seat() {
    let mut rig = Rig::new(PLAIN);
    rig.enters("a1", None);
    let in_app = rig.enters("c", None);
    rig.session.leave(&in_app, false);
    let (chrome, why) = rig.waits("c");
    assert_eq!(why, WaitingWhy::OtherBrowser);
    let admitted = rig.session.admit(&format!("id-{chrome}"), true, &PLAIN, rig.now).unwrap();
    assert_eq!(admitted.role, Some(SeatRole::Customer));
    assert_eq!(admitted.displaced, [format!("customer_{in_app}")]);
    let standing = rig.session.pulse(&chrome, false, None, &PLAIN, rig.now).unwrap();
    assert_eq!(standing.identity, Some(format!("customer_{chrome}")));
    let standing = rig.session.pulse(&in_app, true, None, &PLAIN, rig.now).unwrap();
    assert_eq!((standing.turned_away, standing.identity, standing.in_room), (true, None, false));
    assert!(!rig.session.may_be_in_the_room(&format!("customer_{in_app}")));
    assert!(rig.session.may_be_in_the_room(&format!("customer_{chrome}")));
}

#[test]
fn a_yes_while_the_first_is_in_the_room_makes_a_guest_as_far_as_there_may_be_any() {
    let mut rig = Rig::new(Policy { max_guests: 1, ..PLAIN });
    rig.enters("a1", None);
    let first = rig.enters("c", None);
    let (guest, _) = rig.waits("c");
    let admitted = rig.session.admit(&format!("id-{guest}"), true, &rig.policy, rig.now).unwrap();
    assert_eq!((admitted.role, admitted.displaced.len()), (Some(SeatRole::Guest), 0));
    rig.is_in_room(&guest);
    let (third, _) = rig.waits("c");
    let admitted = rig.session.admit(&format!("id-{third}"), true, &rig.policy, rig.now).unwrap();
    assert_eq!(admitted.role, Some(SeatRole::Customer));
    assert_eq!(admitted.displaced, [format!("customer_{first}")], "as many as may be are in");
    let people = rig.session.status(&agent(1).worker, &rig.policy, rig.now).people;
    assert_eq!(people.iter().filter(|person| person.role == SeatRole::Guest).count(), 1);
}

#[test]
fn a_no_turns_away_and_who_was_turned_away_may_ask_again() {
    let mut rig = Rig::new(PLAIN);
    rig.enters("a1", None);
    rig.enters("c", None);
    let (stranger, _) = rig.waits("c");
    let id = format!("id-{stranger}");
    assert_eq!(rig.session.admit(&id, false, &PLAIN, rig.now).unwrap().role, None);
    assert!(rig.session.pulse(&stranger, false, None, &PLAIN, rig.now).unwrap().turned_away);
    assert!(rig.session.admit(&id, true, &PLAIN, rig.now).is_err(), "nobody waits by that name any more");
    let again = rig.tap("c", Some(&stranger), None).unwrap();
    assert_eq!((again.is_new, again.identity, again.waiting), (true, None, Some(WaitingWhy::SecondBrowser)));
}

#[test]
fn only_so_many_wait_at_once_and_whoever_is_not_heard_of_waits_no_more() {
    let mut rig = Rig::new(PLAIN);
    rig.enters("a1", None);
    rig.enters("c", None);
    for _ in 0..5 {
        rig.waits("c");
    }
    assert_eq!(rig.tap("c", None, None), Err(NotSeated::Full));
    rig.later(WAITS_MS + 1);
    rig.waits("c");
    let waiting = rig.session.status(&agent(1).worker, &PLAIN, rig.now).waiting;
    assert_eq!(waiting.len(), 1);
}

#[test]
fn a_browser_that_comes_back_with_its_seat_has_the_same_identity_and_waits_for_nobody() {
    let mut rig = Rig::new(PLAIN);
    rig.enters("a1", None);
    let customer = rig.enters("c", None);
    let back = rig.tap("c", Some(&customer), None).unwrap();
    assert_eq!((back.is_new, back.identity), (false, Some(format!("customer_{customer}"))));
    assert_eq!(rig.session.look("c", Some(&customer), rig.now), Ok((SeatRole::Customer, true)));
}

#[test]
fn a_seat_that_never_arrived_goes_to_the_same_browsers_next_tap() {
    let mut rig = Rig::new(PLAIN);
    rig.tap("c", None, None).unwrap();
    let (second, why) = rig.waits("c");
    assert_eq!(why, WaitingWhy::OtherBrowser);
    for _ in 0..10 {
        rig.later(1_000);
        assert_eq!(rig.session.pulse(&second, false, None, &PLAIN, rig.now).unwrap().identity, None);
    }
    rig.later(1_000);
    let standing = rig.session.pulse(&second, false, None, &PLAIN, rig.now).unwrap();
    assert_eq!(standing.identity, Some(format!("customer_{second}")), "nobody ever spoke from the first");
}

#[test]
fn where_every_customer_knocks_none_is_in_before_the_agent_has_said_yes() {
    let mut rig = Rig::new(Policy { knock: true, ..PLAIN });
    rig.enters("a1", None);
    let (customer, why) = rig.waits("c");
    assert_eq!((why, rig.phase()), (WaitingWhy::Knock, VideoPhase::Opened));
    rig.later(20_000);
    assert_eq!(rig.session.pulse(&customer, false, None, &rig.policy, rig.now).unwrap().identity, None);
    let admitted = rig.session.admit(&format!("id-{customer}"), true, &rig.policy, rig.now).unwrap();
    assert_eq!((admitted.role, admitted.displaced.len()), (Some(SeatRole::Customer), 0));
    assert!(rig.tap("c", Some(&customer), None).unwrap().identity.is_some(), "a reload does not knock again");
}

#[test]
fn an_agents_link_is_good_once_and_for_a_minute_and_after_a_reload_with_the_seat() {
    let mut rig = Rig::new(PLAIN);
    let seat = rig.enters("a1", None);
    assert_eq!(rig.tap("a1", None, None), Err(NotSeated::LinkUsed));
    let back = rig.tap("a1", Some(&seat), None).unwrap();
    assert_eq!((back.is_new, back.identity), (false, Some(format!("agent_{seat}"))));
    rig.session.open(agent(2), "a2".into(), rig.now);
    rig.later(AGENT_CODE_MS + 1);
    assert_eq!(rig.tap("a2", None, None), Err(NotSeated::UnknownCode));
    rig.later(3_600_000);
    assert!(
        rig.tap("a1", Some(&seat), None).unwrap().identity.is_some(),
        "by the seat, for as long as it lasts"
    );
}

#[test]
fn a_new_link_that_is_not_used_leaves_the_agents_seat_alone_and_one_that_is_used_replaces_it() {
    let mut rig = Rig::new(PLAIN);
    let old = rig.enters("a1", None);
    rig.session.open(agent(1), "a1-again".into(), rig.now);
    assert!(!rig.session.pulse(&old, true, None, &PLAIN, rig.now).unwrap().turned_away);
    let seated = rig.tap("a1-again", None, None).unwrap();
    assert_eq!(seated.displaced, [format!("agent_{old}")]);
    assert!(rig.session.pulse(&old, true, None, &PLAIN, rig.now).unwrap().turned_away);
    // The same browser, with its seat, stays who it is.
    let new = rig.newest();
    rig.session.open(agent(1), "a1-third".into(), rig.now);
    let seated = rig.tap("a1-third", Some(&new), None).unwrap();
    assert_eq!((seated.is_new, seated.identity), (false, Some(format!("agent_{new}"))));
    assert_eq!(rig.tap("a1-third", None, None), Err(NotSeated::LinkUsed));
}

#[test]
fn a_revoked_link_admits_nobody_new_and_who_is_in_the_room_stays() {
    let mut rig = Rig::new(PLAIN);
    rig.enters("a1", None);
    let customer = rig.enters("c", None);
    let (waiting, _) = rig.waits("c");
    rig.session.revoke(rig.now);
    rig.session.invite("d".into(), rig.now);
    assert_eq!(rig.tap("c", None, None), Err(NotSeated::UnknownCode));
    assert!(rig.session.pulse(&waiting, false, None, &PLAIN, rig.now).unwrap().turned_away);
    let back = rig.tap("c", Some(&customer), None).unwrap();
    assert!(back.identity.is_some(), "in the room, and back after a reload");
    rig.session.leave(&customer, false);
    rig.session.revoke(rig.now);
    assert_eq!(rig.tap("c", Some(&customer), None), Err(NotSeated::UnknownCode));
    assert_eq!(rig.tap("d", None, None), Err(NotSeated::UnknownCode), "revoked, too");
    rig.session.invite("e".into(), rig.now);
    rig.enters("e", None);
}

#[test]
fn who_is_not_heard_of_is_lost_then_gone() {
    let mut rig = Rig::new(PLAIN);
    rig.enters("a1", None);
    rig.enters("c", None);
    rig.later(LOST_MS + 1);
    let status = rig.session.status(&agent(1).worker, &PLAIN, rig.now);
    assert_eq!(status.people.iter().map(|person| person.lost).collect::<Vec<_>>(), [true, true]);
    rig.later(GONE_MS);
    assert!(rig.session.status(&agent(1).worker, &PLAIN, rig.now).people.is_empty());
}

#[test]
fn the_longest_time_counts_from_the_first_meeting() {
    let mut rig = Rig::new(PLAIN);
    let agent = rig.enters("a1", None);
    rig.later_with(2 * 3_600_000, &[&agent]);
    assert!(!rig.session.is_too_long(&PLAIN, rig.now), "the agent alone");
    let customer = rig.enters("c", None);
    rig.later_with(3_600_000 - 5_000, &[&agent, &customer]);
    assert!(!rig.session.is_too_long(&PLAIN, rig.now));
    rig.later(5_000);
    assert!(rig.session.is_too_long(&PLAIN, rig.now));
    let standing = rig.session.standing(&agent, &PLAIN, rig.now).unwrap();
    assert_eq!(standing.seconds, Some(3_600));
}

#[test]
fn the_next_agent_finds_the_session_and_the_former_ones_seat_ends_with_their_task() {
    let mut rig = Rig::new(PLAIN);
    let first = rig.enters("a1", None);
    let customer = rig.enters("c", None);
    rig.session.open(agent(2), "a2".into(), rig.now);
    let second = rig.enters("a2", None);
    assert_eq!(rig.session.task_over(&task(1)), [format!("agent_{first}")]);
    let standing = rig.session.pulse(&first, true, None, &PLAIN, rig.now).unwrap();
    assert_eq!((standing.ended, standing.in_room), (Some(EndReason::TaskOver), false));
    assert_eq!(rig.tap("a1", Some(&first), None), Err(NotSeated::Ended));
    for seat in [&second, &customer] {
        let standing = rig.session.pulse(seat, true, None, &PLAIN, rig.now).unwrap();
        assert_eq!((standing.ended, standing.in_room), (None, true));
    }
    assert_eq!(rig.session.living_tasks().collect::<Vec<_>>(), [&task(2)]);
}

#[test]
fn two_agents_are_in_the_room_at_most_while_they_hand_over() {
    let mut rig = Rig::new(PLAIN);
    rig.enters("a1", None);
    for number in [2, 3] {
        rig.session.open(agent(number), format!("a{number}"), rig.now);
    }
    rig.enters("a2", None);
    assert_eq!(rig.tap("a3", None, None), Err(NotSeated::Full));
}

#[test]
fn after_the_end_every_link_says_so_and_no_seat_is_one() {
    let mut rig = Rig::new(PLAIN);
    let agent = rig.enters("a1", None);
    let customer = rig.enters("c", None);
    rig.session.end(EndReason::TaskOver, rig.now);
    for (code, seat) in [("c", None), ("c", Some(&customer)), ("a1", Some(&agent))] {
        assert_eq!(rig.tap(code, seat.map(String::as_str), None), Err(NotSeated::Ended));
    }
    assert_eq!(rig.tap("nothing", None, None), Err(NotSeated::UnknownCode));
    for seat in [&agent, &customer] {
        let standing = rig.session.pulse(seat, true, None, &PLAIN, rig.now).unwrap();
        assert_eq!(
            (standing.ended, standing.in_room, standing.identity),
            (Some(EndReason::TaskOver), false, None)
        );
    }
}

#[test]
fn a_room_that_ended_while_the_session_goes_on_has_nobody_in_it_and_is_not_recorded() {
    let mut rig = Rig::new(PLAIN);
    let room = RoomSid::new(format!("RM{}", "1".repeat(32))).unwrap();
    let other = RoomSid::new(format!("RM{}", "2".repeat(32))).unwrap();
    rig.session.room_seen(&room, rig.now);
    let customer = rig.enters("c", None);
    rig.session.room_ended(&other);
    assert!(rig.session.room_sid.is_some(), "word of an older room");
    rig.session.room_ended(&room);
    assert_eq!((&rig.session.room_sid, rig.phase()), (&None, VideoPhase::Away));
    assert!(rig.tap("c", Some(&customer), None).unwrap().identity.is_some(), "under the same link");
}

mod recording {
    use super::*;

    fn with_room(policy: Policy) -> Rig {
        let mut rig = Rig::new(policy);
        rig.session.room_seen(&RoomSid::new(format!("RM{}", "1".repeat(32))).unwrap(), rig.now);
        rig
    }

    #[test]
    fn nobody_is_asked_where_nothing_is_recorded() {
        let mut rig = with_room(PLAIN);
        rig.enters("a1", None);
        rig.enters("c", Some(true));
        assert_eq!(rig.session.recording(&PLAIN), Recording::Off);
        assert_eq!(rig.session.must_record(&PLAIN), None);
    }

    #[test]
    fn nobody_is_in_without_an_answer_and_the_answer_is_kept() {
        let mut rig = with_room(ASKS);
        rig.enters("a1", None);
        assert_eq!(rig.tap("c", None, None), Err(NotSeated::ConsentNeeded));
        assert!(!rig.session.is_used(), "not answering uses nothing up");
        let seated = rig.tap("c", None, Some(true)).unwrap();
        assert_eq!(seated.consented, Some(true));
        let seat = rig.newest();
        let back = rig.tap("c", Some(&seat), None).unwrap();
        assert!(back.identity.is_some() && back.consented.is_none(), "not asked again");
    }

    #[test]
    fn it_is_recorded_once_all_have_agreed_and_met_and_not_before() {
        let mut rig = with_room(ASKS);
        rig.enters("a1", None);
        assert_eq!(rig.session.must_record(&ASKS), None, "the agent alone");
        rig.tap("c", None, Some(true)).unwrap();
        assert_eq!(rig.session.must_record(&ASKS), None, "not in the room yet");
        rig.is_in_room(&rig.newest());
        assert_eq!(rig.session.must_record(&ASKS), Some(true));
        assert_eq!(rig.session.recording(&ASKS), Recording::Asking, "until Twilio has been told");
        rig.session.recorded = Recorded::Perhaps;
        assert_eq!(rig.session.recording(&ASKS), Recording::On, "what may be recorded is shown as recorded");
        rig.session.recorded = Recorded::Yes;
        assert_eq!(rig.session.must_record(&ASKS), None);
    }

    #[test]
    fn one_refusal_stops_it_at_once_also_of_somebody_who_comes_later() {
        let policy = Policy { max_guests: 1, ..ASKS };
        let mut rig = with_room(policy);
        rig.enters("a1", None);
        rig.enters("c", Some(true));
        rig.session.recorded = Recorded::Yes;
        let seated = rig.tap("c", None, Some(false)).unwrap();
        assert_eq!((seated.identity, seated.consented), (None, Some(false)));
        assert_eq!(rig.session.must_record(&policy), None, "who waits hears nothing yet");
        let guest = rig.newest();
        rig.session.admit(&format!("id-{guest}"), true, &policy, rig.now).unwrap();
        assert_eq!(rig.session.must_record(&policy), Some(false), "before they are in");
        assert_eq!(rig.session.recording(&policy), Recording::Refused);
        rig.session.recorded = Recorded::No;
        // Their mind is changed by coming again with another answer.
        let back = rig.tap("c", Some(&guest), Some(true)).unwrap();
        assert_eq!(back.consented, Some(true));
        assert_eq!(rig.session.must_record(&policy), Some(true));
    }

    #[test]
    fn an_agent_can_refuse_too() {
        let mut rig = with_room(ASKS);
        rig.enters("a1", Some(false));
        rig.enters("c", Some(true));
        assert_eq!(rig.session.must_record(&ASKS), None);
        assert_eq!(rig.session.recording(&ASKS), Recording::Refused);
    }
}

/// What may happen to a session.
#[derive(Clone, Debug)]
enum Step {
    Tap { browser: usize, code: usize, consent: Option<bool> },
    Pulse { browser: usize, in_room: bool },
    Leave { browser: usize, by_hand: bool },
    Answer { browser: usize, yes: bool },
    Revoke,
    Open { agent: u8 },
    TaskOver { agent: u8 },
    Wait { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_usize, 0..6_usize, proptest::option::of(any::<bool>()))
            .prop_map(|(browser, code, consent)| Step::Tap { browser, code, consent }),
        6 => (0..6_usize, any::<bool>()).prop_map(|(browser, in_room)| Step::Pulse { browser, in_room }),
        1 => (0..6_usize, any::<bool>()).prop_map(|(browser, by_hand)| Step::Leave { browser, by_hand }),
        2 => (0..6_usize, any::<bool>()).prop_map(|(browser, yes)| Step::Answer { browser, yes }),
        1 => Just(Step::Revoke),
        1 => (1..4_u8).prop_map(|agent| Step::Open { agent }),
        1 => (1..4_u8).prop_map(|agent| Step::TaskOver { agent }),
        1 => (0..90_000_u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_there_is_one_customer_and_no_more_guests_than_may_be_and_nothing_is_recorded_without_consent(
        guests in 0..3_u8,
        knock in any::<bool>(),
        asks in any::<bool>(),
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let recording = if asks { RecordingPolicy::Ask } else { RecordingPolicy::Off };
        let policy = Policy { max_guests: guests, knock, recording, ..PLAIN };
        let mut rig = Rig::new(policy);
        rig.session.room_seen(&RoomSid::new(format!("RM{}", "1".repeat(32))).unwrap(), rig.now);
        let mut codes = vec!["a1".to_owned(), "c".to_owned()];
        let mut browsers: Vec<(Option<String>, Option<bool>)> = vec![(None, None); 6];
        for step in steps {
            match step {
                Step::Tap { browser, code, consent } => {
                    let code = codes[code % codes.len()].clone();
                    let own = browsers[browser].0.clone();
                    if let Ok(seated) = rig.tap(&code, own.as_deref(), consent) {
                        if seated.is_new {
                            browsers[browser] = (Some(rig.newest()), None);
                        }
                        if consent.is_some() {
                            browsers[browser].1 = consent;
                        }
                        prop_assert!(seated.identity.is_none() || seated.waiting.is_none());
                        prop_assert!(!(knock && seated.is_new && seated.role == SeatRole::Customer
                            && seated.identity.is_some()), "let in without a yes");
                    }
                }
                Step::Pulse { browser, in_room } => if let Some(seat) = &browsers[browser].0 {
                    rig.session.pulse(seat, in_room, None, &policy, rig.now);
                },
                Step::Leave { browser, by_hand } => if let Some(seat) = &browsers[browser].0 {
                    rig.session.leave(seat, by_hand);
                },
                Step::Answer { browser, yes } => if let Some(seat) = &browsers[browser].0 {
                    rig.session.admit(&format!("id-{seat}"), yes, &policy, rig.now).ok();
                },
                Step::Revoke => {
                    rig.session.revoke(rig.now);
                    codes.push(format!("c{}", codes.len()));
                    rig.session.invite(codes.last().unwrap().clone(), rig.now);
                }
                Step::Open { agent: number } => {
                    codes.push(format!("a{number}-{}", codes.len()));
                    rig.session.open(agent(number), codes.last().unwrap().clone(), rig.now);
                }
                Step::TaskOver { agent } => drop(rig.session.task_over(&task(agent))),
                Step::Wait { ms } => rig.later(ms),
            }
            // What is stored is what was stored.
            let json = serde_json::to_string(&rig.session).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Session>(&json).unwrap(), &rig.session);

            let people = rig.session.status(&agent(1).worker, &policy, rig.now).people;
            let count = |role| people.iter().filter(|person| person.role == role).count();
            prop_assert!(count(SeatRole::Customer) <= 1);
            prop_assert!(count(SeatRole::Guest) <= usize::from(guests));
            if let Some(on) = rig.session.must_record(&policy) {
                rig.session.recorded = if on { Recorded::Yes } else { Recorded::No };
            }
            if rig.session.recorded == Recorded::Yes {
                prop_assert!(asks);
                for (seat, consent) in &browsers {
                    let Some(seat) = seat else { continue };
                    let Some(standing) = rig.session.standing(seat, &policy, rig.now) else { continue };
                    let may_hear = standing.in_room || standing.identity.is_some();
                    prop_assert!(!may_hear || *consent != Some(false), "{seat} said no");
                    prop_assert!(!may_hear || consent.is_some() || rig.session.agent_of(seat).is_some());
                }
            }
        }
    }
}
