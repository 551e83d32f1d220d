//! Which words the page has for what the machine knows.

use messages::{Language, video::Text};
use protocol::video::{EndReason, Recording, SeatRole, WaitingWhy};

use crate::machine::{
    notes::Said,
    people::News,
    phase::End,
    track::{CaptureFault, DeviceKind},
};

/// What somebody is called who has no name.
#[must_use]
pub const fn role(role: SeatRole) -> Text {
    match role {
        SeatRole::Customer => Text::Customer,
        SeatRole::Agent => Text::Agent,
        SeatRole::Guest => Text::Guest,
    }
}

/// What kind of device a menu is of.
#[must_use]
pub const fn kind(kind: DeviceKind) -> Text {
    match kind {
        DeviceKind::Camera => Text::Camera,
        DeviceKind::Microphone => Text::Microphone,
        DeviceKind::Speaker => Text::Speaker,
    }
}

/// What is wrong with camera and microphone.
#[must_use]
pub const fn faults(camera: Option<CaptureFault>, microphone: Option<CaptureFault>) -> Option<Text> {
    use CaptureFault::{Busy, Missing, Other, Refused};
    Some(match (camera, microphone) {
        (None, None) => return None,
        (Some(Refused), Some(Refused)) => Text::BothRefused,
        (Some(Missing), Some(Missing)) => Text::BothMissing,
        (Some(Busy | Other), Some(Busy | Other)) => Text::BothBusy,
        (Some(Refused), _) => Text::CameraRefused,
        (None, Some(Refused)) | (Some(_), Some(Refused)) => Text::MicrophoneRefused,
        (Some(Busy | Other), _) => Text::CameraBusy,
        (None | Some(Missing), Some(Busy | Other)) => Text::MicrophoneBusy,
        (Some(Missing), None) => Text::CameraMissing,
        (None, Some(Missing)) => Text::MicrophoneMissing,
    })
}

/// What to do about it.
#[must_use]
pub const fn help(fault: CaptureFault) -> Text {
    match fault {
        CaptureFault::Refused => Text::HowToAllow,
        CaptureFault::Missing => Text::ConnectOne,
        CaptureFault::Busy | CaptureFault::Other => Text::CloseOthers,
    }
}

/// What one waits for.
#[must_use]
pub const fn waiting(why: WaitingWhy) -> Text {
    match why {
        WaitingWhy::Knock | WaitingWhy::Other => Text::WaitingKnock,
        WaitingWhy::OtherBrowser => Text::WaitingOtherBrowser,
        WaitingWhy::SecondBrowser => Text::WaitingSecond,
    }
}

/// Who waits.
#[must_use]
pub const fn knock(why: WaitingWhy) -> Text {
    match why {
        WaitingWhy::Knock | WaitingWhy::Other => Text::KnockCustomer,
        WaitingWhy::OtherBrowser => Text::KnockOther,
        WaitingWhy::SecondBrowser => Text::KnockSecond,
    }
}

/// What is recorded.
#[must_use]
pub const fn recording(recording: Recording) -> Option<Text> {
    match recording {
        Recording::Off => None,
        Recording::Asking => Some(Text::RecordingAsking),
        Recording::On => Some(Text::RecordingOn),
        Recording::Refused => Some(Text::RecordingRefused),
    }
}

/// What is said once.
#[must_use]
pub fn said(said: Said, language: Language, name: impl Fn(SeatRole) -> String) -> String {
    let text = match said {
        Said::News(role, news) => {
            let text = match news {
                News::Came => Text::Came,
                News::CameBack => Text::CameBack,
                News::Left => Text::WasLeft,
                News::Gone => Text::WasGone,
                News::NotBack => Text::WasNotBack,
                News::Lost => Text::WasLost,
                News::Reached => Text::WasReached,
            };
            return text.with(language, &name(role));
        }
        Said::Shares(role) => return Text::Shares.with(language, &name(role)),
        Said::SharesNoMore(role) => return Text::SharesNoMore.with(language, &name(role)),
        Said::Sharing => Text::Sharing,
        Said::NotSharing => Text::NotSharing,
        Said::ShareFailed => Text::ShareFailed,
        Said::Recording => Text::RecordingBegan,
        Said::NotRecording => Text::RecordingEnded,
        Said::Copied => Text::Copied,
        Said::NotCopied => Text::NotCopied,
        Said::DeviceLost => Text::DeviceLost,
        Said::CallHasMicrophone => Text::CallHasMicrophone,
        Said::CallOver => Text::CallOver,
        Said::Knock => Text::Knock,
        Said::NotDone => Text::NotDone,
        Said::Reconnecting => Text::ConnectionLost,
        Said::Reconnected => Text::ConnectionBack,
        Said::Joined => Text::InTheCall,
    };
    text.say(language).to_owned()
}

/// What happened at an end, and what to do.
#[must_use]
pub const fn end(end: &End, is_agent: bool) -> (Text, Option<Text>) {
    let (heading, sentence) = match end {
        End::Left => (Text::LeftHeading, Text::LeftSentence),
        End::Ended(reason) => {
            let sentence = match reason {
                EndReason::Agent => Text::EndedAgent,
                EndReason::TaskOver if is_agent => Text::EndedTaskAgent,
                EndReason::TaskOver => Text::EndedTask,
                EndReason::Duration => Text::EndedDuration,
                EndReason::Completed | EndReason::Other => Text::EndedOther,
            };
            (Text::EndedHeading, sentence)
        }
        End::TurnedAway => (Text::TurnedAwayHeading, Text::TurnedAwaySentence),
        End::Removed => (Text::RemovedHeading, Text::RemovedSentence),
        End::OtherTab => (Text::ElsewhereHeading, Text::ElsewhereTab),
        End::OtherBrowser => (Text::ElsewhereHeading, Text::ElsewhereBrowser),
        End::InApp => (Text::InAppHeading, Text::InAppSentence),
        End::TooOld => (Text::TooOldHeading, Text::TooOldSentence),
        End::Insecure => (Text::InsecureHeading, Text::InsecureSentence),
        End::UnknownLink if is_agent => (Text::UnknownHeading, Text::UnknownAgent),
        End::UnknownLink => (Text::UnknownHeading, Text::UnknownSentence),
        End::LinkUsed => (Text::UsedHeading, Text::NoLinkSentence),
        End::Full => (Text::FullHeading, Text::FullSentence),
        End::NotAllowed => (Text::NotAllowedHeading, Text::NotAllowedSentence),
        End::Silent => (Text::SilentHeading, Text::SilentSentence),
        End::Network => (Text::NetworkHeading, Text::NetworkBlocks),
        End::NoLink => (Text::NoLinkHeading, Text::NoLinkSentence),
        // Flex has said why.
        End::NotOpened(_) => return (Text::NoLinkHeading, None),
    };
    (heading, Some(sentence))
}
