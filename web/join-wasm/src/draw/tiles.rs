//! People and their pictures.

use ui::{
    icon,
    tree::{El, Piece, el, list, when},
};

use super::{
    page::{Page, room_of},
    parts::{line, sign, text, video},
};
use crate::view::{PersonView, Presence, QualityWord, Tile, TileKey, View};

/// Reads one tile.
type ReadTile = fn(&View, u64) -> Option<&Tile>;

fn key(tile: &Tile) -> u64 {
    match tile.key {
        TileKey::Person(person) => u64::from(person) * 2,
        TileKey::Screen(person) => u64::from(person) * 2 + 1,
    }
}

/// Everybody else's pictures. They stand in the page in an order that never changes, since a picture that is moved goes dark for a
/// moment; where each is seen is said by `data-large`.
pub(super) fn tiles(page: Page) -> El {
    el("div", "tiles")
        .live("data-count", move || page.read(|view| Some(room_of(view)?.tiles.len().to_string())))
        .flag("data-has-large", move || {
            page.read(|view| room_of(view).is_some_and(|room| room.tiles.iter().any(|tile| tile.large)))
        })
        .child(list(
            move || {
                let mut keys: Vec<u64> = page.read(|view| {
                    room_of(view).map_or_else(Vec::new, |room| room.tiles.iter().map(key).collect())
                });
                keys.sort_unstable();
                keys
            },
            move |at| {
                let read: ReadTile = |view, at| room_of(view)?.tiles.iter().find(|tile| key(tile) == at);
                tile(page, at, read).done()
            },
        ))
}

/// Our own picture, small.
pub(super) fn own(page: Page) -> El {
    tile(page, 0, |view, _| Some(&room_of(view)?.own)).fixed("id", "own")
}

fn person(view: &View, read: ReadTile, at: u64) -> Option<&PersonView> {
    let tile = read(view, at)?;
    room_of(view)?.people.iter().find(|person| person.key == tile.person)
}

fn tile(page: Page, at: u64, read: ReadTile) -> El {
    let of = move |view: &View| read(view, at).cloned();
    let flag = move |is: fn(&Tile) -> bool| move || page.read(|view| read(view, at).is_some_and(is));
    let who =
        move |is: fn(&PersonView) -> bool| move || page.read(|view| person(view, read, at).is_some_and(is));
    let presence = move || {
        page.read(|view| {
            person(view, read, at).map(|person| {
                match person.presence {
                    Presence::Here => "here",
                    Presence::Lost => "lost",
                    Presence::Gone => "gone",
                    Presence::Left => "left",
                }
                .to_owned()
            })
        })
    };
    el("div", "tile")
        .live("data-tile", move || page.read(|view| person(view, read, at).map(|person| person.name.clone())))
        .flag("data-large", flag(|tile| tile.large))
        .flag("data-screen-share", flag(|tile| tile.screen))
        .flag("data-picture", flag(|tile| tile.video.is_some()))
        .flag("data-speaking", who(|person| person.speaking))
        .live("data-presence", presence)
        .child(el("span", "face").child(sign(icon::PERSON)))
        .child(video(page, move |view| of(view)?.video))
        .child(line(page, "p", "caption", move |view| Some(read(view, at)?.caption?.to_owned())))
        .child(
            el("p", "label")
                .child(when(who(|person| !person.microphone && person.presence == Presence::Here), || {
                    sign(icon::MICROPHONE_OFF)
                }))
                .child(
                    el("span", "name").live_text(text(page, move |view| Some(read(view, at)?.label.clone()))),
                )
                .child(quality(page, at, read)),
        )
}

/// In words where it is not good.
fn quality(page: Page, at: u64, read: ReadTile) -> Piece {
    line(page, "span", "quality", move |view| {
        let person = person(view, read, at)?;
        match person.quality? {
            QualityWord::Good => None,
            QualityWord::Fair | QualityWord::Poor | QualityWord::Broken => {
                Some(person.quality_words?.to_owned())
            }
        }
    })
}

/// Everybody in words, for who does not see the pictures.
pub(super) fn people(page: Page) -> El {
    el("ul", "unseen").fixed("id", "people").child(list(
        move || {
            page.read(|view| {
                room_of(view).map_or_else(Vec::new, |room| {
                    room.people.iter().map(|person| u64::from(person.key)).collect()
                })
            })
        },
        move |key| {
            el("li", "")
                .live_text(text(page, move |view| {
                    let people = &room_of(view)?.people;
                    people.iter().find(|it| u64::from(it.key) == key).map(|it| it.described.clone())
                }))
                .done()
        },
    ))
}
