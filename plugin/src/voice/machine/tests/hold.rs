//! What Flex alone knows of the call.

use super::*;

#[test]
fn the_extension_is_told_of_hold_until_it_says_it_back() {
    let mut page = on_call();
    page.set_flex(holding(false));
    assert!(posts(&page.ordered()).is_empty(), "nothing to tell");
    page.set_flex(holding(true));
    page.pass(2_000, Some(&heartbeat(state(Some(call(SID))))));
    assert_eq!(posts(&page.ordered()), [lifeline::hold::MESSAGE; 2], "the first may have been lost");
    let held = CallView { on_hold: Some(true), ..call(SID) };
    page.pass(20_000, Some(&heartbeat(state(Some(held)))));
    assert!(posts(&page.ordered()).is_empty());
    page.pass(60_000, Some(&heartbeat(state(Some(call(SID))))));
    assert_eq!(
        posts(&page.ordered()).len(),
        5,
        "one that forgot is told again, and one that is deaf not for ever"
    );
}

#[test]
fn an_extension_that_does_not_know_hold_is_not_told_of_it_again() {
    let mut page = on_call();
    page.set_flex(holding(true));
    page.send(Event::Message(ToPage::Error {
        payload: ErrorReply::new(Some(lifeline::hold::MESSAGE), ProblemCode::UnknownType, "?"),
    }));
    page.ordered();
    page.pass(10_000, Some(&heartbeat(state(Some(call(SID))))));
    assert!(posts(&page.ordered()).is_empty());
}
