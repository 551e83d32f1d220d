//! The tab's body: tools, the scrolling messages of which only what is near the viewport is drawn, and what is said about them.

use std::cell::{Cell, Ref, RefCell};
use std::ops::Range;
use std::rc::{Rc, Weak};

use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlElement, ResizeObserver};

use super::formats::Formats;
use super::paper::media_of;
use super::row::Brush;
use crate::chat_history::machine::pieces::is_picture;
use crate::chat_history::machine::timeline::Row;
use crate::chat_history::machine::view::{self, TabView};
use crate::chat_history::machine::{Act, Chat, Machine, MediaRef};
use crate::draw::{Theme, element, style, unseen};
use crate::flex::{at, object, text};
use crate::outcome::warn_on_error;
use crate::words::{Text, Words};

/// Before the first drawing nobody knows how high the tab is.
const VIEWPORT_PX: f64 = 600.0;

/// The begin of what was read is near: the next page is read before the reader is there.
const NEAR_PX: f64 = 800.0;

/// The reader has stopped scrolling when nothing has moved for this long.
const STANDS_MS: i32 = 150;

/// What the tab needs of the rest.
pub trait Host {
    /// What is known.
    fn machine(&self) -> Ref<'_, Machine>;
    /// The agent did something.
    fn act(self: Rc<Self>, task: &str, act: Act);
    /// Everything is to be drawn again.
    fn redraw(&self);
    /// How moments are said.
    fn formats(&self) -> &Formats;
    /// The tab itself.
    fn tab(&self) -> &Tab;
}

/// The tab of the task that the agent looks at.
pub struct Tab {
    task: RefCell<String>,
    region: RefCell<Option<HtmlElement>>,
    observer: Option<ResizeObserver>,
    /// Width and height of the region when it was last looked at.
    size: Cell<(f64, f64)>,
    /// Where we have scrolled to ourselves.
    scrolled_to: Cell<f64>,
    /// The timer of the reader's scrolling, which is over when it rings.
    scrolling: Cell<Option<i32>>,
    /// How far the rows are moved up meanwhile: to scroll under the reader's fingers would end what the browser is at.
    shift: Cell<f64>,
    drawn: RefCell<Range<usize>>,
    seen: RefCell<Vec<MediaRef>>,
    handlers: Handlers,
}

/// What the tab's parts do. Made once: React then sees the same functions at every drawing.
#[derive(Default)]
struct Handlers {
    region: JsValue,
    scroll: JsValue,
    scrolled: JsValue,
    jump: JsValue,
    search: JsValue,
    key: JsValue,
    older: JsValue,
    newer: JsValue,
    load_all: JsValue,
    stop: JsValue,
    copy: JsValue,
    print: JsValue,
    retry: JsValue,
    download: JsValue,
    loaded: JsValue,
    broken: JsValue,
}

impl Tab {
    pub fn new(host: Weak<dyn Host>) -> Self {
        let on = |handler: fn(&Rc<dyn Host>, JsValue)| {
            let host = Weak::clone(&host);
            Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
                if let Some(host) = host.upgrade() {
                    handler(&host, event);
                }
            })
            .into_js_value()
        };
        let acts = |to_act: fn(&JsValue) -> Option<Act>| {
            let host = Weak::clone(&host);
            Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
                if let Some((host, act)) = host.upgrade().zip(to_act(&event)) {
                    let task = host.tab().task.borrow().clone();
                    host.act(&task, act);
                }
            })
            .into_js_value()
        };
        let resized = on(|host, _| host.tab().resized(host));
        let handlers = Handlers {
            region: on(|host, element| host.tab().mounted(element)),
            scroll: on(|host, _| host.tab().scrolled(host)),
            scrolled: on(|host, _| host.tab().stands(host)),
            jump: on(|host, event| host.tab().jump(host, &event)),
            search: acts(|event| text(event, &["target", "value"]).map(Act::Search)),
            key: acts(|event| match text(event, &["key"])?.as_str() {
                "Enter" => Some(Act::Step { older: !at(event, &["shiftKey"]).is_truthy() }),
                "Escape" => Some(Act::Search(String::new())),
                _ => None,
            }),
            older: acts(|_| Some(Act::Step { older: true })),
            newer: acts(|_| Some(Act::Step { older: false })),
            load_all: acts(|_| Some(Act::LoadAll)),
            stop: acts(|_| Some(Act::Stop)),
            copy: acts(|_| Some(Act::Copy)),
            print: acts(|_| Some(Act::Print)),
            retry: acts(|_| Some(Act::Retry)),
            download: acts(|event| media_of(event).map(Act::Download)),
            loaded: on(|host, _| host.redraw()),
            broken: acts(|event| media_of(event).map(Act::PictureBroken)),
        };
        Self {
            observer: ResizeObserver::new(resized.unchecked_ref()).ok(),
            task: RefCell::default(),
            region: RefCell::default(),
            size: Cell::default(),
            scrolled_to: Cell::new(f64::NAN),
            scrolling: Cell::default(),
            shift: Cell::default(),
            drawn: RefCell::default(),
            seen: RefCell::default(),
            handlers,
        }
    }

    fn mounted(&self, element: JsValue) {
        let element = element.dyn_into::<HtmlElement>().ok();
        if let Some(observer) = &self.observer {
            observer.disconnect();
            if let Some(element) = &element {
                observer.observe(element);
            }
        }
        self.scrolled_to.set(f64::NAN);
        self.scrolling.set(None);
        self.region.replace(element);
    }

    fn region(&self) -> Option<HtmlElement> {
        self.region.borrow().clone().filter(|region| region.client_height() > 0)
    }

    fn viewport(&self) -> f64 {
        self.region().map_or(VIEWPORT_PX, |region| f64::from(region.client_height()))
    }

    /// The region is larger or smaller than it was, or has come into sight.
    fn resized(&self, host: &Rc<dyn Host>) {
        let Some(region) = self.region() else { return };
        let size = (f64::from(region.client_width()), f64::from(region.client_height()));
        let before = self.size.replace(size);
        if before == size {
            return;
        }
        let is_other_width = before.0 > 0.0 && (before.0 - size.0).abs() > 0.5;
        if is_other_width {
            let task = self.task.borrow().clone();
            Rc::clone(host).act(&task, Act::Resized);
        } else {
            host.redraw();
        }
    }

    fn scrolled(&self, host: &Rc<dyn Host>) {
        let Some(region) = self.region() else { return };
        let top = f64::from(region.scroll_top());
        // Our own scrolling is the reader's place already.
        let is_ours = self.scrolling.get().is_none() && (top - self.scrolled_to.get()).abs() < 1.5;
        let place = top + self.shift.get();
        let task = self.task.borrow().clone();
        if !is_ours {
            self.scrolled_to.set(f64::NAN);
            self.scrolls();
            let chat = |chat: &Chat| chat.timeline().anchor(place, self.viewport());
            let anchor = host.machine().chat(&task).map(chat);
            if let Some(anchor) = anchor {
                Rc::clone(host).act(&task, Act::Scrolled(anchor));
            }
        }
        let chat = |chat: &Chat| chat.timeline().list().window(place, self.viewport());
        let window = host.machine().chat(&task).map(chat);
        if window.is_some_and(|window| window != *self.drawn.borrow()) {
            host.redraw();
        }
        self.look_for_begin(host, &task, place);
    }

    /// The reader scrolls, until nothing has moved for a moment.
    fn scrolls(&self) {
        let Some(window) = web_sys::window() else { return };
        if let Some(timer) = self.scrolling.get() {
            window.clear_timeout_with_handle(timer);
        }
        let rings = self.handlers.scrolled.unchecked_ref();
        let timer = window.set_timeout_with_callback_and_timeout_and_arguments_0(rings, STANDS_MS);
        self.scrolling.set(timer.ok());
    }

    /// The reader's scrolling is over: what was moved instead of scrolled is made good.
    fn stands(&self, host: &Rc<dyn Host>) {
        self.scrolling.set(None);
        self.was_drawn(host);
    }

    /// *Home* and *End* go to the first and the last of what was read, however high the rows between turn out to be.
    fn jump(&self, host: &Rc<dyn Host>, event: &JsValue) {
        let to_begin = match text(event, &["key"]).as_deref() {
            Some("Home") => true,
            Some("End") => false,
            _ => return,
        };
        if let Some(prevent) = at(event, &["preventDefault"]).dyn_ref::<Function>() {
            warn_on_error(prevent.call0(event));
        }
        self.scrolling.set(None);
        let task = self.task.borrow().clone();
        Rc::clone(host).act(&task, Act::Jump { to_begin });
    }

    fn look_for_begin(&self, host: &Rc<dyn Host>, task: &str, top: f64) {
        if top < NEAR_PX {
            Rc::clone(host).act(task, Act::NearBegin);
        }
    }

    /// React has drawn: heights are measured, and the reader's row is put where it was. The browser has not painted yet.
    pub fn was_drawn(&self, host: &Rc<dyn Host>) {
        let Some(region) = self.region() else { return };
        let task = self.task.borrow().clone();
        let measured = {
            let machine = host.machine();
            let Some(chat) = machine.chat(&task) else { return };
            Act::Measured { version: chat.version(), heights: heights(&region) }
        };
        Rc::clone(host).act(&task, measured);
        let (wanted, pictures) = {
            let machine = host.machine();
            let Some(chat) = machine.chat(&task) else { return };
            let top = chat.timeline().scroll_top(chat.anchor(), self.viewport());
            (top, pictures(chat, &self.drawn.borrow()))
        };
        self.put(&region, wanted);
        if *self.seen.borrow() != pictures {
            self.seen.replace(pictures.clone());
            Rc::clone(host).act(&task, Act::Pictures(pictures));
        }
        self.look_for_begin(host, &task, wanted);
    }

    /// Brings a place of the list to the viewport's upper edge: by scrolling, or while the reader does that by moving the rows.
    fn put(&self, region: &HtmlElement, place: f64) {
        let top = f64::from(region.scroll_top());
        let shift = if self.scrolling.get().is_some() { place - top } else { 0.0 };
        if (shift - self.shift.get()).abs() > 1.0 || shift == 0.0 {
            self.shift.set(shift);
            let rows = region.first_element_child().and_then(|rows| rows.dyn_into::<HtmlElement>().ok());
            if let Some(rows) = rows {
                #[expect(clippy::cast_possible_truncation, reason = "pixels of a page")]
                let moved = format!("translateY({}px)", -shift.round() as i32);
                warn_on_error(rows.style().set_property("transform", &moved));
            }
        }
        if self.scrolling.get().is_none() && (top - place).abs() > 1.0 {
            #[expect(clippy::cast_possible_truncation, reason = "pixels of a page")]
            region.set_scroll_top(place.round() as i32);
            self.scrolled_to.set(f64::from(region.scroll_top()));
        }
    }

    pub fn draw(host: &Rc<dyn Host>, props: &JsValue) -> Result<JsValue, JsValue> {
        let this = host.tab();
        let Some(task) = text(props, &["task", "taskSid"]) else { return Ok(JsValue::NULL) };
        if *this.task.borrow() != task {
            this.task.replace(task.clone());
            this.seen.take();
            this.scrolled_to.set(f64::NAN);
            this.scrolling.set(None);
        }
        let machine = host.machine();
        let Some(chat) = machine.chat(&task) else { return Ok(JsValue::NULL) };
        let words = machine.words();
        let theme = Theme::of(props);
        let view = view::tab(chat, words);
        let mut parts = vec![this.tools(&task, chat, &view, words, &theme)?, this.status(&view, &theme)?];
        if let Some(trouble) = &view.trouble {
            parts.push(this.trouble(trouble, view.retry.as_deref(), &theme)?);
        }
        parts.push(this.messages(host, chat, &view, words, &theme)?);
        let column = style(&[
            ("display", "flex"),
            ("flexDirection", "column"),
            ("flex", "1 1 auto"),
            ("height", "100%"),
            ("minHeight", "0"),
            ("minWidth", "0"),
            ("position", "relative"),
            ("color", &theme.text),
            ("backgroundColor", &theme.background),
            ("colorScheme", if theme.dark { "dark" } else { "light" }),
        ]);
        element(
            "section",
            &[
                ("className", "Holdfast-History".into()),
                ("data-testid", "holdfast-history-body-of-tab".into()),
                ("aria-label", words.plain(Text::HistoryTab).into()),
                ("style", column),
            ],
            &parts,
        )
    }

    fn tools(
        &self,
        task: &str,
        chat: &Chat,
        view: &TabView,
        words: &Words,
        theme: &Theme,
    ) -> Result<JsValue, JsValue> {
        let read_only = style(&[
            ("margin", "0"),
            ("padding", "6px 12px"),
            ("fontSize", "12px"),
            ("lineHeight", "16px"),
            ("color", &theme.weak),
        ]);
        let mut parts = vec![element(
            "p",
            &[("data-testid", "holdfast-history-read-only".into()), ("style", read_only)],
            &[words.plain(Text::HistoryReadOnly).into()],
        )?];
        if view.has_messages {
            let label = words.plain(Text::HistorySearch);
            let field = style(&[
                ("flex", "1 1 120px"),
                ("minWidth", "80px"),
                ("padding", "4px 8px"),
                ("font", "inherit"),
                ("fontSize", "13px"),
                ("borderRadius", "4px"),
                ("border", &format!("1px solid {}", theme.weak)),
                ("color", &theme.text),
                ("backgroundColor", &theme.field),
            ]);
            let mut row = vec![element(
                "input",
                &[
                    ("key", format!("search-{task}").into()),
                    ("type", "search".into()),
                    ("value", chat.search().text().into()),
                    ("placeholder", label.as_str().into()),
                    ("aria-label", label.as_str().into()),
                    ("data-testid", "holdfast-history-search".into()),
                    ("onChange", self.handlers.search.clone()),
                    ("onKeyDown", self.handlers.key.clone()),
                    ("style", field),
                ],
                &[],
            )?];
            if let Some(hits) = &view.hits {
                let small = style(&[("fontSize", "12px"), ("whiteSpace", "nowrap")]);
                row.push(element(
                    "span",
                    &[
                        ("key", "hits".into()),
                        ("role", "status".into()),
                        ("data-testid", "holdfast-history-hits".into()),
                        ("style", small),
                    ],
                    &[hits.as_str().into()],
                )?);
                for (name, symbol, text, handler) in [
                    ("older", "↑", Text::HistoryOlder, &self.handlers.older),
                    ("newer", "↓", Text::HistoryNewer, &self.handlers.newer),
                ] {
                    row.push(button(name, symbol, Some(&words.plain(text)), handler, theme)?);
                }
            }
            for (name, label, handler) in [
                ("stop", view.stop.clone(), &self.handlers.stop),
                ("load-all", view.load_all.clone(), &self.handlers.load_all),
                ("copy", Some(words.plain(Text::HistoryCopy)), &self.handlers.copy),
                ("print", Some(words.plain(Text::HistoryPrint)), &self.handlers.print),
            ] {
                if let Some(label) = label {
                    row.push(button(name, &label, None, handler, theme)?);
                }
            }
            let tools = style(&[
                ("display", "flex"),
                ("flexWrap", "wrap"),
                ("alignItems", "center"),
                ("gap", "6px"),
                ("padding", "0 12px 6px"),
            ]);
            parts.push(element("div", &[("role", "toolbar".into()), ("style", tools)], &row)?);
        }
        let edge = style(&[("flex", "0 0 auto"), ("borderBottom", &format!("1px solid {}", theme.border))]);
        element("div", &[("key", "tools".into()), ("style", edge)], &parts)
    }

    fn status(&self, view: &TabView, theme: &Theme) -> Result<JsValue, JsValue> {
        let shown = style(&[
            ("flex", "0 0 auto"),
            ("padding", "4px 12px"),
            ("fontSize", "12px"),
            ("lineHeight", "16px"),
            ("color", &theme.weak),
        ]);
        element(
            "div",
            &[
                ("key", "status".into()),
                ("role", "status".into()),
                ("data-testid", "holdfast-history-status".into()),
                ("style", if view.status_is_for_ears { unseen() } else { shown }),
            ],
            &[view.status.as_str().into()],
        )
    }

    fn trouble(&self, trouble: &str, retry: Option<&str>, theme: &Theme) -> Result<JsValue, JsValue> {
        let (ground, ink) = if theme.dark { ("#4a1c19", "#ffd9d6") } else { ("#fdecea", "#611a15") };
        let box_ = style(&[
            ("flex", "0 0 auto"),
            ("display", "flex"),
            ("flexWrap", "wrap"),
            ("alignItems", "center"),
            ("gap", "8px"),
            ("margin", "8px 12px"),
            ("padding", "8px 12px"),
            ("borderRadius", "4px"),
            ("fontSize", "14px"),
            ("lineHeight", "20px"),
            ("color", ink),
            ("backgroundColor", ground),
        ]);
        let text = style(&[("flex", "1 1 200px")]);
        let mut parts = vec![element("span", &[("key", "text".into()), ("style", text)], &[trouble.into()])?];
        if let Some(retry) = retry {
            parts.push(button("retry", retry, None, &self.handlers.retry, theme)?);
        }
        element(
            "div",
            &[
                ("key", "trouble".into()),
                ("role", "alert".into()),
                ("data-testid", "holdfast-history-trouble".into()),
                ("style", box_),
            ],
            &parts,
        )
    }

    fn messages(
        &self,
        host: &Rc<dyn Host>,
        chat: &Chat,
        view: &TabView,
        words: &Words,
        theme: &Theme,
    ) -> Result<JsValue, JsValue> {
        let timeline = chat.timeline();
        let viewport = self.viewport();
        let window = timeline.list().window(timeline.scroll_top(chat.anchor(), viewport), viewport);
        let brush = Brush {
            chat,
            words,
            formats: host.formats(),
            theme,
            begin: view.begin.as_deref(),
            download: &self.handlers.download,
            loaded: &self.handlers.loaded,
            broken: &self.handlers.broken,
        };
        let mut rows = Vec::new();
        for at in window.clone() {
            if let Some(row) = timeline.row(at) {
                let before = at.checked_sub(1).and_then(|before| timeline.row(before));
                rows.push(brush.row(at, row, before)?);
            }
        }
        self.drawn.replace(window);
        let high = object(&[("position", "relative".into()), ("height", timeline.list().total().into())]);
        let mut parts = vec![element("div", &[("key", "rows".into()), ("style", high.into())], &rows)?];
        if let Some(empty) = &view.empty {
            let centred = style(&[("padding", "24px 12px"), ("textAlign", "center"), ("fontSize", "14px")]);
            parts.push(element(
                "p",
                &[
                    ("key", "empty".into()),
                    ("data-testid", "holdfast-history-empty".into()),
                    ("style", centred),
                ],
                &[empty.as_str().into()],
            )?);
        }
        let region = style(&[
            ("flex", "1 1 0"),
            ("minHeight", "0"),
            ("overflowY", "auto"),
            ("overflowAnchor", "none"),
            ("overscrollBehavior", "contain"),
        ]);
        element(
            "div",
            &[
                ("key", "region".into()),
                ("ref", self.handlers.region.clone()),
                // A log that is not read aloud by itself: what comes is told once, by the status.
                ("role", "log".into()),
                ("aria-live", "off".into()),
                ("aria-label", words.plain(Text::HistoryMessages).into()),
                ("tabIndex", 0.into()),
                ("data-testid", "holdfast-history-messages".into()),
                ("onScroll", self.handlers.scroll.clone()),
                ("onKeyDown", self.handlers.jump.clone()),
                ("style", region),
            ],
            &parts,
        )
    }
}

/// The heights of the rows that are drawn.
fn heights(region: &HtmlElement) -> Vec<(usize, f64)> {
    let Ok(rows) = region.query_selector_all("[data-row]") else { return Vec::new() };
    (0..rows.length())
        .filter_map(|at| {
            let row = rows.get(at)?.dyn_into::<HtmlElement>().ok()?;
            let place = row.get_attribute("data-row")?.parse().ok()?;
            Some((place, row.get_bounding_client_rect().height()))
        })
        .collect()
}

/// The pictures among the rows that are drawn.
fn pictures(chat: &Chat, drawn: &Range<usize>) -> Vec<MediaRef> {
    let rows = drawn.clone().filter_map(|at| chat.timeline().row(at));
    let messages = rows.filter_map(|row| if let Row::Message(message) = row { Some(message) } else { None });
    messages
        .flat_map(|message| {
            let pictures = message.media.iter().filter(|media| is_picture(&media.content_type));
            pictures.map(|media| MediaRef { message: message.sid.clone(), media: media.sid.clone() })
        })
        .collect()
}

fn button(
    name: &str,
    text: &str,
    label: Option<&str>,
    handler: &JsValue,
    theme: &Theme,
) -> Result<JsValue, JsValue> {
    let look = style(&[
        ("padding", "4px 10px"),
        ("font", "inherit"),
        ("fontSize", "13px"),
        ("whiteSpace", "nowrap"),
        ("borderRadius", "4px"),
        ("border", &format!("1px solid {}", theme.weak)),
        ("color", &theme.text),
        ("backgroundColor", &theme.background),
        ("cursor", "pointer"),
    ]);
    let mut props = vec![
        ("key", name.into()),
        ("type", "button".into()),
        ("data-testid", format!("holdfast-history-{name}").into()),
        ("onClick", handler.clone()),
        ("style", look),
    ];
    if let Some(label) = label {
        props.extend([("aria-label", JsValue::from_str(label)), ("title", JsValue::from_str(label))]);
    }
    element("button", &props, &[text.into()])
}
