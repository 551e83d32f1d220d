//! sandbox/voice
