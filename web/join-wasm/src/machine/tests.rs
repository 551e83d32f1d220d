//! The page, as a person and a service find it.
