//! TaskRouter: the worker and its activities, tasks and reservations, and the event bridge through which Flex UI
//! sees and changes them.

pub(crate) mod bridge;
mod expression;
pub(crate) mod interactions;
pub mod machine;
mod resource;
pub(crate) mod rest;
