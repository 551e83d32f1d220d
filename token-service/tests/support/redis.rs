//! A real Redis: `redis-server` of the distribution. Where there is none, tests say so and pass.

#![expect(clippy::print_stderr, reason = "a test that is left out says so")]

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use kernel::Secret;
use tokio::net::TcpStream;

use super::until;

pub struct Redis {
    pub child: Child,
    pub port: u16,
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Redis {
    /// Without a disk, on a free port of this machine; `None` where it is not installed.
    pub async fn start(port: Option<u16>) -> Option<Self> {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = port.unwrap_or_else(free);
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--requirepass", "canary"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            eprintln!("skipped: redis-server is not installed");
            return None;
        };
        let redis = Self { child, port };
        until("redis-server listens", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        Some(redis)
    }

    pub fn url(&self) -> Secret {
        Secret::new(format!("redis://:canary@127.0.0.1:{}/0", self.port))
    }
}
