//! The page of a video call: the customer's, and the agent's window.
