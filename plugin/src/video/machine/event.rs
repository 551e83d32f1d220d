//! What may happen to video, and what it may have done.

use kernel::Secret;
use protocol::video::{Admit, End, Invitation, Invite, OpenVideo, VideoOpened, VideoStatus};

use super::flex_view::FlexView;
use super::trouble::Fault;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Flex's store changed.
    Flex(FlexView),
    /// Flex has a new token.
    TokenUpdated,
    /// The page can be seen, or cannot.
    Visible(bool),
    /// A request was answered.
    Answered(u64, Answer),
    /// A request failed.
    Failed(u64, Fault),
    /// The agent did something with the button or the card of a task, by the task's SID.
    Act(String, Act),
    /// [`Command::OpenTab`] was carried out.
    Tab(String, Tab),
    /// The extension did not show the window that it was asked for.
    WindowRefused,
    /// [`Command::Send`] was carried out, or failed.
    Sent {
        /// The task.
        task: String,
        /// The message is in the conversation.
        ok: bool,
    },
    /// [`Command::Record`] was carried out, or failed.
    Recorded {
        /// The task.
        task: String,
        /// It is in the task's attributes.
        ok: bool,
    },
}

/// What the service answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// How it stands.
    Status(VideoStatus),
    /// A session, and the way in.
    Opened(VideoOpened),
    /// A link for the customer.
    Invitation(Invitation),
}

/// What is done with the button or the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The button, *Show window* and *Join*: always from within a click, because a browser opens no tab otherwise.
    Open {
        /// The extension is there, and can hold the window.
        extension: bool,
    },
    /// *Try again*, within a click.
    Retry {
        /// As in [`Act::Open`].
        extension: bool,
    },
    /// *Send again*: the link that could not be sent.
    SendAgain,
    /// *Send a new link*: asks once.
    NewLink,
    /// Yes to that.
    Confirm,
    /// No to that.
    Cancel,
    /// *Let in*, or *Refuse*.
    Admit(Admit),
    /// *End*.
    End,
}

/// What became of the tab of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// It is new, and waits for its link.
    New,
    /// It was there already, and is in front now.
    There,
    /// The browser did not open it.
    Blocked,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ask the service, with the Flex token that the store holds at that moment. Answer with [`Event::Answered`] or
    /// [`Event::Failed`].
    Ask {
        /// The request's number.
        request: u64,
        /// The whole URL.
        url: String,
        /// What it is.
        ask: Ask,
    },
    /// Its answer is no longer wanted.
    Forget(u64),
    /// Have the extension bring the window of this key forward, and open it where there is none.
    ShowWindow {
        /// A conversation's or a task's SID.
        key: String,
        /// What the window joins by.
        way_in: WayIn,
    },
    /// Open the tab of this key, or bring it forward: now, within the click. Answer with [`Event::Tab`].
    OpenTab {
        /// The task that it is for.
        task: String,
        /// As in [`Command::ShowWindow`].
        key: String,
        /// What it says until it has its link.
        waits: String,
    },
    /// Let that tab go to the page of the call.
    Go {
        /// As in [`Command::ShowWindow`].
        key: String,
        /// The page.
        page: Secret,
    },
    /// Close that tab, which never had a link.
    CloseTab(String),
    /// Write into a conversation, in the agent's name. Answer with [`Event::Sent`].
    Send {
        /// The task.
        task: String,
        /// The conversation.
        conversation: String,
        /// The message.
        body: Secret,
    },
    /// Write into the task's attributes what was answered to the question whether it may be recorded, with the time. Answer
    /// with [`Event::Recorded`].
    Record {
        /// The task.
        task: String,
        /// What was answered.
        consent: &'static str,
    },
    /// Draw button and card.
    Draw,
    /// Keep this in the tab's own storage.
    Keep(String),
}

/// What an agent's window in the extension joins by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayIn {
    /// The service is being asked.
    Soon,
    /// This link.
    Link(Secret),
    /// None: it says this to the agent.
    Failed(String),
}

/// A request to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// [`Answer::Status`].
    Status,
    /// [`Answer::Opened`].
    Open(OpenVideo),
    /// [`Answer::Invitation`].
    Invite(Invite),
    /// [`Answer::Status`].
    Admit(Admit),
    /// [`Answer::Status`].
    End(End),
}

impl Ask {
    /// What follows the task's SID in its path.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        match self {
            Self::Status | Self::Open(_) => "",
            Self::Invite(_) => "/invitations",
            Self::Admit(_) => "/admit",
            Self::End(_) => "/end",
        }
    }
}
