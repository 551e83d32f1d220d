//! The agent's activity.

use super::*;

#[test]
fn an_agent_without_voice_leaves_the_routing_and_comes_back_to_where_they_were() {
    let mut page = ready();
    page.set_flex(|flex| flex.activity = Some(activity("Training")));
    page.pass(5_000, None);
    assert_eq!(page.activity(), "Voice Client Offline");
    let ordered = page.ordered();
    assert!(ordered.contains(&Command::Remember(Some("WA4".into()))));
    assert_eq!(ordered.iter().filter(|c| matches!(c, Command::Notify(..))).count(), 1);
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.activity(), "Training");
    assert!(page.ordered().contains(&Command::Remember(None)));
}

#[test]
fn the_activity_to_go_back_to_survives_a_reload() {
    let mut page = Rig::new(Boot {
        flex: FlexView { remembered_activity: Some("WA4".into()), ..flex("Voice Client Offline") },
        ..boot()
    });
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.activity(), "Training");
    assert_eq!(
        page.flex.contact_uri.as_deref(),
        Some(OURS),
        "and only after calls are sent to the extension"
    );
}

#[test]
fn an_agent_who_went_on_a_break_meanwhile_stays_there() {
    let mut page = ready();
    page.pass(5_000, None);
    assert_eq!(page.activity(), "Voice Client Offline");
    page.set_flex(|flex| flex.activity = Some(activity("Break")));
    page.set_flex(|flex| flex.activity = Some(activity("Voice Client Offline")));
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.activity(), "Voice Client Offline");
    assert!(page.notified().contains(&words().plain(Text::ChooseActivity)));
    page.pass(30_000, Some(&heartbeat(state(None))));
    assert!(page.notified().is_empty(), "said once");
}

#[test]
fn an_agent_on_a_break_is_not_moved() {
    let mut page = ready();
    page.set_flex(|flex| flex.activity = Some(activity("Break")));
    page.pass(60_000, None);
    assert_eq!(page.activity(), "Break");
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.activity(), "Break");
}

#[test]
fn a_short_loss_of_the_registration_costs_no_activity() {
    let mut page = ready();
    let lost = heartbeat(ClientState { registered: false, status: Status::Reconnecting, ..state(None) });
    page.pass(4_000, Some(&lost));
    assert_eq!(page.activity(), "Available");
    page.pass(4_000, Some(&heartbeat(state(None))));
    page.pass(4_000, Some(&lost));
    assert_eq!(page.activity(), "Available");
    page.pass(4_000, Some(&lost));
    assert_eq!(page.activity(), "Voice Client Offline");
}

#[test]
fn during_a_call_the_activity_is_left_alone() {
    // A task in Flex, though the extension is gone.
    let mut page = ready();
    page.set_flex(|flex| flex.voice_task = Some(VoiceTask::default()));
    page.pass(60_000, None);
    assert_eq!(page.activity(), "Available");
    page.set_flex(|flex| flex.voice_task = None);
    assert_eq!(page.activity(), "Voice Client Offline");
    // A call in the extension that is not registered any more.
    let mut page = on_call();
    let unregistered =
        ClientState { registered: false, status: Status::Reconnecting, ..state(Some(call(SID))) };
    page.pass(60_000, Some(&heartbeat(unregistered)));
    assert_eq!((page.activity(), page.status().as_str()), ("Available", "Voice: on a call"));
}

#[test]
fn a_pending_reservation_is_waited_out() {
    let mut page = ready();
    page.set_flex(|flex| flex.reservation_pending = true);
    page.pass(30_000, None);
    assert_eq!(page.activity(), "Available");
    page.set_flex(|flex| flex.reservation_pending = false);
    assert_eq!(page.activity(), "Voice Client Offline");
}

#[test]
fn a_move_that_flex_swallowed_is_tried_again_ever_more_slowly() {
    let mut page = ready();
    page.obeys = false;
    page.pass(120_000, None);
    let ordered = page.ordered();
    let moves = ordered.iter().filter(|c| matches!(c, Command::SetActivity(_))).count();
    assert!((3..=6).contains(&moves), "{moves}");
    assert_eq!(ordered.iter().filter(|c| matches!(c, Command::Notify(..))).count(), 1, "said once");
    page.obeys = true;
    page.pass(160_000, None);
    assert_eq!(page.activity(), "Voice Client Offline");
}

#[test]
fn a_move_that_takes_a_while_is_not_a_failed_one() {
    let mut page = ready();
    page.obeys = false;
    page.pass(8_000, None);
    page.set_flex(|flex| flex.activity = Some(activity("Voice Client Offline")));
    page.obeys = true;
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert_eq!(page.activity(), "Available");
}

#[test]
fn a_move_and_its_reason_are_one_notification() {
    let mut page = ready();
    page.send(Event::Message(ToPage::Disconnected));
    page.pass(10_000, None);
    assert_eq!(
        page.notified(),
        [
            "Voice is not available: the extension was updated, stopped or removed; it connects by itself when it is \
          back, else reload Flex. Your activity is “Voice Client Offline” until it is back."
        ]
    );
}

#[test]
fn without_the_offline_activity_the_agent_is_told_and_not_moved() {
    for spoil in
        [(|flex: &mut FlexView| flex.activities.retain(|a| a.sid != "WA3")) as fn(&mut FlexView), |flex| {
            flex.activities.iter_mut().for_each(|a| a.available = true)
        }]
    {
        let mut page = ready();
        page.set_flex(spoil);
        page.pass(60_000, None);
        assert_eq!(page.activity(), "Available");
        let notified = page.notified();
        assert_eq!(notified.len(), 1, "{notified:?}");
        assert!(notified[0].contains("“Voice Client Offline”"), "{notified:?}");
    }
}

#[test]
fn two_tabs_remember_in_one_place_and_either_brings_the_agent_back() {
    let mut page = ready();
    // The other tab moved the agent, and remembered it a moment before.
    page.set_flex(|flex| flex.remembered_activity = Some("WA4".into()));
    page.pass(2_000, Some(&heartbeat(state(None))));
    assert_eq!(page.flex.remembered_activity.as_deref(), Some("WA4"), "not ours to forget");
    page.set_flex(|flex| flex.activity = Some(activity("Voice Client Offline")));
    page.pass(1_000, Some(&heartbeat(state(None))));
    assert_eq!(page.activity(), "Training");
    assert_eq!(page.flex.remembered_activity, None);
}
