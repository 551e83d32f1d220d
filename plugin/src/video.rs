//! An agent's chat goes on face to face: the button in a task's header, and the card above the task while a call is there.

pub mod machine;
