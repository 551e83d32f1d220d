//! Draws button and card.

use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::draw::{Theme, element, style};
use crate::flex::object;
use crate::video::machine::view::{ButtonView, CardView, WaitingView};

/// What all parts are drawn with.
pub struct Brush<'a> {
    pub task: &'a str,
    pub theme: &'a Theme,
    /// The one handler of all buttons, which reads from them what they are for.
    pub click: &'a Function,
}

/// A button's place, words and task.
struct Button<'a> {
    act: &'a str,
    id: &'a str,
    label: &'a str,
    primary: bool,
}

impl Brush<'_> {
    /// The button in the task's header: a picture, whose words are its name.
    pub fn button(&self, view: &ButtonView) -> Result<JsValue, JsValue> {
        let (ground, ink) = if view.live {
            if self.theme.dark { ("#0f5132", "#ffffff") } else { ("#d7f5e3", "#0b4226") }
        } else {
            ("transparent", &*self.theme.text)
        };
        let edge =
            if view.failed { if self.theme.dark { "#ff9c9c" } else { "#b3261e" } } else { &self.theme.weak };
        let look = style(&[
            ("display", "inline-flex"),
            ("alignItems", "center"),
            ("justifyContent", "center"),
            ("flex", "0 0 auto"),
            // Flex's own buttons stand in the middle of the header; its row would leave this one at the top.
            ("alignSelf", "center"),
            ("width", "32px"),
            ("height", "32px"),
            ("padding", "0"),
            ("margin", "0 8px"),
            ("borderRadius", "4px"),
            ("border", &format!("{} solid {edge}", if view.failed { "2px" } else { "1px" })),
            ("color", ink),
            ("backgroundColor", ground),
            ("cursor", if view.busy { "progress" } else { "pointer" }),
        ]);
        let picture = if view.busy { self.dots()? } else { self.camera()? };
        element(
            "button",
            &[
                ("type", "button".into()),
                ("className", "Holdfast-VideoButton".into()),
                ("data-testid", "holdfast-video-button".into()),
                ("data-act", "open".into()),
                ("data-task", self.task.into()),
                ("data-live", view.live.to_string().into()),
                ("aria-label", (&*view.label).into()),
                ("aria-busy", view.busy.into()),
                ("aria-disabled", view.busy.into()),
                ("title", (&*view.label).into()),
                ("onClick", self.click.into()),
                ("style", look),
            ],
            &[picture],
        )
    }

    fn picture(&self, parts: &[JsValue]) -> Result<JsValue, JsValue> {
        element(
            "svg",
            &[
                ("viewBox", "0 0 20 20".into()),
                ("width", 20.into()),
                ("height", 20.into()),
                ("fill", "currentColor".into()),
                ("aria-hidden", true.into()),
                ("focusable", "false".into()),
            ],
            parts,
        )
    }

    fn camera(&self) -> Result<JsValue, JsValue> {
        let path = "M3 5h8a2 2 0 0 1 2 2v1.6l3.6-2.2a.6.6 0 0 1 .9.5v6.2a.6.6 0 0 1-.9.5L13 11.4V13a2 2 0 0 1-2 2H3a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2z";
        self.picture(&[element("path", &[("d", path.into())], &[])?])
    }

    fn dots(&self) -> Result<JsValue, JsValue> {
        let dot = |x: i32| element("circle", &[("cx", x.into()), ("cy", 10.into()), ("r", 2.into())], &[]);
        self.picture(&[dot(4)?, dot(10)?, dot(16)?])
    }

    /// The card above the task.
    pub fn card(&self, view: &CardView) -> Result<JsValue, JsValue> {
        let mut parts = vec![self.head(view)?];
        if !view.waiting.is_empty() {
            parts.push(self.waiting(&view.waiting)?);
        }
        for note in &view.notes {
            let small = style(&[("margin", "0"), ("color", &self.theme.weak)]);
            let props =
                [("key", (&**note).into()), ("data-testid", "holdfast-video-note".into()), ("style", small)];
            parts.push(element("p", &props, &[(&**note).into()])?);
        }
        if let Some((said, help)) = &view.trouble {
            let (ground, ink) = if self.theme.dark { ("#4a3300", "#ffe0a3") } else { ("#fff1d6", "#4a3300") };
            let mut row = self.row().to_vec();
            row.extend([
                ("padding", "4px 8px"),
                ("borderRadius", "4px"),
                ("backgroundColor", ground),
                ("color", ink),
            ]);
            let text = style(&[("flex", "1 1 160px"), ("minWidth", "0")]);
            let mut inside = vec![element("span", &[("style", text)], &[(&**said).into()])?];
            if let Some(help) = help {
                let act = if help.sends { "send-again" } else { "retry" };
                inside.push(
                    self.small(&Button { act, id: "retry", label: &help.label, primary: false }, None)?,
                );
            }
            parts.push(element(
                "div",
                &[
                    ("key", "trouble".into()),
                    ("role", "alert".into()),
                    ("data-testid", "holdfast-video-trouble".into()),
                    ("style", style(&row)),
                ],
                &inside,
            )?);
        }
        if let Some([question, yes, no]) = &view.question {
            let text = style(&[("flex", "1 1 160px"), ("minWidth", "0")]);
            parts.push(element(
                "div",
                &[
                    ("key", "question".into()),
                    ("role", "group".into()),
                    ("aria-label", (&**question).into()),
                    ("style", style(&self.row())),
                ],
                &[
                    element("span", &[("style", text)], &[(&**question).into()])?,
                    self.small(&Button { act: "confirm", id: "confirm", label: yes, primary: true }, None)?,
                    self.small(&Button { act: "cancel", id: "cancel", label: no, primary: false }, None)?,
                ],
            )?);
        }
        let look = style(&[
            ("display", "flex"),
            ("flexDirection", "column"),
            ("gap", "6px"),
            ("padding", "8px 12px"),
            ("fontSize", "14px"),
            ("lineHeight", "20px"),
            ("color", &self.theme.text),
            ("backgroundColor", &self.theme.field),
            ("borderBottom", &format!("1px solid {}", self.theme.border)),
        ]);
        element(
            "section",
            &[
                ("className", "Holdfast-VideoCard".into()),
                ("data-testid", "holdfast-video-card".into()),
                ("aria-label", (&*view.title).into()),
                ("style", look),
            ],
            &parts,
        )
    }

    fn head(&self, view: &CardView) -> Result<JsValue, JsValue> {
        let bold = style(&[("fontWeight", "600"), ("whiteSpace", "nowrap")]);
        let mut parts =
            vec![element("span", &[("key", "title".into()), ("style", bold)], &[(&*view.title).into()])?];
        if let Some(time) = &view.time {
            let figures = style(&[("fontVariantNumeric", "tabular-nums")]);
            parts.push(element(
                "span",
                &[
                    ("key", "time".into()),
                    ("role", "timer".into()),
                    ("data-testid", "holdfast-video-card-time".into()),
                    ("style", figures),
                ],
                &[(&**time).into()],
            )?);
        }
        let text = style(&[("flex", "1 1 160px"), ("minWidth", "0")]);
        parts.push(element(
            "span",
            &[
                ("key", "line".into()),
                ("role", "status".into()),
                ("data-testid", "holdfast-video-card-line".into()),
                ("style", text),
            ],
            &[(&*view.line).into()],
        )?);
        if !view.people.is_empty() {
            parts.push(self.people(view)?);
        }
        let mut buttons = Vec::new();
        for (act, id, label, primary) in [
            ("open", "card-show", &view.show, true),
            ("new-link", "new-link", &view.new_link, false),
            ("end", "card-end", &view.end, false),
        ] {
            if let Some(label) = label {
                buttons.push(self.small(&Button { act, id, label, primary }, None)?);
            }
        }
        if !buttons.is_empty() {
            // Together, or a narrow card leaves one beside the text and the others below it.
            parts.push(element(
                "div",
                &[("key", "buttons".into()), ("style", style(&self.row()))],
                &buttons,
            )?);
        }
        element("div", &[("key", "head".into()), ("style", style(&self.row()))], &parts)
    }

    fn people(&self, view: &CardView) -> Result<JsValue, JsValue> {
        let mut people = Vec::new();
        for (place, person) in view.people.iter().enumerate() {
            people.push(element("li", &[("key", place.to_string().into())], &[(&**person).into()])?);
        }
        let list = style(&[
            ("display", "flex"),
            ("flexWrap", "wrap"),
            ("gap", "2px 16px"),
            ("margin", "0"),
            ("padding", "0"),
            ("listStyle", "none"),
        ]);
        // Without the role a list without points is none to some screen readers.
        let props = [
            ("key", "people".into()),
            ("role", "list".into()),
            ("data-testid", "holdfast-video-card-people".into()),
            ("style", list),
        ];
        element("ul", &props, &people)
    }

    fn waiting(&self, waiting: &[WaitingView]) -> Result<JsValue, JsValue> {
        let mut rows = Vec::new();
        for one in waiting {
            let text = style(&[("flex", "1 1 160px"), ("minWidth", "0")]);
            let admit = Button { act: "admit", id: "card-admit", label: &one.admit, primary: true };
            let refuse = Button { act: "refuse", id: "card-refuse", label: &one.refuse, primary: false };
            rows.push(element(
                "div",
                &[("key", (&*one.id).into()), ("style", style(&self.row()))],
                &[
                    element("span", &[("style", text)], &[(&*one.why).into()])?,
                    self.small(&admit, Some(&one.id))?,
                    self.small(&refuse, Some(&one.id))?,
                ],
            )?);
        }
        element(
            "div",
            &[
                ("key", "waiting".into()),
                ("role", "alert".into()),
                ("data-testid", "holdfast-video-card-waiting".into()),
            ],
            &rows,
        )
    }

    fn row(&self) -> [(&'static str, &'static str); 4] {
        [("display", "flex"), ("flexWrap", "wrap"), ("gap", "4px 8px"), ("alignItems", "center")]
    }

    fn small(&self, button: &Button<'_>, waiting: Option<&str>) -> Result<JsValue, JsValue> {
        let (ground, ink, edge) = if button.primary {
            if self.theme.dark {
                ("#99cdff", "#06033a", "#99cdff")
            } else {
                ("#0263e0", "#ffffff", "#0263e0")
            }
        } else {
            (&*self.theme.background, &*self.theme.text, &*self.theme.weak)
        };
        let look = object(&[]);
        for (name, value) in [
            ("padding", "3px 10px"),
            ("minHeight", "28px"),
            ("font", "inherit"),
            ("fontSize", "13px"),
            ("borderRadius", "4px"),
            ("border", &*format!("1px solid {edge}")),
            ("color", ink),
            ("backgroundColor", ground),
            ("cursor", "pointer"),
            ("whiteSpace", "nowrap"),
        ] {
            crate::flex::set(&look, name, &value.into());
        }
        let mut props = vec![
            ("key", button.id.into()),
            ("type", "button".into()),
            ("data-testid", format!("holdfast-video-{}", button.id).into()),
            ("data-act", button.act.into()),
            ("data-task", self.task.into()),
            ("onClick", self.click.into()),
            ("style", look.into()),
        ];
        props.extend(waiting.map(|id| ("data-waiting", id.into())));
        element("button", &props, &[button.label.into()])
    }
}
