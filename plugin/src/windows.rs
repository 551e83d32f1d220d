//! The agent's windows of video in the extension: video asks for them, and voice, which holds the line to the extension, has
//! them shown.

use std::rc::Rc;

use protocol::page::ShowVideo;

/// Where an agent's window can be, other than in a tab.
pub trait Windows {
    /// Whether the extension is there, is this agent's, and can be told a link where no other script hears it.
    fn are_there(&self) -> bool;
    /// Has it shown, or told its link.
    fn show(&self, window: ShowVideo);
    /// Calls `told` when one that was asked for is not shown.
    fn on_refused(&self, told: Rc<dyn Fn()>);
}
