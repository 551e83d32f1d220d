//! What several screens are made of.

use std::sync::Arc;

use ui::{
    ButtonState, Choices, button, choice, icon, picture,
    tree::{El, Piece, drawing, el, list, when},
};

use super::page::Page;
use crate::{
    machine::{
        event::Action,
        track::{DeviceKind, TrackId},
    },
    view::{Button, ConsentView, Menu, Note, Toggle, Tone, Video, View},
};

/// Something of the view that is read again and again.
pub(super) type Read<T> = Arc<dyn Fn(&View) -> Option<T> + Send + Sync>;

/// A text that follows the view; empty while it has none.
pub(super) fn text(
    page: Page,
    mut read: impl FnMut(&View) -> Option<String> + Send + 'static,
) -> impl FnMut() -> String + Send + 'static {
    move || page.read(|view| read(view)).unwrap_or_default()
}

/// An element with text, there while there is one.
pub(super) fn line(
    page: Page,
    tag: &'static str,
    class: &'static str,
    read: impl Fn(&View) -> Option<String> + Send + Sync + 'static,
) -> Piece {
    let read: Read<String> = Arc::new(read);
    let is = Arc::clone(&read);
    when(
        move || page.read(|view| is(view)).is_some(),
        move || {
            let read = Arc::clone(&read);
            el(tag, class).live_text(text(page, move |view| read(view))).done()
        },
    )
}

/// The heading of a screen: what the focus falls back to.
pub(super) fn heading(page: Page, read: impl FnMut(&View) -> Option<String> + Send + 'static) -> El {
    el("h1", "").fixed("tabindex", "-1").fixed("data-rescue", "").live_text(text(page, read))
}

/// A button of the view; nothing while the view has none. What it does is looked up when it is pressed.
pub(super) fn press(
    page: Page,
    icon: &'static str,
    read: impl Fn(&View) -> Option<Button> + Send + Sync + 'static,
) -> Piece {
    let read: Read<Button> = Arc::new(read);
    let is = Arc::clone(&read);
    when(
        move || page.read(|view| is(view)).is_some(),
        move || {
            let (state, pressed) = (Arc::clone(&read), Arc::clone(&read));
            button(
                move || page.read(|view| state(view)).map(|button| shown(button, icon)).unwrap_or_default(),
                move || {
                    if let Some(button) = page.peek(|view| pressed(view)) {
                        page.act(button.action);
                    }
                },
            )
            .done()
        },
    )
}

/// Several buttons.
pub(super) fn presses(
    page: Page,
    class: &'static str,
    read: impl Fn(&View) -> &[Button] + Send + Sync + Copy + 'static,
) -> El {
    el("div", class).child(list(
        move || page.read(|view| (0..read(view).len() as u64).collect()),
        move |at| press(page, "", move |view| nth(read(view), at).cloned()),
    ))
}

/// The entry with this place.
pub(super) fn nth<T>(of: &[T], at: u64) -> Option<&T> {
    of.get(usize::try_from(at).ok()?)
}

fn shown(button: Button, icon: &'static str) -> ButtonState {
    ButtonState {
        label: button.label.to_owned(),
        icon,
        tone: match button.tone {
            Tone::Primary => "primary",
            Tone::Plain => "plain",
            Tone::Danger => "danger",
        },
        action: name(&button.action),
        enabled: button.enabled,
        busy: button.busy,
    }
}

/// Microphone, camera or screen: on or off. Its label says what pressing it does, so it is no `aria-pressed` button.
pub(super) fn toggle(
    page: Page,
    icons: [&'static str; 2],
    keys: &'static str,
    read: impl Fn(&View) -> Option<Toggle> + Send + Sync + 'static,
) -> Piece {
    let read: Read<Toggle> = Arc::new(read);
    let is = Arc::clone(&read);
    when(
        move || page.read(|view| is(view)).is_some(),
        move || {
            let [state, pressed, on, note] = std::array::from_fn(|_| Arc::clone(&read));
            let button = button(
                move || page.read(|view| state(view)).map(|it| toggled(&it, icons)).unwrap_or_default(),
                move || {
                    if let Some(toggle) = page.peek(|view| pressed(view)) {
                        page.act(toggle.action);
                    }
                },
            )
            .flag("data-on", move || page.read(|view| on(view)).is_some_and(|toggle| toggle.on));
            let button = if keys.is_empty() {
                button
            } else {
                button
                    .fixed("aria-keyshortcuts", keys)
                    .child(el("kbd", "").fixed("aria-hidden", "true").text(keys))
            };
            el("div", "toggle")
                .child(button)
                .child(line(page, "p", "note", move |view| Some(note(view)?.note?.to_owned())))
                .done()
        },
    )
}

fn toggled(toggle: &Toggle, [on, off]: [&'static str; 2]) -> ButtonState {
    ButtonState {
        label: toggle.label.to_owned(),
        icon: if toggle.on { on } else { off },
        tone: "round",
        action: name(&toggle.action),
        enabled: toggle.enabled,
        busy: toggle.busy,
    }
}

/// The drawings of microphone and camera, on and off.
pub(super) const MICROPHONE: [&str; 2] = [icon::MICROPHONE, icon::MICROPHONE_OFF];
/// As [`MICROPHONE`].
pub(super) const CAMERA: [&str; 2] = [icon::CAMERA, icon::CAMERA_OFF];
/// As [`MICROPHONE`].
pub(super) const SHARE: [&str; 2] = [icon::SHARE_OFF, icon::SHARE];

/// A picture, made anew when it is of another track.
pub(super) fn video(page: Page, read: impl Fn(&View) -> Option<Video> + Send + Sync + 'static) -> Piece {
    let read: Read<Video> = Arc::new(read);
    let which = Arc::clone(&read);
    list(
        move || page.read(|view| which(view)).map(|video| u64::from(video.track.0)).into_iter().collect(),
        move |track| {
            let read = Arc::clone(&read);
            let id = u32::try_from(track).map(|track| TrackId(track).element()).unwrap_or_default();
            picture(id)
                .flag("data-mirrored", move || {
                    page.read(|view| read(view)).is_some_and(|video| video.mirrored)
                })
                .done()
        },
    )
}

/// Our own picture by itself, before the room; a place for it while there is none.
pub(super) fn own(page: Page, read: impl Fn(&View) -> Option<Video> + Send + Sync + 'static) -> El {
    el("div", "own-picture").child(video(page, read))
}

/// Cameras, microphones and speakers.
pub(super) fn menus(page: Page, read: impl Fn(&View) -> &[Menu] + Send + Sync + Copy + 'static) -> El {
    el("div", "menus").child(list(
        move || page.read(|view| read(view).iter().map(|menu| device(menu.kind)).collect()),
        move |kind| {
            let menu = move |view: &View| read(view).iter().find(|menu| device(menu.kind) == kind).cloned();
            choice(
                text(page, move |view| Some(menu(view)?.label.to_owned())),
                move || {
                    let menu = page.read(menu);
                    menu.map(|menu| Choices {
                        names: menu.options.into_iter().map(|(_, name)| name).collect(),
                        chosen: menu.chosen,
                    })
                    .unwrap_or_default()
                },
                move |at| {
                    let chosen = page
                        .peek(menu)
                        .and_then(|menu| Some((menu.kind, menu.options.into_iter().nth(at)?.0)));
                    if let Some((kind, id)) = chosen {
                        page.act(Action::Choose(kind, id));
                    }
                },
            )
            .done()
        },
    ))
}

const fn device(kind: DeviceKind) -> u64 {
    match kind {
        DeviceKind::Camera => 0,
        DeviceKind::Microphone => 1,
        DeviceKind::Speaker => 2,
    }
}

/// The question whether it may be recorded, with two answers of equal weight.
pub(super) fn question_of_consent(
    page: Page,
    read: impl Fn(&View) -> Option<&ConsentView> + Send + Sync + Copy + 'static,
) -> El {
    let answer = move |yes: bool| {
        button(
            move || {
                page.read(|view| {
                    read(view).map(|consent| ButtonState {
                        label: if yes { consent.yes } else { consent.no }.to_owned(),
                        icon: "",
                        tone: "plain",
                        action: if yes { "consent-yes" } else { "consent-no" },
                        enabled: true,
                        busy: false,
                    })
                })
                .unwrap_or_default()
            },
            move || page.act(Action::Consent(yes)),
        )
        .flag("aria-pressed", move || {
            page.read(|view| read(view).and_then(|consent| consent.answer)) == Some(yes)
        })
    };
    el("div", "consent")
        .fixed("role", "group")
        .fixed("aria-labelledby", "consent-question")
        .fixed("aria-describedby", "consent-help")
        .child(
            el("p", "question")
                .fixed("id", "consent-question")
                .live_text(text(page, move |view| Some(read(view)?.question.to_owned()))),
        )
        .child(
            el("p", "help")
                .fixed("id", "consent-help")
                .live_text(text(page, move |view| Some(read(view)?.help.to_owned()))),
        )
        .child(el("div", "bar").child(answer(true)).child(answer(false)))
}

/// What happened. A screen reader says what is added to these, once; they are there before the first.
pub(super) fn notes(page: Page) -> El {
    let region = move |role: &'static str, urgent: bool| {
        el("div", "notes").fixed("role", role).child(list(
            move || {
                page.read(|view| {
                    view.notes.iter().filter(|note| note.urgent == urgent).map(|note| note.number).collect()
                })
            },
            move |number| {
                let of = move |view: &View| view.notes.iter().find(|note| note.number == number).cloned();
                let class = move |note: Option<Note>| {
                    if note.is_some_and(|note| note.drawn) { "note-drawn" } else { "unseen" }.to_owned()
                };
                el("p", "")
                    .live("class", move || Some(class(page.read(of))))
                    .live_text(text(page, move |view| Some(of(view)?.text)))
                    .done()
            },
        ))
    };
    el("div", "announcements").child(region("status", false)).child(region("alert", true))
}

/// A drawing beside words.
pub(super) fn sign(path: &'static str) -> Piece {
    el("span", "sign").child(drawing(move || path)).done()
}

/// For `data-action`.
pub(super) const fn name(action: &Action) -> &'static str {
    match action {
        Action::Join => "join",
        Action::Retry => "retry",
        Action::AskAgain => "ask-again",
        Action::SoundOnly => "sound-only",
        Action::WatchOnly => "watch-only",
        Action::Consent(true) => "consent-yes",
        Action::Consent(false) => "consent-no",
        Action::ToggleCamera => "toggle-camera",
        Action::ToggleMicrophone => "toggle-microphone",
        Action::Choose(..) => "choose",
        Action::Flip => "flip",
        Action::ToggleShare => "toggle-share",
        Action::TestSpeaker => "test-speaker",
        Action::Leave => "leave",
        Action::AskEnd => "ask-end",
        Action::End => "end",
        Action::Cancel => "cancel",
        Action::Admit(_) => "admit",
        Action::Refuse(_) => "refuse",
        Action::UseHere => "use-here",
        Action::CopyLink => "copy-link",
        Action::Hear => "hear",
        Action::CallIsOver => "call-is-over",
        Action::Dismiss(_) => "dismiss",
        Action::CloseWindow => "close-window",
    }
}
