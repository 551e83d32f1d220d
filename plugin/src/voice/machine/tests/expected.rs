//! Which calls the extension is told to expect.

use lifeline::repeat::REPEAT_MS;

use super::expect::COMES_WITHIN_MS;
use super::*;

const WR: &str = "WR11111111111111111111111111111111";
const WT: &str = "WT11111111111111111111111111111111";
const OTHER_WR: &str = "WR22222222222222222222222222222222";

/// No list was said.
const NOTHING: [Vec<(String, ExpectReason)>; 0] = [];

fn reservation(accepted: bool, reason: ExpectReason) -> VoiceReservation {
    VoiceReservation { sid: WR.into(), task_sid: WT.into(), accepted, reason }
}

fn pending() -> VoiceReservation {
    reservation(false, ExpectReason::Reservation)
}

fn accepted() -> VoiceReservation {
    reservation(true, ExpectReason::Reservation)
}

fn show(page: &mut Rig, reservations: &[VoiceReservation]) {
    page.set_flex(|flex| flex.voice_reservations = reservations.to_vec());
}

fn signed_in() -> Rig {
    let mut page = Rig::new(boot());
    page.send(configured());
    page.send(heartbeat(newest(None)));
    page.pass(10_000, Some(&heartbeat(newest(None))));
    page.ordered();
    page
}

/// The lists that were said, each as ids and reasons.
fn said(page: &mut Rig) -> Vec<Vec<(String, ExpectReason)>> {
    page.ordered()
        .into_iter()
        .filter_map(|command| match command {
            Command::Post(ToExtension::ExpectCalls { payload }) => {
                Some(payload.calls.into_iter().map(|one| (one.id.to_string(), one.reason)).collect())
            }
            _ => None,
        })
        .collect()
}

fn list(calls: &[(&str, ExpectReason)]) -> Vec<(String, ExpectReason)> {
    calls.iter().map(|(id, reason)| ((*id).to_owned(), *reason)).collect()
}

#[test]
fn a_call_is_expected_in_the_turn_in_which_the_agent_accepts_it_and_no_longer_than_its_task_lasts() {
    let mut page = signed_in();
    show(&mut page, &[pending()]);
    assert_eq!(said(&mut page), NOTHING, "that it rings is no reason to answer");
    page.send(Event::Expect(Coming::Reservation(Some(WR.into()))));
    let one = list(&[(WR, ExpectReason::Reservation)]);
    assert_eq!(said(&mut page), std::slice::from_ref(&one), "before Flex asks TaskRouter for the call");
    show(&mut page, &[accepted()]);
    page.send(heartbeat(newest(Some(call(SID)))));
    assert_eq!(said(&mut page), NOTHING, "it is the same call under the same name");
    show(&mut page, &[]);
    assert_eq!(said(&mut page), [list(&[])]);
}

#[test]
fn a_reservation_that_is_accepted_twice_before_flex_shows_it_is_one_call() {
    let mut page = signed_in();
    let one = list(&[(WR, ExpectReason::Reservation)]);
    for _ in 0..2 {
        page.send(Event::Expect(Coming::Reservation(Some(WR.into()))));
        assert_eq!(page.machine.expect.list(&[]).len(), 1);
    }
    assert_eq!(said(&mut page), std::slice::from_ref(&one));
    show(&mut page, &[accepted()]);
    assert_eq!(said(&mut page), NOTHING);
}

#[test]
fn a_reservation_that_flex_shows_as_accepted_is_expected_whoever_accepted_it() {
    let mut page = signed_in();
    show(&mut page, &[accepted()]);
    assert_eq!(said(&mut page), [list(&[(WR, ExpectReason::Reservation)])]);
    show(&mut page, &[reservation(true, ExpectReason::Transfer)]);
    let mut page = signed_in();
    show(&mut page, &[reservation(true, ExpectReason::Transfer)]);
    assert_eq!(said(&mut page), [list(&[(WR, ExpectReason::Transfer)])]);
}

#[test]
fn a_transfer_whose_task_has_no_conference_is_expected_as_any_and_its_hold_is_not_guessed() {
    let mut page = signed_in();
    show(&mut page, &[reservation(false, ExpectReason::Transfer)]);
    page.send(Event::Expect(Coming::Reservation(Some(WR.into()))));
    assert_eq!(said(&mut page), [list(&[(WR, ExpectReason::Transfer)])]);
    show(&mut page, &[reservation(true, ExpectReason::Transfer)]);
    page.set_flex(|flex| flex.voice_task = Some(VoiceTask::default()));
    page.send(heartbeat(newest(Some(call(SID)))));
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
    page.pass(10_000, Some(&heartbeat(newest(Some(call(SID))))));
    assert!(!posts(&page.ordered()).contains(&lifeline::hold::MESSAGE));
    // Handed on: the extension's call ends, Flex's task with it, and nothing is expected any more.
    page.set_flex(|flex| (flex.voice_task, flex.voice_reservations) = (None, Vec::new()));
    page.send(heartbeat(newest(None)));
    assert_eq!((said(&mut page), page.flex.active_call), (vec![list(&[])], ActiveCall::None));
}

#[test]
fn an_accept_that_names_no_reservation_is_expected_for_a_minute() {
    let mut page = signed_in();
    page.send(Event::Expect(Coming::Reservation(None)));
    assert_eq!(said(&mut page), [list(&[("accept:8", ExpectReason::Reservation)])]);
    page.pass(COMES_WITHIN_MS, Some(&heartbeat(newest(None))));
    assert_eq!(said(&mut page).last(), Some(&list(&[])));
}

#[test]
fn an_outbound_call_is_expected_from_the_click_on_and_under_one_name() {
    let mut page = signed_in();
    page.send(Event::Expect(Coming::Outbound));
    let one = list(&[("outbound:8", ExpectReason::Outbound)]);
    assert_eq!(said(&mut page), std::slice::from_ref(&one));
    // The agent's leg comes first: while the customer's phone rings the reservation is pending.
    show(&mut page, &[reservation(false, ExpectReason::Outbound)]);
    page.send(heartbeat(newest(Some(call(SID)))));
    show(&mut page, &[reservation(true, ExpectReason::Outbound)]);
    page.pass(COMES_WITHIN_MS + 1_000, Some(&heartbeat(newest(Some(call(SID))))));
    assert!(said(&mut page).iter().all(|list| *list == one));
    show(&mut page, &[]);
    assert_eq!(said(&mut page), [list(&[])]);
    // Dialled past this page, by another plugin: Flex shows it.
    show(&mut page, &[reservation(false, ExpectReason::Outbound)]);
    assert_eq!(said(&mut page), [list(&[(WR, ExpectReason::Outbound)])]);
}

#[test]
fn a_call_that_comes_before_flex_shows_its_reservation_lets_no_second_one_through() {
    let mut page = signed_in();
    page.send(Event::Expect(Coming::Outbound));
    page.send(heartbeat(newest(Some(call(SID)))));
    show(&mut page, &[reservation(false, ExpectReason::Outbound)]);
    let ids: std::collections::BTreeSet<_> =
        said(&mut page).into_iter().flatten().map(|(id, _)| id).collect();
    assert_eq!(ids, ["outbound:8".to_owned()].into());
}

#[test]
fn the_supervisors_own_leg_is_expected_until_it_has_come_or_does_not_come() {
    let mut page = signed_in();
    page.send(Event::Expect(Coming::Monitoring(Some(WT.into()))));
    let id = format!("{WT}:8");
    assert_eq!(said(&mut page), [list(&[(&id, ExpectReason::Monitoring)])]);
    page.send(heartbeat(newest(Some(call(SID)))));
    assert_eq!(said(&mut page), [list(&[])]);
    page.send(heartbeat(newest(None)));
    page.send(Event::Expect(Coming::Monitoring(None)));
    assert_eq!(said(&mut page), [list(&[("monitor:9", ExpectReason::Monitoring)])]);
    page.pass(COMES_WITHIN_MS, Some(&heartbeat(newest(None))));
    assert_eq!(said(&mut page).last(), Some(&list(&[])));
}

#[test]
fn a_task_whose_call_is_not_live_expects_one_under_a_new_name_each_time() {
    let mut page = signed_in();
    show(&mut page, &[accepted()]);
    for attempt in 8..11 {
        page.send(heartbeat(newest(Some(call(SID)))));
        page.ordered();
        page.send(heartbeat(newest(None))); // the agent's leg broke, and Flex offers to join the call again
        let id = format!("{WT}:{attempt}");
        let both = list(&[(WR, ExpectReason::Reservation), (&id, ExpectReason::Task)]);
        assert_eq!(said(&mut page), [both]);
    }
    show(&mut page, &[]);
    assert_eq!(said(&mut page), [list(&[])]);
}

#[test]
fn a_page_that_is_loaded_in_the_middle_expects_the_call_of_the_task_that_it_shows() {
    let flex = FlexView { voice_reservations: vec![accepted()], ..flex("Available") };
    // The call is live: nothing but the reservation, which the extension has let through already.
    let mut page = Rig::new(Boot { flex: flex.clone(), ..boot() });
    page.send(Event::Message(ToPage::Configured { payload: Some(newest(Some(call(SID)))) }));
    assert_eq!(said(&mut page), [list(&[(WR, ExpectReason::Reservation)])]);
    // It is not.
    let names = |opened_at| {
        let mut page = Rig::new(Boot { flex: FlexView { opened_at, ..flex.clone() }, ..boot() });
        page.send(Event::Message(ToPage::Configured { payload: Some(newest(None)) }));
        said(&mut page)
    };
    let id = format!("{WT}:7");
    assert_eq!(names(7), [list(&[(WR, ExpectReason::Reservation), (&id, ExpectReason::Task)])]);
    assert_ne!(names(7), names(8), "no page uses another's names");
}

#[test]
fn the_list_goes_out_with_every_configured_also_when_it_is_empty_and_a_few_times_more() {
    let mut page = Rig::new(boot());
    page.send(Event::Message(ToPage::Configured { payload: Some(newest(None)) }));
    assert_eq!(said(&mut page), [list(&[])], "a page that expects nothing says so");
    page.pass(20 * REPEAT_MS, Some(&heartbeat(newest(None))));
    assert_eq!(said(&mut page).len(), 2);
    show(&mut page, &[accepted()]);
    page.pass(20 * REPEAT_MS, Some(&heartbeat(newest(None))));
    assert_eq!(said(&mut page).len(), 3);
    page.send(Event::Message(ToPage::Configured { payload: Some(newest(None)) }));
    assert_eq!(said(&mut page).len(), 1, "a worker that says CONFIGURED may have forgotten");
    // Nobody was there to hear it.
    page.send(Event::Message(ToPage::Disconnected));
    page.pass(5_000, None);
    assert_eq!(said(&mut page), NOTHING);
    page.send(Event::Message(ToPage::Configured { payload: Some(newest(None)) }));
    assert_eq!(said(&mut page), [list(&[(WR, ExpectReason::Reservation)])]);
}

#[test]
fn an_extension_of_an_older_version_is_told_nothing_of_it() {
    for old in [heartbeat(state(None)), old_heartbeat(None)] {
        let mut page = Rig::new(boot());
        page.send(configured());
        page.send(old.clone());
        page.send(Event::Expect(Coming::Reservation(Some(WR.into()))));
        show(&mut page, &[accepted()]);
        page.pass(10_000, Some(&old));
        assert_eq!(said(&mut page), NOTHING);
    }
}

#[test]
fn no_more_is_said_than_a_message_may_carry() {
    let many = |n: usize| VoiceReservation {
        sid: format!("WR{n:032x}"),
        task_sid: format!("WT{n:032x}"),
        ..accepted()
    };
    let mut page = signed_in();
    show(&mut page, &(0..40).map(many).collect::<Vec<_>>());
    assert_eq!(said(&mut page)[0].len(), protocol::page::MAX_EXPECTED_CALLS);
    // A name that is no name is passed over.
    let strange = [
        VoiceReservation { sid: "é".into(), ..accepted() },
        VoiceReservation { sid: OTHER_WR.into(), ..accepted() },
    ];
    show(&mut page, &strange);
    assert_eq!(said(&mut page)[0], list(&[(OTHER_WR, ExpectReason::Reservation)]));
}
