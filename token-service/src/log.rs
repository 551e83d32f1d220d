//! The shape of the log: a JSON object for each line.
//!
//! With tracing-subscriber's own JSON and a span for each request, the two lines of a request were a quarter of what it cost.
//! Here the id of the request goes with its task, and a line is written in one go.

use std::{
    fmt::{self, Write as _},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

tokio::task_local! {
    static REQUEST: Arc<str>;
}

/// What `work` logs belongs to the request with this id.
pub async fn of_request<W: Future>(id: Arc<str>, work: W) -> W::Output {
    REQUEST.scope(id, work).await
}

/// The same for work that does not wait.
pub fn of_request_now<R>(id: &Arc<str>, work: impl FnOnce() -> R) -> R {
    REQUEST.sync_scope(Arc::clone(id), work)
}

/// What `work` logs, perhaps in a task of its own, belongs to the same request as what is logged here.
pub fn of_same_request<W: Future>(work: W) -> impl Future<Output = W::Output> {
    let id = REQUEST.try_with(Arc::clone).ok();
    async move {
        match id {
            Some(id) => of_request(id, work).await,
            None => work.await,
        }
    }
}

/// Writes what passes `filter` to `writer`. Each line carries the id of the request that it belongs to.
pub fn subscriber<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt().event_format(JsonLines).with_env_filter(filter).with_writer(writer).finish()
}

/// `{"timestamp":…,"level":…,` the event's fields, `"target":…,"request.id":…}`.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        line.write_str("\",\"level\":\"")?;
        line.write_str(metadata.level().as_str())?;
        line.write_char('"')?;
        let mut fields = Fields { to: line, result: Ok(()) };
        event.record(&mut fields);
        let Fields { to: mut line, result } = fields;
        result?;
        line.write_str(",\"target\":")?;
        text(&mut line, metadata.target())?;
        // Nothing is written outside of a request.
        let id = REQUEST.try_with(|id| {
            line.write_str(",\"request.id\":")?;
            text(&mut line, id)
        });
        id.unwrap_or(Ok(()))?;
        line.write_str("}\n")
    }
}

/// Writes `,"name":value` for each field.
struct Fields<'w> {
    to: Writer<'w>,
    result: fmt::Result,
}

impl Fields<'_> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let write = |to: &mut Writer<'_>| {
            // Names are Rust's identifiers and dots: nothing to escape.
            to.write_str(",\"")?;
            to.write_str(field.name().strip_prefix("r#").unwrap_or(field.name()))?;
            to.write_str("\":")?;
            value(to)
        };
        if self.result.is_ok() {
            self.result = write(&mut self.to);
        }
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(
            field,
            |to| if value.is_finite() { write!(to, "{value:?}") } else { to.write_str("null") },
        );
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |to| write!(to, "{value}"));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |to| write!(to, "{value}"));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |to| write!(to, "{value}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |to| text(to, value));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |to| {
            to.write_char('"')?;
            write!(Escaping(to), "{value:?}")?;
            to.write_char('"')
        });
    }
}

/// A string of JSON.
fn text(to: &mut Writer<'_>, text: &str) -> fmt::Result {
    to.write_char('"')?;
    Escaping(to).write_str(text)?;
    to.write_char('"')
}

/// Writes what may stand within a string of JSON.
struct Escaping<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let must_be_escaped = |c: char| matches!(c, '"' | '\\' | '\0'..='\x1f');
        let mut rest = text;
        while let Some(at) = rest.find(must_be_escaped) {
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut chars = from.chars();
            match chars.next() {
                Some(quoted @ ('"' | '\\')) => write!(self.0, "\\{quoted}")?,
                Some('\n') => self.0.write_str("\\n")?,
                Some(control) => write!(self.0, "\\u{:04x}", u32::from(control))?,
                None => {}
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

/// So many bytes are written even in the middle of a turn.
const FULL: usize = 64 * 1024;

/// Standard error, for a runtime of one thread: lines are gathered while it has something to do, and written all at once
/// when it has not. Nothing is held back while the thread sleeps, and nothing for longer than the tasks that are due take.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Gathered>>);

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    /// The thread has something to do, and will say when it has not.
    busy: bool,
}

impl Gathered {
    fn write_out(&mut self) {
        // Where standard error is gone, nobody can be told.
        io::Write::write_all(&mut io::stderr(), &self.lines).unwrap_or_default();
        self.lines.clear();
        self.lines.shrink_to(FULL);
    }
}

impl Lines {
    /// The thread has something to do.
    pub fn gather(&self) {
        self.gathered().busy = true;
    }

    /// The thread has nothing to do, or ends.
    pub fn write_out(&self) {
        let mut gathered = self.gathered();
        gathered.busy = false;
        if !gathered.lines.is_empty() {
            gathered.write_out();
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut gathered = self.gathered();
        gathered.lines.extend_from_slice(line);
        if !gathered.busy || gathered.lines.len() >= FULL {
            gathered.write_out();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(events: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = subscriber("trace".parse().unwrap(), move || writer.clone());
        tracing::subscriber::with_default(subscriber, events);
        let bytes = kept.0.lock().unwrap();
        let lines = std::str::from_utf8(&bytes).unwrap().lines();
        let mut lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &mut lines {
            let at = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            at.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        }
        lines
    }

    #[test]
    fn a_line_is_one_object_of_json_with_whatever_stands_in_its_fields() {
        let nasty = "quote \" backslash \\ newline \n bell \u{7} é 😀";
        let lines = logged(|| {
            tracing::warn!(a = 1_u64, b = -1_i64, c = true, d = 0.5, e = f64::NAN, f = ?nasty, g = %nasty, "{nasty}");
            let within = || tracing::info!(r#type = nasty, none = None::<u64>);
            of_request_now(&nasty.into(), within);
        });
        let target = "token_service::log::tests";
        assert_eq!(
            lines,
            [
                json!({
                    "level": "WARN", "a": 1, "b": -1, "c": true, "d": 0.5, "e": null, "f": format!("{nasty:?}"),
                    "g": nasty, "message": nasty, "target": target,
                }),
                json!({"level": "INFO", "type": nasty, "target": target, "request.id": nasty}),
            ]
        );
    }

    #[tokio::test]
    async fn what_a_task_of_its_own_does_for_a_request_belongs_to_it() {
        let id = || REQUEST.try_with(ToString::to_string).unwrap_or_default();
        let spawned =
            of_request("one".into(), async { tokio::spawn(of_same_request(async move { id() })).await });
        assert_eq!(spawned.await.unwrap(), "one");
        assert_eq!(of_same_request(async move { id() }).await, "");
    }

    #[test]
    fn lines_are_gathered_only_while_the_thread_is_busy_and_only_so_many() {
        use io::Write as _;
        let mut lines = Lines::default();
        let held = |lines: &Lines| lines.gathered().lines.len();
        lines.write_all(b"\n").unwrap();
        assert_eq!(held(&lines), 0, "written at once");
        lines.gather();
        lines.write_all(b"\n").unwrap();
        assert_eq!(held(&lines), 1);
        lines.write_all(&[b'\n'; FULL]).unwrap();
        assert_eq!(held(&lines), 0, "too many");
        lines.write_all(b"\n").unwrap();
        lines.write_out();
        assert_eq!(held(&lines), 0);
        lines.write_all(b"\n").unwrap();
        assert_eq!(held(&lines), 0, "written at once");
    }
}
