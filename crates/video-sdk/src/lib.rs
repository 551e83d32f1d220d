//! Bindings of `twilio-video` 2.36, as far as Holdfast uses it.
