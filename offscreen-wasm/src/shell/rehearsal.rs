//! A call that nobody hears, so that the first real one is not the first.
//!
//! Chrome loads and starts its WebRTC code, threads and codecs with a document's first peer connection, which costs the
//! first call of the day some 100 ms. Two connections in this document agree on audio once and are closed again: no
//! microphone is opened, nothing is connected, nothing leaves the browser.

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{RtcPeerConnection, RtcSessionDescriptionInit};

/// Closes its connection whatever happens.
struct Connection(RtcPeerConnection);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Goes through the motions of a call.
///
/// # Errors
/// What Chrome says; a call without a rehearsal is only slower.
pub(super) async fn rehearse() -> Result<(), JsValue> {
    let (caller, callee) = (Connection(RtcPeerConnection::new()?), Connection(RtcPeerConnection::new()?));
    caller.0.add_transceiver_with_str("audio");
    let offer: RtcSessionDescriptionInit = JsFuture::from(caller.0.create_offer()).await?.unchecked_into();
    JsFuture::from(caller.0.set_local_description(&offer)).await?;
    JsFuture::from(callee.0.set_remote_description(&offer)).await?;
    let answer: RtcSessionDescriptionInit = JsFuture::from(callee.0.create_answer()).await?.unchecked_into();
    JsFuture::from(callee.0.set_local_description(&answer)).await?;
    JsFuture::from(caller.0.set_remote_description(&answer)).await?;
    Ok(())
}
