//! The item in Flex's main header that says how voice stands, and the details behind it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Array, Function, Object};
use protocol::AudioKind;
use wasm_bindgen::prelude::*;

use crate::draw::{Theme, element, style, unseen};
use crate::flex::{self, Flex, object};
use crate::machine::view::{AudioPanel, Choice, Grade, StatusLine};
use crate::machine::{Event, Tone};
use crate::outcome::warn_on_error;

/// The `id` of the details, for `aria-controls`.
const PANEL_ID: &str = "holdfast-voice-details";

struct Shared {
    line: RefCell<Option<StatusLine>>,
    open: Cell<bool>,
    /// React's way to draw the mounted item again.
    redraw: RefCell<Option<Function>>,
    handlers: Handlers,
}

/// What the item's parts do. Made once: React then sees the same functions at every drawing.
#[derive(Default)]
struct Handlers {
    toggle: JsValue,
    key: JsValue,
    microphone: JsValue,
    speaker: JsValue,
    volume: JsValue,
    reload: JsValue,
}

/// The header item.
pub struct Header(Rc<Shared>);

impl Header {
    /// An item that is not shown yet. `take` is given what the agent chooses in it.
    pub fn new(take: impl Fn(Event) + 'static) -> Self {
        let shared = Rc::new_cyclic(|this| {
            let take = Rc::new(take);
            let on = |handler: fn(&Shared, JsValue)| {
                let this = std::rc::Weak::clone(this);
                Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
                    if let Some(shared) = this.upgrade() {
                        handler(&shared, event);
                    }
                })
                .into_js_value()
            };
            let chooses = |choose: fn(String) -> Option<Event>| {
                let take = Rc::clone(&take);
                Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
                    if let Some(chosen) = flex::text(&event, &["target", "value"]).and_then(choose) {
                        take(chosen);
                    }
                })
                .into_js_value()
            };
            Shared {
                line: RefCell::default(),
                open: Cell::default(),
                redraw: RefCell::default(),
                handlers: Handlers {
                    toggle: on(|shared, _| shared.set_open(!shared.open.get())),
                    key: on(|shared, event| {
                        if flex::text(&event, &["key"]).as_deref() == Some("Escape") {
                            shared.set_open(false);
                            shared.focus_button();
                        }
                    }),
                    microphone: chooses(|id| Some(Event::ChooseDevice(AudioKind::Microphone, named(id)))),
                    speaker: chooses(|id| Some(Event::ChooseDevice(AudioKind::Speaker, named(id)))),
                    volume: chooses(|percent| percent.parse().ok().map(Event::ChooseVolume)),
                    reload: on(|_, _| {
                        if let Some(window) = web_sys::window() {
                            warn_on_error(window.location().reload());
                        }
                    }),
                },
            }
        });
        Self(shared)
    }

    /// Adds the item to Flex's main header.
    pub fn add_to(&self, flex: &Flex) {
        let component = self.component();
        let themed = flex.with_theme(&component).unwrap_or(component);
        let props = object(&[("key", JsValue::from_str("holdfast-voice-status"))]);
        let Ok(element) = flex::create_element(&themed, &props, &JsValue::UNDEFINED) else { return };
        let place = object(&[("sortOrder", JsValue::from_f64(-1.0)), ("align", JsValue::from_str("end"))]);
        warn_on_error(flex.main_header().content().add(&element, &place));
        self.close_on_click_elsewhere();
    }

    /// Shows a line; `None`: nothing.
    pub fn show(&self, line: Option<StatusLine>) {
        if line.is_none() {
            self.0.open.set(false);
        }
        self.0.line.replace(line);
        self.0.redraw();
    }

    fn close_on_click_elsewhere(&self) {
        let Some(document) = web_sys::window().and_then(|window| window.document()) else { return };
        let shared = Rc::clone(&self.0);
        let listener = Closure::<dyn Fn(web_sys::Event)>::new(move |event: web_sys::Event| {
            let inside = event
                .target()
                .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
                .and_then(|element| element.closest(".Holdfast-Voice").ok().flatten())
                .is_some();
            if shared.open.get() && !inside {
                shared.set_open(false);
            }
        })
        .into_js_value();
        warn_on_error(document.add_event_listener_with_callback("pointerdown", listener.unchecked_ref()));
    }

    /// A React function component. Its effect keeps React's state setter while the item is mounted.
    fn component(&self) -> JsValue {
        let shared = Rc::clone(&self.0);
        let unmount = Closure::<dyn Fn()>::new(move || drop(shared.redraw.take())).into_js_value();
        let shared = Rc::clone(&self.0);
        let mount = Closure::<dyn Fn(Function) -> JsValue>::new(move |redraw: Function| {
            shared.redraw.replace(Some(redraw));
            unmount.clone()
        })
        .into_js_value();
        let shared = Rc::clone(&self.0);
        Closure::<dyn Fn(JsValue) -> JsValue>::new(move |props: JsValue| {
            let drawn = flex::use_state(&JsValue::NULL).and_then(|state| {
                let setter = state.get(1);
                let effect = mount.unchecked_ref::<Function>().bind1(&JsValue::UNDEFINED, &setter);
                flex::use_effect(effect.unchecked_ref(), &Array::new())?;
                let line = shared.line.borrow();
                line.as_ref().map_or(Ok(JsValue::NULL), |line| shared.draw(line, &Theme::of(&props)))
            });
            drawn.unwrap_or(JsValue::NULL)
        })
        .into_js_value()
    }
}

/// A device's id; the system's choice has none.
fn named(id: String) -> Option<String> {
    Some(id).filter(|id| !id.is_empty())
}

impl Shared {
    fn redraw(&self) {
        let redraw = self.redraw.borrow().clone();
        if let Some(redraw) = redraw {
            // React draws again only for a state that differs; a new object always does.
            warn_on_error(redraw.call1(&JsValue::UNDEFINED, &Object::new()));
        }
    }

    fn set_open(&self, open: bool) {
        self.open.set(open);
        self.redraw();
    }

    fn focus_button(&self) {
        let button = web_sys::window()
            .and_then(|window| window.document())
            .and_then(|document| document.query_selector(".Holdfast-VoiceStatus").ok().flatten())
            .and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok());
        if let Some(button) = button {
            warn_on_error(button.focus());
        }
    }

    fn draw(&self, line: &StatusLine, theme: &Theme) -> Result<JsValue, JsValue> {
        // A polite live region of its own: a button's text that changes is not read out.
        let said = match line.tone {
            Tone::Problem => format!("{}. {}", line.text, line.detail),
            Tone::Ready | Tone::Call | Tone::Connecting | Tone::Off => line.text.clone(),
        };
        let mut parts = vec![
            self.button(line)?,
            element("span", &[("role", "status".into()), ("style", unseen())], &[said.into()])?,
        ];
        if self.open.get() {
            parts.push(self.panel(line, theme)?);
        }
        element(
            "div",
            &[
                ("className", "Holdfast-Voice".into()),
                ("onKeyDown", self.handlers.key.clone()),
                ("style", style(&[("position", "relative"), ("alignSelf", "center"), ("margin", "0 12px")])),
            ],
            &parts,
        )
    }

    fn button(&self, line: &StatusLine) -> Result<JsValue, JsValue> {
        // White on each of these has a contrast of at least 4.5:1, whatever the theme of the header is.
        let (colour, symbol) = match line.tone {
            Tone::Ready => ("#0e7c3a", "✓"),
            Tone::Call => ("#0263e0", "☎"),
            Tone::Connecting => ("#606b85", "…"),
            Tone::Off => ("#606b85", "–"),
            Tone::Problem => ("#b3261e", "!"),
        };
        let pill = style(&[
            ("display", "flex"),
            ("alignItems", "center"),
            ("gap", "6px"),
            ("padding", "3px 10px"),
            ("border", "1px solid rgba(255,255,255,0.35)"),
            ("borderRadius", "12px"),
            ("font", "inherit"),
            ("fontSize", "13px"),
            ("lineHeight", "18px"),
            ("whiteSpace", "nowrap"),
            ("cursor", "pointer"),
            ("color", "#ffffff"),
            ("backgroundColor", colour),
        ]);
        let mut parts = vec![
            element("span", &[("aria-hidden", JsValue::TRUE)], &[symbol.into()])?,
            element("span", &[], &[line.text.as_str().into()])?,
        ];
        if let Some(quality) = &line.quality {
            parts.push(bars(quality.grade, "#ffffff", "rgba(255,255,255,0.4)", &quality.text)?);
        }
        element(
            "button",
            &[
                ("type", "button".into()),
                ("className", "Holdfast-VoiceStatus".into()),
                ("data-testid", "holdfast-voice-status".into()),
                ("title", line.detail.as_str().into()),
                ("aria-label", line.label.as_str().into()),
                ("aria-expanded", self.open.get().into()),
                ("aria-controls", PANEL_ID.into()),
                ("onClick", self.handlers.toggle.clone()),
                ("style", pill),
            ],
            &parts,
        )
    }

    fn panel(&self, line: &StatusLine, theme: &Theme) -> Result<JsValue, JsValue> {
        let weak = style(&[("color", &theme.weak), ("margin", "6px 0 0")]);
        let mut parts = vec![
            element(
                "h2",
                &[("style", style(&[("margin", "0"), ("fontSize", "15px"), ("fontWeight", "700")]))],
                &[line.title.as_str().into()],
            )?,
            element(
                "p",
                &[("style", style(&[("margin", "6px 0 0"), ("fontWeight", "600")]))],
                &[line.text.as_str().into()],
            )?,
            element(
                "p",
                &[("data-testid", "holdfast-detail".into()), ("style", style(&[("margin", "2px 0 0")]))],
                &[line.detail.as_str().into()],
            )?,
        ];
        for note in &line.notes {
            parts.push(element(
                "p",
                &[("data-testid", "holdfast-note".into()), ("style", style(&[("margin", "6px 0 0")]))],
                &[note.as_str().into()],
            )?);
        }
        if let Some(quality) = &line.quality {
            let row = style(&[
                ("display", "flex"),
                ("gap", "8px"),
                ("alignItems", "center"),
                ("margin", "8px 0 0"),
            ]);
            parts.push(element(
                "div",
                &[("style", row), ("data-testid", "holdfast-quality".into())],
                &[
                    bars(quality.grade, grade_colour(quality.grade, theme.dark), &theme.border, "")?,
                    element("span", &[], &[quality.text.as_str().into()])?,
                ],
            )?);
            parts.push(element("p", &[("style", weak.clone())], &[quality.figures.as_str().into()])?);
        }
        if let Some(audio) = &line.audio {
            parts.push(self.audio(audio, theme)?);
        }
        let mut facts = Vec::new();
        for (name, value) in &line.facts {
            facts.push(element("dt", &[], &[name.as_str().into()])?);
            let breaks = style(&[("margin", "0"), ("overflowWrap", "anywhere")]);
            facts.push(element("dd", &[("style", breaks)], &[value.as_str().into()])?);
        }
        let grid = style(&[
            ("display", "grid"),
            ("gridTemplateColumns", "max-content 1fr"),
            ("gap", "2px 12px"),
            ("margin", "12px 0 0"),
            ("paddingTop", "8px"),
            ("borderTop", &format!("1px solid {}", theme.border)),
            ("color", &theme.weak),
            ("fontSize", "12px"),
        ]);
        parts.push(element("dl", &[("style", grid)], &facts)?);
        if let Some(reload) = &line.reload {
            parts.push(element(
                "button",
                &[
                    ("type", "button".into()),
                    ("data-testid", "holdfast-reload".into()),
                    ("onClick", self.handlers.reload.clone()),
                    ("style", field(theme, "12px 0 0")),
                ],
                &[reload.as_str().into()],
            )?);
        }
        let place = style(&[
            ("position", "absolute"),
            ("top", "calc(100% + 10px)"),
            ("right", "0"),
            ("width", "320px"),
            ("zIndex", "1000"),
            ("padding", "16px"),
            ("borderRadius", "8px"),
            ("border", &format!("1px solid {}", theme.border)),
            ("boxShadow", "0 8px 24px rgba(18,28,45,0.35)"),
            ("fontSize", "14px"),
            ("lineHeight", "20px"),
            ("textAlign", "start"),
            ("whiteSpace", "normal"),
            ("color", &theme.text),
            ("backgroundColor", &theme.background),
            ("colorScheme", if theme.dark { "dark" } else { "light" }),
        ]);
        element(
            "section",
            &[
                ("id", PANEL_ID.into()),
                ("data-testid", PANEL_ID.into()),
                ("aria-label", line.title.as_str().into()),
                ("style", place),
            ],
            &parts,
        )
    }

    fn audio(&self, audio: &AudioPanel, theme: &Theme) -> Result<JsValue, JsValue> {
        let mut parts = Vec::new();
        for choice in &audio.choices {
            parts.push(self.choice(choice, theme)?);
        }
        let range = element(
            "input",
            &[
                ("type", "range".into()),
                ("min", 0.into()),
                ("max", 100.into()),
                ("step", 5.into()),
                ("value", audio.volume.into()),
                ("data-testid", "holdfast-volume".into()),
                ("onChange", self.handlers.volume.clone()),
                ("style", style(&[("width", "100%"), ("margin", "2px 0 0")])),
            ],
            &[],
        )?;
        parts.push(labelled(&audio.volume_label, range)?);
        element("div", &[], &parts)
    }

    fn choice(&self, choice: &Choice, theme: &Theme) -> Result<JsValue, JsValue> {
        let mut options = Vec::new();
        for (id, name) in &choice.options {
            options.push(element("option", &[("value", id.as_str().into())], &[name.as_str().into()])?);
        }
        let (handler, test_id) = match choice.kind {
            AudioKind::Microphone => (&self.handlers.microphone, "holdfast-microphone"),
            AudioKind::Speaker => (&self.handlers.speaker, "holdfast-speaker"),
        };
        let select = element(
            "select",
            &[
                ("value", choice.selected.as_str().into()),
                ("data-testid", test_id.into()),
                ("onChange", handler.clone()),
                ("style", field(theme, "2px 0 0")),
            ],
            &options,
        )?;
        labelled(&choice.label, select)
    }
}

fn labelled(label: &str, control: JsValue) -> Result<JsValue, JsValue> {
    let block = style(&[("display", "block"), ("margin", "10px 0 0")]);
    element("label", &[("style", block)], &[element("span", &[], &[label.into()])?, control])
}

fn field(theme: &Theme, margin: &str) -> JsValue {
    style(&[
        ("display", "block"),
        ("boxSizing", "border-box"),
        ("width", "100%"),
        ("margin", margin),
        ("padding", "6px 8px"),
        ("font", "inherit"),
        ("borderRadius", "4px"),
        ("border", &format!("1px solid {}", theme.weak)),
        ("color", &theme.text),
        ("backgroundColor", &theme.field),
        ("cursor", "pointer"),
    ])
}

const fn grade_colour(grade: Grade, dark: bool) -> &'static str {
    match (grade, dark) {
        (Grade::Good, false) => "#0e7c3a",
        (Grade::Good, true) => "#36d576",
        (Grade::Fair, false) => "#a35200",
        (Grade::Fair, true) => "#f2b24c",
        (Grade::Poor, false) => "#b3261e",
        (Grade::Poor, true) => "#f58a8a",
    }
}

/// Three bars, as many of them full as the call sounds good. `label`: for who cannot see them; empty where text says it.
fn bars(grade: Grade, full: &str, empty: &str, label: &str) -> Result<JsValue, JsValue> {
    let filled = match grade {
        Grade::Good => 3,
        Grade::Fair => 2,
        Grade::Poor => 1,
    };
    let mut parts = Vec::new();
    for (index, height) in ["5px", "9px", "13px"].into_iter().enumerate() {
        let colour = if index < filled { full } else { empty };
        let bar = style(&[
            ("width", "3px"),
            ("height", height),
            ("borderRadius", "1px"),
            ("backgroundColor", colour),
        ]);
        parts.push(element("span", &[("style", bar)], &[])?);
    }
    let row = style(&[("display", "inline-flex"), ("alignItems", "flex-end"), ("gap", "2px")]);
    let mut props = vec![("style", row), ("data-grade", format!("{grade:?}").to_lowercase().into())];
    if label.is_empty() {
        props.push(("aria-hidden", JsValue::TRUE));
    } else {
        props.extend([("role", "img".into()), ("aria-label", JsValue::from_str(label))]);
    }
    element("span", &props, &parts)
}
