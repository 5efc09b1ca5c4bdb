//! How far long work has come, for whoever shows it.

/// How far one step of a fetch has come.
pub struct Progress<'a> {
    /// The step, for people: a file, a URL, "unpacking NAME".
    pub what: &'a str,
    /// Bytes, or pictures of a set that is drawn, so far.
    pub done: u64,
    /// As many in the end; `None` while nobody knows.
    pub total: Option<u64>,
}

/// Hears of progress several times a second.
pub type Report<'a> = &'a mut dyn FnMut(Progress<'_>);
