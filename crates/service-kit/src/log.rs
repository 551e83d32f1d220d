//! The shape of the log: a JSON object for each line.
//!
//! With tracing-subscriber's own JSON and a span for each request, the two lines of a request were a quarter of what it cost.
//! Here the id of the request goes with its task, and a line is written in one go.

use std::{
    fmt::{self, Write as _},
    io,
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    filter::ParseError,
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

/// The filter that an operator has written for the program called `name`. What it says of the program's own lines, by the name
/// of its crate, is also for those that the kit writes for it.
///
/// # Errors
/// When it is no filter.
pub fn filter(text: &str, name: &str) -> Result<EnvFilter, ParseError> {
    let (own, kit) = (name.replace('-', "_"), env!("CARGO_CRATE_NAME"));
    let of_the_program = text.split(',').filter_map(|directive| {
        let rest = directive.strip_prefix(&own)?;
        rest.is_empty().then_some("=trace").or_else(|| rest.starts_with('=').then_some(rest))
    });
    let of_the_kit: Vec<String> = of_the_program.map(|rest| format!("{kit}{rest}")).collect();
    // Ahead of the operator's own directives, of which the last one for a target counts.
    let all: Vec<&str> = of_the_kit.iter().map(String::as_str).chain([text]).collect();
    EnvFilter::builder().parse(all.join(","))
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

/// So many bytes of lines may wait for whoever reads them; what does not fit is lost, and counted.
const ROOM: usize = 1024 * 1024;

/// So much room is kept for lines when there are few of them.
const USUAL_ROOM: usize = 64 * 1024;

/// How long the writer rests when it has written: what is logged meanwhile is written in one go, so that under load
/// logging costs neither a system call nor a switch of threads for each request.
const REST: Duration = Duration::from_millis(2);

/// How long it is before a reader that would have to be waited for is asked again.
const NOT_NOW: Duration = Duration::from_millis(10);

/// Lines of this process that nobody took. Of the process, as its log is.
static LOST: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Counts the lines of the log that nobody took.
#[must_use]
pub fn lost() -> Counter {
    LOST.clone()
}

/// The log on its way to whoever reads it. A thread of its own writes: whoever logs never waits, also when the log is a
/// pipe whose reader stands still.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There are lines again.
    some: Condvar,
    /// All lines are written.
    none: Condvar,
}

/// Lines that are not written yet, in their order.
#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// So many did not fit after those.
    lost: u64,
    /// The writer has nothing to do, and wants to be woken.
    idle: bool,
}

impl Waiting {
    /// Keeps a line, if there is room; true when the writer must be woken for it. Once a line is lost, so are all until the
    /// writer has taken those before it: what is missing is missing in one place.
    fn push(&mut self, line: &[u8]) -> bool {
        if self.lost > 0 || self.lines.len().saturating_add(line.len()) > ROOM {
            self.lost += 1;
            LOST.inc();
            return false;
        }
        self.lines.extend_from_slice(line);
        std::mem::take(&mut self.idle)
    }

    /// Moves everything into `taken`, which is empty, with a line of its own for those that were lost.
    fn take(&mut self, taken: &mut Vec<u8>) {
        std::mem::swap(&mut self.lines, taken);
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            let mut at = String::new();
            // Writing to a String cannot fail.
            SystemTime.format_time(&mut Writer::new(&mut at)).unwrap_or_default();
            let target = module_path!();
            let line = format!(
                "{{\"timestamp\":\"{at}\",\"level\":\"WARN\",\"lost\":{lost},\"message\":\"{lost} lines were lost, since nobody \
                 read the log\",\"target\":\"{target}\"}}\n"
            );
            taken.extend_from_slice(line.as_bytes());
        }
    }

    const fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.lost == 0
    }
}

impl Lines {
    /// Lines that go to `reader`, from a thread of their own.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn to(reader: impl io::Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let lines = Self(Arc::clone(&shared));
        std::thread::Builder::new().name("log".into()).spawn(move || shared.write_on(reader))?;
        Ok(lines)
    }

    /// Lines that go to standard error. Not by std's handle: whoever is kept waiting by the reader would hold its lock.
    ///
    /// # Errors
    /// When the system gives no thread or no handle.
    pub fn to_stderr() -> io::Result<Self> {
        #[cfg(unix)]
        let stderr = std::fs::File::from(std::os::fd::AsFd::as_fd(&io::stderr()).try_clone_to_owned()?);
        #[cfg(not(unix))]
        let stderr = io::stderr();
        Self::to(stderr)
    }

    /// Waits until all is written, but no longer than `patience`; whether it is.
    pub fn finish(&self, patience: Duration) -> bool {
        let waiting = self.0.waiting();
        let unfinished = |waiting: &mut Waiting| !(waiting.idle && waiting.is_empty());
        let waited = self.0.none.wait_timeout_while(waiting, patience, unfinished);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes whatever comes, for as long as the process lives.
    fn write_on(&self, mut reader: impl io::Write) {
        let mut taken = Vec::new();
        loop {
            let mut waiting = self.waiting();
            waiting.idle = waiting.is_empty();
            if waiting.idle {
                self.none.notify_all();
            }
            let waited = self.some.wait_while(waiting, |waiting| waiting.is_empty());
            waited.unwrap_or_else(PoisonError::into_inner).take(&mut taken);
            if write_all(&mut reader, &taken).is_err() {
                // Where there is no reader any more, nobody can be told.
                LOST.inc_by(taken.split(|byte| *byte == b'\n').count().saturating_sub(1) as u64);
            }
            taken.clear();
            taken.shrink_to(USUAL_ROOM);
            rest(REST);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the log's own thread, which has no runtime")]
fn rest(time: Duration) {
    std::thread::sleep(time);
}

/// As [`io::Write::write_all`], but also for a reader that another process has told not to keep anybody waiting.
fn write_all(reader: &mut impl io::Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match reader.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => rest(NOT_NOW),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Each `write` is one line, as tracing-subscriber gives it.
impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let wake = self.0.waiting().push(line);
        if wake {
            self.0.some.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

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
        let target = "service_kit::log::tests";
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

    #[test]
    fn what_an_operator_wants_to_read_of_the_program_is_also_read_of_the_kit() {
        for (text, meant) in [
            ("info", "info"),
            ("my_service=debug,warn", "my_service=debug,service_kit=debug,warn"),
            ("warn,my_service", "warn,my_service,service_kit"),
            ("my_service::log=debug", "my_service::log=debug"),
            ("my_service=debug,service_kit=off", "my_service=debug,service_kit=off"),
        ] {
            let (read, meant) = (filter(text, "my-service").unwrap(), meant.parse::<EnvFilter>().unwrap());
            let in_order = |filter: &EnvFilter| {
                let mut directives: Vec<String> = filter.to_string().split(',').map(Into::into).collect();
                directives.sort();
                directives
            };
            assert_eq!(in_order(&read), in_order(&meant), "{text}");
        }
        assert!(filter("my_service=loud", "my-service").is_err());
    }

    #[tokio::test]
    async fn what_a_task_of_its_own_does_for_a_request_belongs_to_it() {
        let id = || REQUEST.try_with(ToString::to_string).unwrap_or_default();
        let spawned =
            of_request("one".into(), async { tokio::spawn(of_same_request(async move { id() })).await });
        assert_eq!(spawned.await.unwrap(), "one");
        assert_eq!(of_same_request(async move { id() }).await, "");
    }

    /// A reader that takes nothing until it is told to, and says when it is asked.
    struct Gate {
        asked: mpsc::Sender<()>,
        open: mpsc::Receiver<()>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl io::Write for Gate {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            self.asked.send(()).unwrap_or_default();
            // Once the other end is gone, it stays open.
            self.open.recv().unwrap_or_default();
            self.read.lock().unwrap().write(lines)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Long enough for any machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_reader_that_stands_still_keeps_nobody_waiting_and_is_told_what_it_missed_and_where() {
        use io::Write as _;
        let (asked, is_asked) = mpsc::channel();
        let (opens, open) = mpsc::channel();
        let read = Arc::<Mutex<Vec<u8>>>::default();
        let mut lines = Lines::to(Gate { asked, open, read: Arc::clone(&read) }).unwrap();
        lines.write_all(b"first\n").unwrap();
        is_asked.recv_timeout(PATIENCE).unwrap();
        assert!(!lines.finish(Duration::ZERO), "the first is not taken yet");

        // The writer hangs. Whoever logs goes on, also when there is no room any more.
        let line = [&[b'x'; 99][..], b"\n"].concat();
        let fitting = ROOM / line.len();
        let before = lost().get();
        for _ in 0..fitting + 3 {
            lines.write_all(&line).unwrap();
        }
        lines.write_all(b"short\n").unwrap();
        assert_eq!(lost().get() - before, 4, "what would fit after what was lost is lost too");
        assert!(lines.0.waiting().lines.capacity() <= 2 * ROOM);

        drop(opens);
        assert!(lines.finish(PATIENCE));
        lines.write_all(b"last\n").unwrap();
        assert!(lines.finish(PATIENCE));
        let text = String::from_utf8(read.lock().unwrap().clone()).unwrap();
        let read: Vec<&str> = text.lines().collect();
        assert_eq!(read.len(), fitting + 3);
        assert_eq!((read[0], read[fitting], read[fitting + 2]), ("first", &*"x".repeat(99), "last"));
        let mut told: Value = serde_json::from_str(read[fitting + 1]).unwrap();
        let at = told.as_object_mut().unwrap().remove("timestamp").unwrap();
        at.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(
            told,
            json!({
                "level": "WARN", "lost": 4, "message": "4 lines were lost, since nobody read the log",
                "target": "service_kit::log",
            })
        );
    }

    #[test]
    fn a_reader_in_haste_or_of_small_bites_gets_every_byte_and_one_that_is_gone_is_not_waited_for() {
        /// Answers each call with the next of these: so many bytes, or why not.
        struct Answers(Vec<Result<usize, io::ErrorKind>>, Vec<u8>);
        impl io::Write for Answers {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let taken = self.0.pop().unwrap()?.min(bytes.len());
                self.1.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (interrupted, not_now) = (io::ErrorKind::Interrupted, io::ErrorKind::WouldBlock);
        let mut reader = Answers(vec![Ok(99), Err(not_now), Ok(2), Err(interrupted), Ok(1)], Vec::new());
        write_all(&mut reader, b"a line\n").unwrap();
        assert_eq!((reader.1.as_slice(), reader.0.len()), (&b"a line\n"[..], 0));
        for gone in [Ok(0), Err(io::ErrorKind::BrokenPipe)] {
            assert!(write_all(&mut Answers(vec![gone], Vec::new()), b"a line\n").is_err());
        }
    }
}
