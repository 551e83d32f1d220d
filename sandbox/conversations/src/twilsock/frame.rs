//! The frames of Twilsock, and what a client says with them.

use serde_json::{Value, json};

use crate::sync::Request;

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

    /// A notification of Sync.
    pub(crate) fn sync_event(number: u64, event: &Value) -> Self {
        let header = json!({
            "id": format!("TM{number:032x}"),
            "method": "notification",
            "message_type": "twilio.sync.event",
            "notification_ctx_id": "sandbox",
        });
        Self::new(header, event)
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

/// The answer to a frame that needs nothing but the frame, and the request that it carries, if it does.
pub(crate) enum Received {
    Reply(Frame),
    Request(Request),
    Nothing,
}

/// Reads a frame of a client.
pub(crate) fn receive(frame: &Frame) -> Received {
    let ok = json!({ "code": 200, "status": "OK" });
    let id = &frame.header["id"];
    match frame.header["method"].as_str().unwrap_or_default() {
        "init" => {
            let header = json!({
                "id": id,
                "method": "reply",
                "status": ok,
                "continuation_token": "sandbox",
                "continuation_token_status": { "reissued": true, "reissue_message": "MISSING" },
                "capabilities": ["client_update", "telemetry.v1"],
                "init_registrations": frame.header.get("registrations").cloned().unwrap_or(json!([])),
                "offline_storage": {},
            });
            Received::Reply(Frame::new(header, &Value::Null))
        }
        "message" => {
            let request = &frame.header["http_request"];
            let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
            Received::Request(Request {
                host: text("host"),
                method: text("method"),
                path: text("path"),
                params: request["params"].as_object().cloned().unwrap_or_default(),
                body: serde_json::from_slice(&frame.payload).unwrap_or_default(),
            })
        }
        "reply" | "telemetry" | "close" => Received::Nothing,
        _ => {
            let header = json!({ "id": id, "method": "reply", "status": ok });
            Received::Reply(Frame::new(header, &Value::Null))
        }
    }
}

/// The reply that carries an HTTP answer.
pub(crate) fn http_reply(request: &Frame, status: u16, body: &Value) -> Frame {
    let header = json!({
        "id": request.header["id"],
        "method": "reply",
        "status": { "code": 200, "status": "OK" },
        "http_status": { "code": status, "status": "OK" },
        "http_headers": {},
    });
    Frame::new(header, body)
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
