//! The frames of Twilsock, and what a client says with them.

use hyper::StatusCode;
use kernel::Secret;
use serde_json::{Value, json};

use crate::sync::{Answer, Request};
use crate::token::TokenError;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) header: Value,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(mut header: Value, payload: &Value) -> Self {
        let payload = if payload.is_null() { Vec::new() } else { payload.to_string().into_bytes() };
        header["payload_size"] = json!(payload.len());
        if !payload.is_empty() {
            header["payload_type"] = json!("application/json");
        }
        Self { header, payload }
    }

    /// A notification: what somebody subscribed to, or asked to be told.
    pub(crate) fn notification(number: u64, message_type: &str, context: &str, payload: &Value) -> Self {
        let header = json!({
            "id": format!("TM{number:032x}"),
            "method": "notification",
            "message_type": message_type,
            "notification_ctx_id": context,
        });
        Self::new(header, payload)
    }

    /// The client's token is about to expire.
    pub(crate) fn about_to_expire(number: u64) -> Self {
        let header = json!({
            "id": format!("TM{number:032x}"),
            "method": "client_update",
            "client_update_type": "token_about_to_expire",
            "client_update_message": "Your token is about to expire. Time left: less than 240000 ms",
        });
        Self::new(header, &Value::Null)
    }

    /// The server goes: the client's token has expired.
    pub(crate) fn expired(number: u64) -> Self {
        let (_, _, code) = TokenError::Expired.codes();
        let status = json!({
            "code": 410, "status": "TOKEN_EXPIRED", "errorCode": code, "description": "Token expired",
        });
        Self::new(
            json!({ "id": format!("TM{number:032x}"), "method": "close", "status": status }),
            &Value::Null,
        )
    }

    /// The server goes: the client shall come back at another.
    pub(crate) fn offload(number: u64) -> Self {
        let status =
            json!({ "code": 308, "status": "OFFLOAD", "description": "Reconnect to another server" });
        let header = json!({ "id": format!("TM{number:032x}"), "method": "close", "status": status });
        Self::new(header, &json!({ "backoff_policy": { "reconnect_min_ms": 500 } }))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let header = self.header.to_string();
        let mut bytes = format!("TWILSOCK V3.0 {}\r\n{header}\r\n", header.len()).into_bytes();
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let line_end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let line = std::str::from_utf8(&bytes[..line_end]).ok()?;
        let length: usize = line.strip_prefix("TWILSOCK V3.0 ")?.trim().parse().ok()?;
        let rest = &bytes[line_end + 2..];
        let header = serde_json::from_slice(rest.get(..length)?).ok()?;
        let payload = rest.get(length..)?.strip_prefix(b"\r\n").unwrap_or_default().to_vec();
        Some(Self { header, payload })
    }
}

/// What a client says with a frame.
pub(crate) enum Received {
    /// It shows its token: first, or a newer one.
    Token(Secret),
    Request(Request),
    /// It names the context that notifications are to carry.
    AddContext(String),
    RemoveContext(String),
    /// It wants to know that somebody is there.
    Ping,
    Nothing,
}

/// Reads a frame of a client.
pub(crate) fn receive(frame: &Frame) -> Received {
    let text = |name: &str| frame.header[name].as_str().unwrap_or_default().to_owned();
    match frame.header["method"].as_str().unwrap_or_default() {
        "init" | "update" => Received::Token(Secret::new(text("token"))),
        "message" => {
            let request = &frame.header["http_request"];
            let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
            let body = serde_json::from_slice(&frame.payload)
                .unwrap_or_else(|_form| String::from_utf8_lossy(&frame.payload).into());
            Received::Request(Request {
                host: text("host"),
                method: text("method"),
                path: text("path"),
                params: request["params"].as_object().cloned().unwrap_or_default(),
                body: if frame.payload.is_empty() { Value::Null } else { body },
            })
        }
        "put_notification_ctx" => Received::AddContext(text("notification_ctx_id")),
        "delete_notification_ctx" => Received::RemoveContext(text("notification_ctx_id")),
        "reply" | "telemetry" | "close" => Received::Nothing,
        _ => Received::Ping,
    }
}

/// All is well.
pub(crate) fn ok(request: &Frame) -> Frame {
    let header = json!({
        "id": request.header["id"],
        "method": "reply",
        "status": { "code": 200, "status": "OK" },
    });
    Frame::new(header, &Value::Null)
}

/// The reply to a good token.
pub(crate) fn welcome(request: &Frame, continuation_token: &str) -> Frame {
    let mut reply = ok(request);
    if request.header["method"] == "init" {
        let known = request.header["continuation_token"].is_string();
        let message = if known { "EXPIRED" } else { "MISSING" };
        reply.header["continuation_token"] = json!(continuation_token);
        reply.header["continuation_token_status"] = json!({ "reissued": true, "reissue_message": message });
        reply.header["capabilities"] = json!(["client_update", "telemetry.v1"]);
        reply.header["init_registrations"] =
            request.header.get("registrations").cloned().unwrap_or(json!([]));
        reply.header["offline_storage"] = json!({});
    }
    reply
}

/// The reply to a token that is not good, or to somebody who has shown none.
pub(crate) fn denied(request: &Frame, error: TokenError) -> Frame {
    let (code, status, error_code) = error.codes();
    let header = json!({
        "id": request.header["id"],
        "method": "reply",
        "status": { "code": code, "status": status, "errorCode": error_code, "description": error.to_string() },
    });
    Frame::new(header, &Value::Null)
}

/// The reply that carries an HTTP answer.
pub(crate) fn http_reply(request: &Frame, answer: &Answer) -> Frame {
    // The SDK makes this text its error's message.
    let reason = StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
    let header = json!({
        "id": request.header["id"],
        "method": "reply",
        "status": { "code": 200, "status": "OK" },
        "http_status": { "code": answer.status, "status": reason.unwrap_or("Unknown") },
        "http_headers": {},
    });
    Frame::new(header, &answer.body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_encoding_and_decoding() {
        let frame = Frame::new(json!({ "id": "TM1", "method": "message" }), &json!({ "größe": 1 }));
        assert_eq!(Frame::decode(&frame.encode()), Some(frame));
    }

    #[test]
    fn a_frame_without_payload_is_understood() {
        let header = r#"{"id":"TM1","method":"close"}"#;
        let bytes = format!("TWILSOCK V3.0 {}\r\n{header}\r\n", header.len());
        assert_eq!(Frame::decode(bytes.as_bytes()).unwrap().payload, b"");
    }

    #[test]
    fn what_is_not_a_frame_is_refused() {
        for bytes in [&b""[..], b"\r\n", b"TWILSOCK V3.0 99\r\n{}", b"HTTP/1.1 200 OK\r\n\r\n"] {
            assert_eq!(Frame::decode(bytes), None);
        }
    }
}
