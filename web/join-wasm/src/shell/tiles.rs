//! Puts pictures on the elements that the drawing makes for them, whenever it makes them.

use std::cell::RefCell;

use video_sdk::{LocalTrack, RemoteTrack};
use wasm_bindgen::prelude::*;
use web_sys::{Document, Element, HtmlVideoElement};

use crate::machine::track::TrackId;

/// What the drawing's elements for pictures are called, before their number.
const NAME: &str = "tile-";

/// A picture.
#[derive(Clone, PartialEq)]
pub(super) enum Picture {
    /// Of our camera or screen.
    Own(LocalTrack),
    /// That we receive.
    Theirs(RemoteTrack),
}

impl Picture {
    fn attach(&self, element: &HtmlVideoElement) {
        let attached = match self {
            Self::Own(track) => track.attach(element),
            Self::Theirs(track) => track.attach(element),
        };
        if attached.is_err() {
            webext::console_warn("a picture could not be shown");
        }
    }

    fn detach(&self, element: &HtmlVideoElement) {
        match self {
            Self::Own(track) => track.detach(element),
            Self::Theirs(track) => track.detach(element),
        }
    }
}

/// Which picture is on which element.
#[derive(Default)]
pub(super) struct Tiles {
    shown: RefCell<Vec<(HtmlVideoElement, Picture)>>,
}

impl Tiles {
    /// Attaches what is to be seen and is not yet, and detaches what is no longer.
    pub(super) fn settle(&self, document: &Document, picture_of: impl Fn(TrackId) -> Option<Picture>) {
        let wanted: Vec<(HtmlVideoElement, Picture)> =
            elements(document).filter_map(|(element, id)| Some((element, picture_of(id)?))).collect();
        let before = self.shown.replace(wanted.clone());
        for (element, picture) in before.iter().filter(|one| !wanted.contains(one)) {
            picture.detach(element);
        }
        for (element, picture) in wanted.iter().filter(|one| !before.contains(one)) {
            picture.attach(element);
        }
    }
}

fn elements(document: &Document) -> impl Iterator<Item = (HtmlVideoElement, TrackId)> + use<> {
    let all = document.get_elements_by_tag_name("video");
    let all: Vec<Element> = (0..all.length()).filter_map(|index| all.item(index)).collect();
    all.into_iter().filter_map(|element| {
        let id = element.id().strip_prefix(NAME)?.parse().ok()?;
        Some((element.unchecked_into(), TrackId(id)))
    })
}
