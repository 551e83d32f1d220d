//! The ceiling: what one core could do if answering cost nothing but the token itself.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::Result;
use kernel::{AccountSid, Identity, Secret, Timestamp};
use serde_json::{Value, json};
use twilio::{
    ApiKey, ApiKeySid,
    access_token::{AccessToken, VoiceGrant},
};

const ROUNDS: u32 = 5;
const ROUND: Duration = Duration::from_millis(300);

/// The best of several rounds, since another program may be using the core.
pub fn run() -> Result<Value> {
    let account = AccountSid::new(format!("AC{}", "1".repeat(32)))?;
    let key = ApiKey::new(ApiKeySid::new(format!("SK{}", "2".repeat(32)))?, Secret::new("s".repeat(32)));
    let identity = Identity::new("ext_agent_40example_2Ecom")?;
    let mut best: f64 = 0.0;
    for round in 0..ROUNDS {
        let (start, mut made) = (Instant::now(), 0_u32);
        while start.elapsed() < ROUND {
            for _ in 0..100 {
                let now = Timestamp::from_millis(1_700_000_000_000 + u64::from(made));
                let mut random = [0; 12];
                random[..4].copy_from_slice(&made.to_le_bytes());
                random[4..8].copy_from_slice(&round.to_le_bytes());
                let token = AccessToken::new(account.clone(), &key, identity.clone(), now)
                    .voice(VoiceGrant::incoming_only())
                    .unique(random)
                    .to_jwt();
                black_box(token);
                made += 1;
            }
        }
        best = best.max(f64::from(made) / start.elapsed().as_secs_f64());
    }
    Ok(json!({"per_second": best}))
}
