//! What the card says.

use protocol::video::{Admit, EndReason, Recording, SeatRole, VideoPhase, Waiting, WaitingWhy};

use super::harness::*;
use crate::video::machine::event::{Act, Ask, Command, Event};
use crate::words::{Language, Words};

#[test]
fn the_time_is_the_services_and_goes_on_by_the_second_while_they_have_met() {
    let mut rig = Rig::met();
    assert_eq!(rig.card().unwrap().time.as_deref(), Some("0:00"));
    rig.seen.clear();
    rig.pass(1_000);
    assert!(rig.seen.contains(&Command::Draw));
    assert_eq!(rig.card().unwrap().time.as_deref(), Some("0:01"));
    rig.service.seconds = Some(3_725);
    rig.pass(5_000);
    rig.serve();
    assert_eq!(rig.card().unwrap().time.as_deref(), Some("1:02:05"));
    rig.service.phase = VideoPhase::Away;
    rig.service.seconds = Some(65);
    rig.pass(5_000);
    rig.serve();
    rig.pass(3_000);
    assert_eq!(rig.card().unwrap().time.as_deref(), Some("1:05"));
}

#[test]
fn each_phase_is_a_sentence() {
    for (phase, said) in [
        (VideoPhase::Invited, "The customer has not opened the link yet."),
        (VideoPhase::Opened, "The customer has opened the link."),
        (VideoPhase::Met, "You and the customer are in the call."),
        (VideoPhase::Away, "The customer is not in the call now. The same link brings them back."),
    ] {
        let mut rig = Rig::met();
        rig.service.phase = phase;
        rig.pass(5_000);
        rig.serve();
        assert_eq!(rig.line(), said);
    }
    for (reason, said) in [
        (EndReason::Agent, "The video call is over."),
        (EndReason::TaskOver, "The video call ended with the task."),
        (EndReason::Duration, "The video call reached the longest time that your organisation allows."),
        (EndReason::Completed, "The video call is over."),
        (EndReason::Other, "The video call is over."),
    ] {
        let mut rig = Rig::met();
        rig.end_at_service(reason);
        rig.pass(5_000);
        rig.serve();
        assert_eq!(rig.line(), said);
        rig.pass(15_000);
        assert_eq!(rig.card(), None, "and then it is gone");
        assert_eq!(rig.button().unwrap().label, "Start a video call");
    }
}

#[test]
fn who_is_there_is_named_with_their_connection_in_words() {
    let mut rig = Rig::met();
    let mut people = Vec::new();
    for (quality, lost) in [
        (None, false),
        (Some(5), false),
        (Some(3), false),
        (Some(1), false),
        (Some(0), false),
        (Some(5), true),
    ] {
        let mut one = person(SeatRole::Customer, false);
        (one.quality, one.lost) = (quality, lost);
        people.push(one);
    }
    people.push(person(SeatRole::Agent, true));
    people.push(person(SeatRole::Guest, false));
    people.push(person(SeatRole::Agent, false));
    let mut named = person(SeatRole::Agent, false);
    named.name = "Ada".to_owned();
    people.push(named);
    rig.service.people = people;
    rig.pass(5_000);
    rig.serve();
    assert_eq!(
        rig.card().unwrap().people,
        [
            "Customer",
            "Customer: good connection",
            "Customer: fair connection",
            "Customer: poor connection",
            "Customer: the connection breaks up",
            "Customer: the connection is lost, and may come back",
            "You",
            "Guest",
            "Colleague",
            "Ada",
        ]
    );
}

#[test]
fn who_waits_is_let_in_or_refused_once_and_the_agent_reads_why() {
    let mut rig = Rig::met();
    let wait = |id: &str, why| Waiting { id: id.to_owned(), why };
    rig.service.waiting = vec![
        wait("w1", WaitingWhy::Knock),
        wait("w2", WaitingWhy::OtherBrowser),
        wait("w3", WaitingWhy::SecondBrowser),
    ];
    rig.pass(5_000);
    rig.serve();
    let said: Vec<String> = rig.card().unwrap().waiting.into_iter().map(|waiting| waiting.why).collect();
    assert!(said[0].contains("waits to be let in") && said[1].contains("another browser"), "{said:?}");
    assert!(said[2].contains("Somebody else"), "{said:?}");
    let yes = Admit { waiting: "w2".to_owned(), admit: true };
    rig.act(Act::Admit(yes.clone()));
    rig.act(Act::Admit(yes.clone()));
    rig.serve();
    assert_eq!(rig.wanted()[1..], [Ask::Admit(yes)]);
    assert_eq!(rig.card().unwrap().waiting.len(), 2);
    rig.act(Act::Admit(Admit { waiting: "nobody".to_owned(), admit: true }));
    assert_eq!(rig.wanted().len(), 2);
}

#[test]
fn consent_is_written_into_the_task_once_and_again_only_when_it_changes() {
    let mut rig = Rig::met();
    let records = |rig: &Rig| {
        let records = rig.seen.iter().filter_map(|command| match command {
            Command::Record { consent, .. } => Some(*consent),
            _ => None,
        });
        records.collect::<Vec<_>>()
    };
    let after = |rig: &mut Rig, recording| {
        rig.service.recording = recording;
        rig.pass(5_000);
        rig.serve();
    };
    after(&mut rig, Recording::Asking);
    assert!(records(&rig).is_empty());
    assert_eq!(rig.card().unwrap().notes, ["Not recorded: not everybody has agreed yet."]);
    after(&mut rig, Recording::On);
    after(&mut rig, Recording::On);
    assert_eq!(records(&rig), ["given"], "one at a time");
    rig.event(Event::Recorded { task: sid("WT", 1), ok: true });
    after(&mut rig, Recording::On);
    assert_eq!(records(&rig), ["given"]);
    // Somebody who came later said no, and TaskRouter does not take it.
    after(&mut rig, Recording::Refused);
    for _ in 0..5 {
        rig.event(Event::Recorded { task: sid("WT", 1), ok: false });
        after(&mut rig, Recording::Refused);
    }
    assert_eq!(records(&rig), ["given", "refused", "refused", "refused"]);
    assert_eq!(
        (rig.trouble(), rig.line()),
        (String::new(), "You and the customer are in the call.".to_owned())
    );

    // What stands there already is not written.
    let mut rig = Rig::met();
    rig.flex.tasks[0].consent = Some("given".to_owned());
    rig.event(Event::Flex(rig.flex.clone()));
    after(&mut rig, Recording::On);
    assert!(records(&rig).is_empty());
}

#[test]
fn the_card_speaks_spanish() {
    let words = Words::new(Language::Spanish, std::collections::BTreeMap::new());
    let mut rig = Rig::with(settings(), "", words);
    rig.have(vec![chat(1)]);
    rig.serve();
    rig.click(true);
    rig.serve();
    assert!(rig.messages[0].starts_with("Hablemos cara a cara. "));
    let card = rig.card().unwrap();
    assert_eq!((&*card.title, &*card.line), ("Videollamada", "El cliente aún no ha abierto el enlace."));
}

#[test]
fn nothing_is_drawn_that_has_not_changed() {
    let mut rig = Rig::begun();
    rig.seen.clear();
    rig.pass(30_000);
    rig.serve();
    assert!(!rig.seen.contains(&Command::Draw));
}
