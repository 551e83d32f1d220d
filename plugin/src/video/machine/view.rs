//! What is shown, as plain texts.

use kernel::Monotonic;
use protocol::video::{EndReason, Person, Recording, SeatRole, VideoPhase, VideoStatus, WaitingWhy};

use super::call::Call;
use super::settings::Config;
use super::trouble::Trouble;
use crate::words::{Text, Words};

/// The button in the task's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ButtonView {
    /// What it does, or what it is at.
    pub label: String,
    /// A click is being carried out.
    pub busy: bool,
    /// A session is there.
    pub live: bool,
    /// The last click failed.
    pub failed: bool,
}

/// The card above the task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardView {
    /// What it is.
    pub title: String,
    /// How it stands; read out when it changes.
    pub line: String,
    /// For how long they have met.
    pub time: Option<String>,
    /// Who is there, and how well.
    pub people: Vec<String>,
    /// Who waits.
    pub waiting: Vec<WaitingView>,
    /// What is recorded, and what else there is to know.
    pub notes: Vec<String>,
    /// What went wrong and what to do, with the words of what helps.
    pub trouble: Option<(String, Option<Help>)>,
    /// The question before former links stop working, with yes and no.
    pub question: Option<[String; 3]>,
    /// *Show window* or *Join*.
    pub show: Option<String>,
    /// *Send a new link*.
    pub new_link: Option<String>,
    /// *End*.
    pub end: Option<String>,
}

/// Somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingView {
    /// Which one.
    pub id: String,
    /// Why.
    pub why: String,
    /// *Let in*.
    pub admit: String,
    /// *Refuse*.
    pub refuse: String,
}

/// What helps against a trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Help {
    /// The button's words.
    pub label: String,
    /// It sends the same link again, rather than doing the last thing again.
    pub sends: bool,
}

pub(super) fn button(call: &Call, config: &Config, words: &Words) -> Option<ButtonView> {
    let live = call.live().is_some();
    if !call.can_begin(config) && !live {
        return None;
    }
    let busy = call.is_opening();
    let failed = call.trouble().is_some_and(|(_, opens)| opens);
    let label = match (busy, live, failed) {
        (true, ..) => Text::VideoOpening,
        (false, true, _) => Text::VideoShow,
        (false, false, true) => Text::VideoFailed,
        (false, false, false) => Text::VideoStart,
    };
    Some(ButtonView { label: words.plain(label), busy, live, failed })
}

pub(super) fn card(call: &Call, call_live: bool, words: &Words, now: Monotonic) -> Option<CardView> {
    let live = call.live();
    let trouble = trouble(call, words);
    let is_there = live.is_some() || call.is_opening() || call.ended().is_some() || trouble.is_some();
    if !is_there {
        return None;
    }
    let mut card = CardView {
        title: words.plain(Text::VideoTitle),
        line: line(call, words),
        trouble,
        ..CardView::default()
    };
    let Some(live) = live else { return Some(card) };
    let plain = |text| Some(words.plain(text));
    card.time = call.seconds(now).map(clock);
    card.people = live.people.iter().map(|person| self::person(person, words)).collect();
    card.waiting = live
        .waiting
        .iter()
        .map(|waiting| WaitingView {
            id: waiting.id.clone(),
            why: words.plain(match waiting.why {
                WaitingWhy::Knock | WaitingWhy::Other => Text::VideoKnock,
                WaitingWhy::OtherBrowser => Text::VideoOtherBrowser,
                WaitingWhy::SecondBrowser => Text::VideoSecondBrowser,
            }),
            admit: words.plain(Text::VideoAdmit),
            refuse: words.plain(Text::VideoRefuse),
        })
        .collect();
    let recording = match live.recording {
        Recording::Off => None,
        Recording::Asking => Some(Text::VideoRecordingAsking),
        Recording::On => Some(Text::VideoRecordingOn),
        Recording::Refused => Some(Text::VideoRecordingRefused),
    };
    let muted = call_live.then_some(Text::VideoMicrophoneOff);
    let stale = call.is_stale().then_some(Text::VideoStale);
    card.notes = [recording, muted, stale].into_iter().flatten().map(|text| words.plain(text)).collect();
    card.question = call.asks_new_link().then(|| {
        [Text::VideoNewLinkSure, Text::VideoNewLinkYes, Text::VideoNewLinkNo].map(|text| words.plain(text))
    });
    card.show = plain(if is_here(live) { Text::VideoShowWindow } else { Text::VideoJoin });
    card.new_link = plain(Text::VideoNewLink).filter(|_| card.question.is_none());
    card.end = plain(Text::VideoEnd);
    Some(card)
}

fn is_here(live: &VideoStatus) -> bool {
    live.people.iter().any(|person| person.you)
}

fn line(call: &Call, words: &Words) -> String {
    let text = match (call.live(), call.ended()) {
        _ if call.waits_for_token() => Text::VideoWaitsForToken,
        _ if call.is_opening() => Text::VideoOpening,
        _ if call.sending() == Some(false) => Text::VideoSending,
        _ if call.is_busy() => Text::VideoBusyNow,
        (Some(live), _) => match live.phase {
            VideoPhase::Invited => Text::VideoInvited,
            VideoPhase::Opened => Text::VideoOpened,
            VideoPhase::Met if is_here(live) => Text::VideoMet,
            VideoPhase::Met | VideoPhase::None | VideoPhase::Ended => Text::VideoRunning,
            VideoPhase::Away => Text::VideoAway,
        },
        (None, Some(EndReason::TaskOver)) => Text::VideoEndedTask,
        (None, Some(EndReason::Duration)) => Text::VideoEndedDuration,
        (None, Some(EndReason::Agent | EndReason::Completed | EndReason::Other)) => Text::VideoEnded,
        (None, None) => return String::new(),
    };
    words.plain(text)
}

fn trouble(call: &Call, words: &Words) -> Option<(String, Option<Help>)> {
    let help = |label, sends| Some(Help { label: words.plain(label), sends });
    if let Some((trouble, _)) = call.trouble() {
        let label = match trouble {
            Trouble::Blocked => Text::VideoOpenWindow,
            Trouble::NoWindow => Text::VideoOpenTab,
            // What it was about is not there any more.
            Trouble::Gone | Trouble::Over => return Some((trouble.say(words), None)),
            _ => Text::VideoRetry,
        };
        return Some((trouble.say(words), help(label, false)));
    }
    (call.sending() == Some(true))
        .then(|| (words.plain(Text::VideoNotSent), help(Text::VideoSendAgain, true)))
}

fn person(person: &Person, words: &Words) -> String {
    let who = match (person.you, person.role) {
        (true, _) => words.plain(Text::VideoYou),
        (false, SeatRole::Customer) => words.plain(Text::VideoCustomer),
        (false, SeatRole::Guest) => words.plain(Text::VideoGuest),
        (false, SeatRole::Agent) if person.name.trim().is_empty() => words.plain(Text::VideoAgent),
        (false, SeatRole::Agent) => person.name.trim().to_owned(),
    };
    let how = match person.quality {
        _ if person.lost => Text::VideoLost,
        None => return who,
        Some(4..) => Text::VideoGood,
        Some(3) => Text::VideoFair,
        Some(1..=2) => Text::VideoPoor,
        Some(0) => Text::VideoBreaksUp,
    };
    format!("{who}: {}", words.plain(how))
}

/// Minutes and seconds, and hours where there are any.
fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}
