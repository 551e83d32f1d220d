//! What the agent is about to do in Flex: whether it may go on, and who carries it out.

use super::flex_view::{ActiveCall, FlexView};
use super::i18n::Text;
use super::intent::{ActivityChoice, Intent};

/// Who starts an outbound call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dial {
    /// Flex.
    ByFlex,
    /// We, because Flex would silently not: its own softphone, which the call does not need, is not well.
    ByUs,
    /// Nobody.
    Refused(Text),
}

/// What an agent who chooses this activity is about to do, where that is any of our business. Our own moves are not:
/// `moving_to` is where to. `offline`: the name of the activity for agents without voice.
#[must_use]
pub fn intent_of(
    choice: &ActivityChoice,
    flex: &FlexView,
    moving_to: Option<&str>,
    offline: &str,
) -> Option<Intent> {
    let chosen = flex.activities.iter().find(|activity| match (&choice.sid, &choice.name) {
        (Some(sid), _) => activity.sid == *sid,
        (None, Some(name)) => activity.name == *name,
        (None, None) => Some(activity.available) == choice.available,
    })?;
    if moving_to == Some(&chosen.sid) {
        return None;
    }
    let activity = chosen.name.clone();
    if chosen.name == offline {
        return Some(Intent::ChooseOffline { activity });
    }
    chosen.available.then_some(Intent::ChooseAvailable { activity })
}

/// Who starts an outbound call. `ours`: voice is the extension's business, and could take the call or is not meant to now.
#[must_use]
pub fn dial(flex: &FlexView, ours: bool) -> Dial {
    if !ours || !flex.own_voice_impaired {
        return Dial::ByFlex;
    }
    // As Flex, which would throw for these.
    if flex.active_call != ActiveCall::None || flex.voice_task.is_some() || flex.reservation_pending {
        return Dial::Refused(Text::DialBusy);
    }
    if flex.offline { Dial::Refused(Text::DialOffline) } else { Dial::ByUs }
}
