//! A callback that is to be delivered.

/// A callback to be delivered, in the order in which they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// Whereto.
    pub url: String,
    /// `POST` or `GET`.
    pub method: Method,
    /// The form.
    pub fields: Vec<(&'static str, String)>,
}

/// How a callback is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As the query.
    Get,
    /// As the body.
    Post,
}

impl Method {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}
