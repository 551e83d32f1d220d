//! What all parts of the page are described with.

use crate::{
    machine::event::Action,
    view::{Room, Screen, View},
};

/// The view that is followed, and who is told what a person did.
pub(super) type Page = ui::Page<View, Action>;

/// The room, while it is what fills the page.
pub(super) fn room_of(view: &View) -> Option<&Room> {
    if let Screen::Room(room) = &view.screen { Some(room) } else { None }
}
