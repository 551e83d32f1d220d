//! What every part of the sandbox's account has: a clock, how Twilio writes a time and an error, who asks by basic
//! authentication, and the list of what is broken on purpose.

pub mod answer;
pub mod basic;
pub mod clock;
pub mod fault;
