//! Twilio's IAM in the test's own runtime: it says nothing before it is told to, and keeps to the test's time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore};

use super::WORKER;

/// Vouches for every token as Ann's, but only when [`Gate::answer`] allows.
pub struct Gate {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    asked: AtomicUsize,
    asks: Semaphore,
    answers: Semaphore,
    thinks: Mutex<Duration>,
}

impl Gate {
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            asked: AtomicUsize::new(0),
            asks: Semaphore::new(0),
            answers: Semaphore::new(0),
            thinks: Mutex::new(Duration::ZERO),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let at_the_gate = Arc::clone(&shared);
        let answer = move || {
            let shared = Arc::clone(&at_the_gate);
            async move { Json(shared.answer().await) }
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        Self { url, shared }
    }

    /// Waits until it is asked once more.
    pub async fn asked(&self) {
        self.shared.asks.acquire().await.unwrap().forget();
    }

    /// How often it was asked in all.
    pub fn count(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Allows this many answers at once, each of which takes this long.
    pub fn answer(&self, times: usize, each: Duration) {
        *self.shared.thinks.lock().unwrap() = each;
        self.shared.answers.add_permits(times);
    }
}

impl Shared {
    async fn answer(&self) -> Value {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.asks.add_permits(1);
        self.answers.acquire().await.unwrap().forget();
        let thinks = *self.thinks.lock().unwrap();
        tokio::time::sleep(thinks).await;
        json!({
            "valid": true, "expiration": "2999-01-01T00:00:00Z", "identity": "ann", "roles": ["agent"], "worker_sid": WORKER,
        })
    }
}
