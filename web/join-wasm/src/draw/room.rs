//! The room: pictures above, controls below.

use ui::{
    ButtonState, button, clock, dialog, icon,
    tree::{El, Piece, el, list, when},
};

use super::{
    page::{Page, room_of},
    parts::{CAMERA, MICROPHONE, SHARE, heading, line, menus, nth, press, sign, text, toggle},
    tiles,
};

pub(super) fn room(page: Page) -> El {
    el("main", "room dark")
        .child(top(page))
        .child(tiles::people(page))
        .child(
            el("div", "stage")
                .child(tiles::tiles(page))
                .child(line(page, "p", "alone", |view| Some(room_of(view)?.alone?.to_owned())))
                .child(tiles::own(page)),
        )
        .child(controls(page))
        .child(question(page))
}

fn top(page: Page) -> El {
    let bar = el("header", "top")
        .child(heading(page, |view| Some(view.title.to_owned())))
        .child(when(
            move || page.read(|view| room_of(view).is_some_and(|room| room.recording.is_some())),
            move || {
                el("p", "recording")
                    .fixed("role", "status")
                    .flag("data-on", move || {
                        page.read(|view| {
                            room_of(view).and_then(|room| room.recording.as_ref()).is_some_and(|it| it.on)
                        })
                    })
                    .live_text(text(page, |view| Some(room_of(view)?.recording.as_ref()?.words.to_owned())))
                    .done()
            },
        ))
        .child(when(
            move || page.read(|view| room_of(view).is_some_and(|room| room.seconds.is_some())),
            move || {
                el("p", "clock")
                    .fixed("role", "timer")
                    .live("aria-label", move || {
                        page.read(|view| Some(room_of(view)?.seconds_label.to_owned()))
                    })
                    .live_text(text(page, |view| room_of(view)?.seconds.map(clock::written)))
                    .done()
            },
        ));
    el("div", "above").child(bar).child(banners(page)).child(knocks(page))
}

fn banners(page: Page) -> Piece {
    el("div", "banners")
        .fixed("role", "status")
        .child(list(
            move || page.read(|view| room_of(view).map_or_else(Vec::new, |room| places(room.banners.len()))),
            move |at| {
                el("div", "banner")
                    .flag("data-urgent", move || {
                        page.read(|view| {
                            room_of(view).and_then(|room| nth(&room.banners, at)).is_some_and(|it| it.urgent)
                        })
                    })
                    .child(sign(icon::INFORMATION))
                    .child(line(page, "p", "", move |view| {
                        Some(nth(&room_of(view)?.banners, at)?.sentence.to_owned())
                    }))
                    .child(press(page, "", move |view| nth(&room_of(view)?.banners, at)?.button.clone()))
                    .done()
            },
        ))
        .done()
}

fn knocks(page: Page) -> Piece {
    el("div", "banners")
        .fixed("role", "alert")
        .child(list(
            move || page.read(|view| room_of(view).map_or_else(Vec::new, |room| places(room.waiting.len()))),
            move |at| {
                el("div", "banner knock")
                    .child(sign(icon::PERSON))
                    .child(line(page, "p", "", move |view| {
                        Some(nth(&room_of(view)?.waiting, at)?.sentence.to_owned())
                    }))
                    .child(press(page, "", move |view| {
                        Some(nth(&room_of(view)?.waiting, at)?.refuse.clone())
                    }))
                    .child(press(page, "", move |view| Some(nth(&room_of(view)?.waiting, at)?.admit.clone())))
                    .done()
            },
        ))
        .done()
}

fn places(how_many: usize) -> Vec<u64> {
    (0..how_many as u64).collect()
}

fn controls(page: Page) -> El {
    el("div", "controls")
        .child(toggle(page, MICROPHONE, "Alt+M", |view| Some(room_of(view)?.microphone.clone())))
        .child(toggle(page, CAMERA, "Alt+V", |view| Some(room_of(view)?.camera.clone())))
        .child(press(page, icon::FLIP, |view| room_of(view)?.flip.clone()))
        .child(toggle(page, SHARE, "", |view| room_of(view)?.share.clone()))
        .child(when(
            move || page.read(|view| room_of(view).is_some_and(|room| !room.menus.is_empty())),
            move || devices(page).done(),
        ))
        .child(press(page, icon::HANG_UP, |view| Some(room_of(view)?.leave.clone())))
        .child(press(page, icon::END, |view| room_of(view)?.end.clone()))
}

/// The lists of devices, in a panel above their button: the browser's own popover, which Escape and a tap elsewhere close.
fn devices(page: Page) -> El {
    el("div", "devices")
        .child(
            button(
                move || ButtonState {
                    label: page.read(|view| room_of(view).map_or("", |room| room.menus_label).to_owned()),
                    icon: icon::SETTINGS,
                    tone: "round",
                    action: "devices",
                    enabled: true,
                    busy: false,
                },
                || {},
            )
            .fixed("popovertarget", "devices"),
        )
        .child(
            menus(page, |view| room_of(view).map_or(&[], |room| &room.menus))
                .fixed("id", "devices")
                .fixed("popover", "auto")
                .fixed("role", "group")
                .live("aria-label", move || page.read(|view| Some(room_of(view)?.menus_label.to_owned()))),
        )
}

fn question(page: Page) -> Piece {
    when(
        move || page.read(|view| room_of(view).is_some_and(|room| room.question.is_some())),
        move || {
            dialog("question", "ask-end", move || {
                if let Some(no) = page.peek(|view| Some(room_of(view)?.question.as_ref()?.no.action.clone()))
                {
                    page.act(no);
                }
            })
            .child(
                el("h2", "")
                    .fixed("id", "question")
                    .live_text(text(page, |view| Some(room_of(view)?.question.as_ref()?.heading.to_owned()))),
            )
            .child(line(page, "p", "", |view| Some(room_of(view)?.question.as_ref()?.sentence.to_owned())))
            .child(
                el("div", "bar")
                    .child(press(page, "", |view| Some(room_of(view)?.question.as_ref()?.no.clone())))
                    .child(press(page, "", |view| Some(room_of(view)?.question.as_ref()?.yes.clone()))),
            )
            .done()
        },
    )
}
