//! What may happen to chat history, and what it may have done.

use protocol::history::{HistoryOverview, HistoryPage, MediaLink};

use super::flex_view::FlexView;
use super::timeline::Anchor;
use super::trouble::Fault;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Flex's store changed.
    Flex(FlexView),
    /// Flex has a new token.
    TokenUpdated,
    /// A request was answered.
    Answered(u64, Answer),
    /// A request failed.
    Failed(u64, Fault),
    /// The agent did something in what is shown of a task, by the task's SID.
    Act(String, Act),
    /// Flex's *Complete* was stopped, because [`super::Machine::refuses_to_complete`] said so. By the reservation's SID.
    CompleteRefused(String),
}

/// What the service answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Conversations.
    Overview(HistoryOverview),
    /// Messages.
    Page(HistoryPage),
    /// Where a file is.
    Media(MediaLink),
}

/// What is done in the tab or the banner.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// The banner's link.
    OpenTab,
    /// The banner's cross.
    CloseBanner,
    /// *Try again*.
    Retry,
    /// Rows were drawn, and these are their heights.
    Measured {
        /// Of which drawing: [`super::chat::Chat::version`].
        version: u64,
        /// Rows and heights.
        heights: Vec<(usize, f64)>,
    },
    /// The tab is wider or narrower than before.
    Resized,
    /// The reader is here now; at the foot when absent.
    Scrolled(Option<Anchor>),
    /// *Home* or *End*: the first row of what was read, or the foot.
    Jump {
        /// To the first row.
        to_begin: bool,
    },
    /// The begin of what was read is near.
    NearBegin,
    /// The agent looks for this.
    Search(String),
    /// The next older hit, or the next newer one.
    Step {
        /// Towards the begin.
        older: bool,
    },
    /// Everything is to be read.
    LoadAll,
    /// That is enough.
    Stop,
    /// Put the transcript into the clipboard.
    Copy,
    /// [`Command::Copy`] was carried out, or failed.
    Copied {
        /// The browser let us.
        ok: bool,
    },
    /// Print the transcript.
    Print,
    /// These pictures are to be seen now, each with its message.
    Pictures(Vec<MediaRef>),
    /// A picture could not be shown.
    PictureBroken(MediaRef),
    /// A file is wanted.
    Download(MediaRef),
}

/// A file of a message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MediaRef {
    /// `IM…`.
    pub message: String,
    /// `ME…`.
    pub media: String,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ask the service, with the Flex token that the store holds at that moment. Answer with [`Event::Answered`] or
    /// [`Event::Failed`].
    Get {
        /// The request's number.
        request: u64,
        /// The whole URL.
        url: String,
        /// What is expected.
        what: What,
    },
    /// Its answer is no longer wanted.
    Forget(u64),
    /// Draw what is shown of this task.
    Draw(String),
    /// Let Flex show our tab.
    SelectTab,
    /// Keep this in the tab's own storage.
    Keep(String),
    /// Make the transcript of a task and put it into the clipboard. Answer with [`Act::Copied`].
    Copy(String),
    /// Make the transcript of a task and print it.
    Print(String),
    /// Open a file's link in a tab of its own.
    Open(String),
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// [`Answer::Overview`].
    Overview,
    /// [`Answer::Page`].
    Page,
    /// [`Answer::Media`].
    Media,
}
