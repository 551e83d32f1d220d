//! Makes elements of the [`View`].
//!
//! One value holds the view; each part of the page follows its part of it. Lists are keyed: an element is made when what it is
//! for comes, and kept until it goes, so that a clock that ticks or a person who speaks never touches a picture.

mod before;
mod page;
mod parts;
mod room;
mod tiles;

use std::{cell::RefCell, rc::Rc};

use messages::Language;
use ui::{
    Stage,
    tree::{El, Piece, el, list},
};
use wasm_bindgen::{JsCast as _, closure::Closure};
use web_sys::{HtmlElement, KeyboardEvent};

use page::Page;

use crate::{
    machine::event::Action,
    view::{NoticeKind, Screen, View},
};

/// The page, drawn.
struct Drawing {
    act: Rc<dyn Fn(Action)>,
    stage: RefCell<Option<Stage<View>>>,
}

/// Draws into the element `app`, from the first view on: gives what shows a view. Its elements follow in a microtask. `act` is
/// called in the turn of the event by which a person did something.
#[must_use]
pub fn mount(act: Rc<dyn Fn(Action)>) -> Box<dyn Fn(View)> {
    let drawing = Drawing { act, stage: RefCell::default() };
    Box::new(move |view| drawing.show(view))
}

impl Drawing {
    fn show(&self, view: View) {
        let Some(document) = web_sys::window().and_then(|window| window.document()) else { return };
        let Some(app) = document.get_element_by_id("app").and_then(|app| app.dyn_into::<HtmlElement>().ok())
        else {
            return;
        };
        if document.title() != view.title {
            document.set_title(view.title);
        }
        set(&app, "data-screen", view.screen.name());
        if let Some(html) = document.document_element() {
            set(
                &html,
                "lang",
                match view.language {
                    Language::English => "en",
                    Language::Spanish => "es",
                },
            );
        }
        let mut stage = self.stage.borrow_mut();
        if let Some(stage) = &*stage {
            stage.show(view);
            return;
        }
        // What the HTML said before.
        app.set_text_content(None);
        let act = Rc::clone(&self.act);
        *stage = Some(Stage::new(app, view, move |action| act(action), describe));
        let pressed: Closure<dyn Fn(KeyboardEvent)> = Closure::new(|event| shortcut(&event));
        // Never fails, and stays for as long as the page.
        drop(document.add_event_listener_with_callback("keydown", pressed.as_ref().unchecked_ref()));
        pressed.forget();
        // The button that was tapped is gone: a screen reader goes on with what came in its place.
        if let Some(heading) = document
            .query_selector("[data-rescue]")
            .ok()
            .flatten()
            .and_then(|heading| heading.dyn_into::<HtmlElement>().ok())
        {
            drop(heading.focus());
        }
    }
}

/// Alt+M and Alt+V, by the place of the key: a letter alone would be pressed by who speaks to their computer (WCAG 2.1.4).
fn shortcut(event: &KeyboardEvent) {
    if !event.alt_key() || event.ctrl_key() || event.meta_key() || event.shift_key() || event.repeat() {
        return;
    }
    // As if the button were pressed, which knows whether it may be.
    let action = match event.code().as_str() {
        "KeyM" => "toggle-microphone",
        "KeyV" => "toggle-camera",
        _ => return,
    };
    event.prevent_default();
    let selector = ["[data-action=\"", action, "\"]"].concat();
    if let Some(button) = web_sys::window()
        .and_then(|window| window.document())
        .and_then(|document| document.query_selector(&selector).ok().flatten())
        .and_then(|button| button.dyn_into::<HtmlElement>().ok())
    {
        button.click();
    }
}

fn set(element: &web_sys::Element, name: &str, value: &str) {
    if element.get_attribute(name).as_deref() != Some(value) {
        // Fails only for a name that is no attribute name, and ours are constants.
        drop(element.set_attribute(name, value));
    }
}

fn describe(page: Page) -> Piece {
    el("div", "page")
        .child(list(
            move || vec![page.read(|view| key(&view.screen))],
            move |_| page.peek(|view| screen(&view.screen))(page).done(),
        ))
        .child(parts::notes(page))
        .done()
}

/// The same for as long as it is the same screen.
fn key(screen: &Screen) -> u64 {
    match screen {
        Screen::Busy(_) => 0,
        Screen::Check(_) => 1,
        Screen::Consent(_) => 2,
        Screen::Waiting(_) => 3,
        Screen::Room(_) => 4,
        Screen::Notice(notice) => match notice.kind {
            NoticeKind::Over => 5,
            NoticeKind::Trouble => 6,
            NoticeKind::Elsewhere => 7,
            NoticeKind::InApp => 8,
        },
    }
}

fn screen(screen: &Screen) -> fn(Page) -> El {
    match screen {
        Screen::Busy(_) => before::busy,
        Screen::Check(_) => before::check,
        Screen::Consent(_) => before::consent,
        Screen::Waiting(_) => before::waiting,
        Screen::Room(_) => room::room,
        Screen::Notice(_) => before::notice,
    }
}
