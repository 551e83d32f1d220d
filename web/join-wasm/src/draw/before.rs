//! Everything but the room: what comes before it, and what comes after.

use ui::{
    icon, meter,
    tree::{El, el, when},
};

use super::{
    page::Page,
    parts::{
        CAMERA, MICROPHONE, heading, line, menus, nth, own, press, presses, question_of_consent, sign, text,
        toggle,
    },
};
use crate::view::{Busy, Check, ConsentView, Notice, Screen, View, WaitingView};

fn busy_of(view: &View) -> Option<&Busy> {
    if let Screen::Busy(busy) = &view.screen { Some(busy) } else { None }
}

fn check_of(view: &View) -> Option<&Check> {
    if let Screen::Check(check) = &view.screen { Some(check) } else { None }
}

fn consent_of(view: &View) -> Option<&ConsentView> {
    match &view.screen {
        Screen::Consent(consent) => Some(consent),
        Screen::Check(check) => check.consent.as_ref(),
        _ => None,
    }
}

fn waiting_of(view: &View) -> Option<&WaitingView> {
    if let Screen::Waiting(waiting) = &view.screen { Some(waiting) } else { None }
}

fn notice_of(view: &View) -> Option<&Notice> {
    if let Screen::Notice(notice) = &view.screen { Some(notice) } else { None }
}

fn sheet(class: &'static str) -> El {
    el("main", class)
}

/// Something is under way.
pub(super) fn busy(page: Page) -> El {
    sheet("sheet narrow")
        .child(when(
            move || page.read(|view| busy_of(view).is_some_and(|busy| busy.own.is_some())),
            move || own(page, |view| busy_of(view)?.own.clone()).done(),
        ))
        .child(
            el("div", "under-way")
                .fixed("role", "status")
                .child(el("span", "turning").fixed("aria-hidden", "true"))
                .child(heading(page, |view| Some(busy_of(view)?.heading.to_owned())))
                .child(line(page, "p", "", |view| Some(busy_of(view)?.sentence?.to_owned()))),
        )
        .child(presses(page, "bar", |view| busy_of(view).map_or(&[], |busy| &busy.buttons)))
}

/// What one looks and sounds like.
pub(super) fn check(page: Page) -> El {
    let picture = own(page, |view| check_of(view)?.own.clone())
        .child(line(page, "p", "no-picture", |view| Some(check_of(view)?.no_picture?.to_owned())))
        .child(
            el("div", "on-picture")
                .child(toggle(page, MICROPHONE, "Alt+M", |view| Some(check_of(view)?.microphone.clone())))
                .child(toggle(page, CAMERA, "Alt+V", |view| Some(check_of(view)?.camera.clone()))),
        );
    let level = when(
        move || page.read(|view| check_of(view).is_some_and(|check| check.level.is_some())),
        move || {
            el("div", "level")
                .child(
                    el("span", "name")
                        .live_text(text(page, |view| Some(check_of(view)?.level_label.to_owned()))),
                )
                .child(meter(text(page, |view| Some(check_of(view)?.level_label.to_owned())), move || {
                    page.read(|view| check_of(view)?.level)
                }))
                .done()
        },
    );
    let trouble = when(
        move || page.read(|view| check_of(view).is_some_and(|check| check.trouble.is_some())),
        move || {
            el("div", "trouble")
                .child(sign(icon::WARNING))
                .child(
                    el("div", "")
                        .child(line(page, "p", "strong", |view| {
                            Some(check_of(view)?.trouble.as_ref()?.sentence.to_owned())
                        }))
                        .child(line(page, "p", "", |view| {
                            Some(check_of(view)?.trouble.as_ref()?.help?.to_owned())
                        }))
                        .child(presses(page, "bar", |view| {
                            check_of(view)
                                .and_then(|check| check.trouble.as_ref())
                                .map_or(&[], |it| &it.buttons)
                        })),
                )
                .done()
        },
    );
    sheet("sheet check")
        .child(
            el("header", "").child(heading(page, |view| Some(check_of(view)?.heading.clone()))).child(line(
                page,
                "p",
                "soft",
                |view| Some(check_of(view)?.sentence.to_owned()),
            )),
        )
        .child(picture)
        .child(
            el("div", "side")
                .child(el("div", "alerts").fixed("role", "status").child(trouble))
                .child(level)
                .child(menus(page, |view| check_of(view).map_or(&[], |check| &check.menus)).child(press(
                    page,
                    icon::SPEAKER,
                    |view| check_of(view)?.test_speaker.clone(),
                )))
                .child(when(
                    move || page.read(|view| consent_of(view).is_some()),
                    move || question_of_consent(page, consent_of).done(),
                ))
                .child(el("div", "bar go").child(press(page, "", |view| Some(check_of(view)?.join.clone())))),
        )
}

/// May it be recorded?
pub(super) fn consent(page: Page) -> El {
    sheet("sheet narrow")
        .child(heading(page, |view| Some(view.title.to_owned())))
        .child(question_of_consent(page, consent_of))
}

/// Somebody has to let us in.
pub(super) fn waiting(page: Page) -> El {
    sheet("sheet narrow")
        .child(when(
            move || page.read(|view| waiting_of(view).is_some_and(|waiting| waiting.own.is_some())),
            move || own(page, |view| waiting_of(view)?.own.clone()).done(),
        ))
        .child(
            el("div", "under-way")
                .fixed("role", "status")
                .child(el("span", "turning").fixed("aria-hidden", "true"))
                .child(heading(page, |view| Some(waiting_of(view)?.heading.to_owned())))
                .child(line(page, "p", "", |view| Some(waiting_of(view)?.sentence.to_owned())))
                .child(line(page, "p", "strong", |view| Some(waiting_of(view)?.trouble?.to_owned()))),
        )
        .child(el("div", "bar").child(press(page, "", |view| Some(waiting_of(view)?.leave.clone()))))
}

/// An end, a trouble, or another place where it goes on.
pub(super) fn notice(page: Page) -> El {
    let how_many =
        move || page.read(|view| notice_of(view).map_or(0, |notice| notice.sentences.len() as u64));
    sheet("sheet narrow notice")
        .child(
            el("div", "")
                .fixed("role", "alert")
                .child(heading(page, |view| Some(notice_of(view)?.heading.to_owned())))
                .child(ui::tree::list(
                    move || (0..how_many()).collect(),
                    move |at| {
                        el("p", "")
                            .live_text(text(page, move |view| nth(&notice_of(view)?.sentences, at).cloned()))
                            .done()
                    },
                )),
        )
        .child(presses(page, "bar", |view| notice_of(view).map_or(&[], |notice| &notice.buttons)))
}
