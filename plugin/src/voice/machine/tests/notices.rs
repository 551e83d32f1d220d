//! What is notified, and when it goes.

use super::*;

#[test]
fn a_notification_goes_when_voice_is_back_and_when_a_call_rings_whose_buttons_it_covers() {
    let gone = |page: &mut Rig| page.ordered().contains(&Command::Dismiss);
    let mut page = Rig::new(boot());
    page.send(Event::Message(ToPage::Error {
        payload: ErrorReply::new(None, ProblemCode::ConsentNeeded, "allow it"),
    }));
    assert_eq!(page.notified().len(), 1);
    page.send(configured());
    assert!(!gone(&mut page), "not yet ready");
    page.send(heartbeat(state(None)));
    assert!(gone(&mut page));
    page.pass(3_000, Some(&heartbeat(state(None))));
    page.set_flex(|flex| flex.reservation_pending = true);
    assert!(!gone(&mut page), "there is nothing to take away");

    page.send(Event::NotDialed(Text::DialBusy));
    page.pass(3_000, Some(&heartbeat(state(None))));
    assert!(!gone(&mut page), "said while it rings, so it is about that");
    page.set_flex(|flex| flex.reservation_pending = false);
    page.set_flex(|flex| flex.reservation_pending = true);
    assert!(gone(&mut page));
}

#[test]
fn a_problem_that_the_extension_names_is_shown_at_once() {
    let mut page = Rig::new(boot());
    page.send(configured());
    let broken = ClientState {
        status: Status::Failed,
        registered: false,
        problem: Some(problem(ProblemCode::MicrophoneUnavailable, false)),
        ..state(None)
    };
    page.send(heartbeat(broken));
    assert!(page.status().contains("may not use the microphone"), "{}", page.status());
}

#[test]
fn no_command_shows_a_token() {
    // Tokens never enter the machine: the shell reads the current one when it carries the command out.
    let command = Command::PostToken(AccountSid::new(ACCOUNT).unwrap());
    assert_eq!(format!("{command:?}"), format!("PostToken({ACCOUNT})"));
    let message = ToExtension::FlexToken {
        payload: FlexToken {
            token: Secret::new("canary"),
            account_sid: AccountSid::new(ACCOUNT).unwrap(),
            expiration: String::new(),
            agent_identity: None,
        },
    };
    assert!(!format!("{:?}", Command::Post(message)).contains("canary"));
}
