//! What the agent is about to do.

use super::*;

#[test]
fn a_call_that_could_not_arrive_is_refused_with_a_reason() {
    let mut page = Rig::new(boot());
    assert!(page.machine.refuses(&Intent::AcceptCall, page.now));
    page.send(Event::Refused(Intent::AcceptCall));
    assert_eq!(
        page.notified(),
        ["The call was not accepted, because voice is still connecting. Try again in a moment."]
    );
    page.pass(10_000, None);
    page.ordered();
    page.send(Event::Refused(Intent::DialOut));
    assert!(page.notified()[0].contains("install or enable the Holdfast extension"));
    page.send(configured());
    page.send(heartbeat(state(None)));
    assert!(!page.machine.refuses(&Intent::AcceptCall, page.now));
}

#[test]
fn the_offline_activity_is_never_the_agents_choice_and_an_available_one_not_without_voice() {
    let mut page = ready();
    let refuses = |page: &Rig, name: &str| {
        page.machine.intent_of(&choice(name)).is_some_and(|intent| page.machine.refuses(&intent, page.now))
    };
    let judged = |page: &Rig| {
        ["Available", "Training", "Break", "Voice Client Offline"].map(|name| refuses(page, name))
    };
    assert_eq!(judged(&page), [false, false, false, true]);
    page.pass(6_000, None);
    assert_eq!(judged(&page), [true, true, false, true]);
    let any = ActivityChoice { available: Some(true), ..ActivityChoice::default() };
    let intent = page.machine.intent_of(&any).unwrap();
    assert_eq!(intent, Intent::ChooseAvailable { activity: "Available".into() });
    page.ordered();
    page.send(Event::Refused(intent));
    assert!(page.notified()[0].starts_with("You cannot be “Available” now."));
    page.send(Event::Refused(Intent::ChooseOffline { activity: "Voice Client Offline".into() }));
    assert!(page.notified()[0].contains("Choose another activity"));
    disable(&mut page);
    assert_eq!(judged(&page), [false; 4]);
}

#[test]
fn our_own_move_is_not_refused() {
    let mut page = ready();
    page.obeys = false;
    page.pass(6_000, None);
    assert_eq!(page.machine.intent_of(&choice("Voice Client Offline")), None);
}

#[test]
fn a_call_is_dialled_past_flexs_own_softphone_when_that_is_not_well() {
    let mut page = ready();
    assert_eq!(page.machine.dial(page.now), Dial::ByFlex);
    page.set_flex(|flex| flex.own_voice_impaired = true);
    assert_eq!(page.machine.dial(page.now), Dial::ByUs);
    for (spoil, refusal) in [
        ((|flex: &mut FlexView| flex.reservation_pending = true) as fn(&mut FlexView), Text::DialBusy),
        (|flex| flex.voice_task = Some(VoiceTask::default()), Text::DialBusy),
        (|flex| flex.active_call = ActiveCall::Foreign, Text::DialBusy),
        (|flex| flex.offline = true, Text::DialOffline),
    ] {
        let before = page.flex.clone();
        page.set_flex(spoil);
        assert_eq!(page.machine.dial(page.now), Dial::Refused(refusal));
        page.set_flex(|flex| *flex = before);
    }
    page.send(Event::NotDialed(Text::DialFailed));
    assert!(page.notified().contains(&words().plain(Text::DialFailed)));
    page.pass(5_000, None);
    assert_eq!(
        page.machine.dial(page.now),
        Dial::ByFlex,
        "which refuses it with a reason, before it comes to this"
    );
    assert!(page.machine.refuses(&Intent::DialOut, page.now));
    assert!(page.machine.refuses(&Intent::Monitor, page.now));
}
