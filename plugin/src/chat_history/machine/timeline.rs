//! The conversations of a task's customer as one time line: the newest at its foot, and above each the one before it.

use std::collections::VecDeque;

use protocol::history::{ConversationSummary, HistoryMessage, HistoryOverview, HistoryPage};

use super::virtual_list::VirtualList;
use crate::service::is_sid;

/// About as high is a message of two lines.
const ROW_PX: f64 = 72.0;

/// What was read so far.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// As the service lists them: what is read first is first.
    stretches: Vec<Stretch>,
    overview: Left,
    retention_days: Option<u32>,
    list: VirtualList,
    messages: usize,
}

/// One conversation, as far as it was read.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// What it is.
    pub summary: ConversationSummary,
    /// The oldest first.
    pub messages: VecDeque<HistoryMessage>,
    /// Older messages are hidden by the rule of retention.
    pub hidden: bool,
    /// It was listed, and can no longer be read.
    pub gone: bool,
    left: Left,
}

/// What is still to be read of something.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Left {
    All,
    From(String),
    Nothing,
}

impl Left {
    fn after(cursor: Option<String>) -> Self {
        cursor.map_or(Self::Nothing, Self::From)
    }

    fn cursor(&self) -> Option<String> {
        match self {
            Self::From(cursor) => Some(cursor.clone()),
            Self::All | Self::Nothing => None,
        }
    }
}

/// What is to be read next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The list of conversations, or more of it.
    Overview(Option<String>),
    /// Messages of a conversation, before those of which the cursor comes.
    Page(String, Option<String>),
    /// Everything was read.
    Nothing,
}

/// One row of the time line.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// The line above a conversation.
    Line(&'a Stretch),
    /// A message.
    Message(&'a HistoryMessage),
}

impl Row<'_> {
    /// What tells it from all others, however many come before it: a SID.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Line(stretch) => &stretch.summary.sid,
            Self::Message(message) => &message.sid,
        }
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            stretches: Vec::new(),
            overview: Left::All,
            retention_days: None,
            list: VirtualList::new(ROW_PX),
            messages: 0,
        }
    }
}

impl Timeline {
    /// What is to be read next: the open conversation to its begin, then the one before it.
    #[must_use]
    pub fn next(&self) -> Next {
        if self.overview == Left::All {
            return Next::Overview(None);
        }
        let open = self.stretches.iter().find(|stretch| stretch.left != Left::Nothing);
        match (open, &self.overview) {
            (Some(stretch), _) => Next::Page(stretch.summary.sid.clone(), stretch.left.cursor()),
            (None, Left::From(cursor)) => Next::Overview(Some(cursor.clone())),
            (None, _) => Next::Nothing,
        }
    }

    /// Whether it is known which conversations there are, or some of them.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.overview != Left::All
    }

    /// Whether everything was read that there is.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.next() == Next::Nothing
    }

    /// Whether there is any conversation.
    #[must_use]
    pub const fn has_conversations(&self) -> bool {
        !self.stretches.is_empty()
    }

    /// Whether what the task names is among them.
    #[must_use]
    pub fn has_source(&self) -> bool {
        self.stretches.iter().any(|stretch| stretch.summary.source)
    }

    /// How many messages were read.
    #[must_use]
    pub const fn messages(&self) -> usize {
        self.messages
    }

    /// Messages older than this are hidden.
    #[must_use]
    pub const fn retention_days(&self) -> Option<u32> {
        self.retention_days
    }

    /// The heights of its rows.
    #[must_use]
    pub const fn list(&self) -> &VirtualList {
        &self.list
    }

    /// The heights of its rows, to be told what was measured.
    pub const fn list_mut(&mut self) -> &mut VirtualList {
        &mut self.list
    }

    /// Takes a list of conversations. `own`: the task's own conversation, which is in the chat beside, unless it is the source.
    pub fn take_overview(&mut self, overview: HistoryOverview, own: Option<&str>) {
        self.overview = Left::after(overview.cursor);
        self.retention_days = overview.retention_days.or(self.retention_days);
        let mut known: Vec<String> =
            self.stretches.iter().map(|stretch| stretch.summary.sid.clone()).collect();
        self.stretches.extend(
            overview
                .conversations
                .into_iter()
                // One that had a new message meanwhile may be listed a second time.
                .filter(|summary| {
                    let is_new = is_sid("CH", &summary.sid) && !known.contains(&summary.sid);
                    if is_new {
                        known.push(summary.sid.clone());
                    }
                    is_new
                })
                .filter(|summary| summary.source || own != Some(&*summary.sid))
                .map(|summary| Stretch {
                    summary,
                    messages: VecDeque::new(),
                    hidden: false,
                    gone: false,
                    left: Left::All,
                }),
        );
    }

    /// Takes messages of a conversation: how many are new.
    pub fn take_page(&mut self, conversation: &str, page: HistoryPage) -> usize {
        let Some(place) = self.stretches.iter().position(|it| it.summary.sid == conversation) else {
            return 0;
        };
        let above: usize = self.stretches.iter().skip(place + 1).map(Stretch::rows).sum();
        let Some(stretch) = self.stretches.get_mut(place) else { return 0 };
        let first = stretch.left == Left::All;
        // A message that came or went between two pages moves the rest: none is shown twice.
        let oldest = stretch.messages.front().map(|message| message.index);
        let mut new: Vec<HistoryMessage> = page.messages;
        new.retain(|message| oldest.is_none_or(|oldest| message.index < oldest));
        stretch.hidden |= page.hidden;
        stretch.left = Left::after(page.cursor);
        let count = new.len();
        for message in new.into_iter().rev() {
            stretch.messages.push_front(message);
        }
        if first {
            self.list.insert(above, 1);
        }
        self.list.insert(above + 1, count);
        self.messages += count;
        count
    }

    /// A conversation that was listed cannot be read.
    pub fn is_gone(&mut self, conversation: &str) {
        let Some(place) = self.stretches.iter().position(|it| it.summary.sid == conversation) else { return };
        let above: usize = self.stretches.iter().skip(place + 1).map(Stretch::rows).sum();
        let Some(stretch) = self.stretches.get_mut(place) else { return };
        if stretch.left == Left::All {
            self.list.insert(above, 1);
        }
        (stretch.left, stretch.gone) = (Left::Nothing, true);
    }

    /// Whether a conversation is the one that the task names.
    #[must_use]
    pub fn is_source(&self, conversation: &str) -> bool {
        self.stretches.iter().any(|it| it.summary.source && it.summary.sid == conversation)
    }

    /// The conversations that were read, at least in part, the oldest first.
    pub fn stretches(&self) -> impl Iterator<Item = &Stretch> {
        self.stretches.iter().rev().filter(|stretch| stretch.rows() > 0)
    }

    /// A row by its place from the top.
    #[must_use]
    pub fn row(&self, at: usize) -> Option<Row<'_>> {
        let mut left = at;
        for stretch in self.stretches() {
            if left == 0 {
                return Some(Row::Line(stretch));
            }
            if left < stretch.rows() {
                return stretch.messages.get(left - 1).map(Row::Message);
            }
            left -= stretch.rows();
        }
        None
    }

    /// The place of a row by its key.
    #[must_use]
    pub fn place_of(&self, key: &str) -> Option<usize> {
        let mut above = 0;
        for stretch in self.stretches() {
            if stretch.summary.sid == key {
                return Some(above);
            }
            if let Some(place) = stretch.messages.iter().position(|message| message.sid == key) {
                return Some(above + 1 + place);
            }
            above += stretch.rows();
        }
        None
    }

    /// The conversation that a message is of.
    #[must_use]
    pub fn conversation_of(&self, message: &str) -> Option<&str> {
        let has = |stretch: &&Stretch| stretch.messages.iter().any(|known| known.sid == message);
        self.stretches.iter().find(has).map(|stretch| &*stretch.summary.sid)
    }

    /// The oldest messages that were read of a conversation, so many, the newest of them first.
    pub fn oldest(&self, conversation: &str, count: usize) -> impl Iterator<Item = &HistoryMessage> {
        let stretch = self.stretches.iter().find(|stretch| stretch.summary.sid == conversation);
        stretch.into_iter().flat_map(move |stretch| {
            let oldest = stretch.messages.range(..count.min(stretch.messages.len()));
            oldest.rev()
        })
    }

    /// What the reader's eyes are on at a scroll position; `None` for the foot, which is kept when the list grows.
    #[must_use]
    pub fn anchor(&self, scroll_top: f64, viewport: f64) -> Option<Anchor> {
        const FOOT_PX: f64 = 8.0;
        if scroll_top + viewport + FOOT_PX >= self.list.total() {
            return None;
        }
        let place = self.list.row_at(scroll_top);
        #[expect(clippy::cast_possible_truncation, reason = "a distance within one row")]
        let offset = (scroll_top - self.list.top(place)).round() as i32;
        self.row(place).map(|row| Anchor { key: row.key().to_owned(), offset })
    }

    /// Where to scroll so that an anchor is where it was.
    #[must_use]
    pub fn scroll_top(&self, anchor: Option<&Anchor>, viewport: f64) -> f64 {
        let foot = (self.list.total() - viewport).max(0.0);
        anchor
            .and_then(|anchor| Some(self.list.top(self.place_of(&anchor.key)?) + f64::from(anchor.offset)))
            .map_or(foot, |top| top.clamp(0.0, foot))
    }
}

impl Stretch {
    fn rows(&self) -> usize {
        if self.left == Left::All { 0 } else { 1 + self.messages.len() }
    }

    /// Nothing more of it is to be read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.left == Left::Nothing
    }
}

/// A row, and how far above the viewport's upper edge it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// [`Row::key`].
    pub key: String,
    /// In pixels; negative where it begins below that edge.
    pub offset: i32,
}
