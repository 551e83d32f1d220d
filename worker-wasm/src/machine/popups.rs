//! The extension's own pages: popup, options and welcome.

use std::collections::BTreeMap;

use protocol::{
    popup::{Refused, ToPopup},
    state::UiState,
};

use super::{command::Command, context::Context, event::PortId};

#[derive(Clone, Debug, PartialEq)]
struct Popup {
    /// What it was shown last.
    shown: Option<Box<UiState>>,
    is_options: bool,
}

/// The open ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Popups(BTreeMap<PortId, Popup>);

impl Popups {
    pub(super) fn port_opened(&mut self, port: PortId, is_options: bool) {
        self.0.insert(port, Popup { shown: None, is_options });
    }

    pub(super) fn port_closed(&mut self, port: PortId) {
        self.0.remove(&port);
    }

    pub(super) fn has_port(&self, port: PortId) -> bool {
        self.0.contains_key(&port)
    }

    pub(super) fn is_any_open(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn is_options_open(&self) -> bool {
        self.0.values().any(|popup| popup.is_options)
    }

    /// Tells one that what it wanted was not done.
    pub(super) fn refuse(port: PortId, reason: Refused, cx: &mut Context) {
        cx.push(Command::ToPopup { port, message: Box::new(ToPopup::Refused { reason }) });
    }

    /// Shows each what is new to it.
    pub(super) fn settle(&mut self, state: &UiState, cx: &mut Context) {
        for (port, popup) in &mut self.0 {
            if popup.shown.as_deref() != Some(state) {
                popup.shown = Some(Box::new(state.clone()));
                let message = Box::new(ToPopup::State { state: state.clone() });
                cx.push(Command::ToPopup { port: *port, message });
            }
        }
    }
}
