//! voice-sdk
