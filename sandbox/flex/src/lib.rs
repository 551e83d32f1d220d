//! sandbox/flex
