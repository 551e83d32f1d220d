//! Where settings come from: flags and variables first, then a part of the file (an account's, say), then the rest of it.
//!
//! Every mistake is kept, so that all of them can be told at once. No message repeats a value, which could be a secret
//! put in the wrong place.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt::{self, Display},
    io::ErrorKind,
    num::NonZeroU32,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use kernel::Secret;
use toml::{Table, Value};
use tracing_subscriber::EnvFilter;

/// What a flag, or the variable that stands for it, says.
#[derive(Clone, Debug)]
pub enum Given {
    /// One text.
    Text(String),
    /// Several.
    List(Vec<String>),
}

/// A setting that is not usable. The message never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not of the form that it must have.
    #[error("{name} is not a valid {expected}")]
    Malformed {
        /// The flag, the variable, or the name in the file.
        name: String,
        /// What was expected, for a person.
        expected: &'static str,
    },
    /// A list with nothing between two commas, or nothing at all.
    #[error("{0} has an entry with nothing in it: is there a comma too many?")]
    EmptyEntry(String),
    /// A list whose entries are separated by blanks, or with one in an entry: no role, origin or network has any.
    #[error("{0} has an entry with a blank within: entries are separated by commas")]
    BlankWithin(String),
    /// Must be there and is not.
    #[error("{name} must be set: {expected}")]
    Missing {
        /// The setting that names the file.
        name: String,
        /// The setting that names the file.
        expected: &'static str,
    },
    /// A secret that must be there is not.
    #[error("{0} or {1} must be set")]
    MissingSecret(String, String),
    /// A secret is given twice, and it would be a guess which one counts.
    #[error("{0} and {1} are both set; set one of them")]
    SecretTwice(String, String),
    /// A file cannot be read.
    #[error("the file that {name} names cannot be read: {cause}")]
    File {
        /// The setting that names the file.
        name: String,
        /// What the operating system says.
        cause: ErrorKind,
    },
    /// The file with the settings is no TOML.
    #[error("the file with the settings is not TOML: line {line}: {message}")]
    NotToml {
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// Nobody knows this setting.
    #[error("{0} is no setting; is it misspelt?")]
    UnknownSetting(String),
    /// Settings that do not go together, or something else in words.
    #[error("{0}")]
    Contradiction(String),
}

/// All that is wrong, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Reads the environment.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What is particular to one service's settings.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Flags that are not called as their settings are.
    pub flags: &'static [(&'static str, &'static str)],
    /// What people put in a secret's place by mistake: no secret looks like that.
    pub is_no_secret: fn(&str) -> bool,
    /// What a secret is, for a person.
    pub secret: &'static str,
}

/// What all sections share.
pub struct Source<'a> {
    given: BTreeMap<&'static str, Given>,
    file: Table,
    variable: Variable<'a>,
    habits: Habits,
    asked: RefCell<BTreeSet<&'static str>>,
    errors: RefCell<Vec<ConfigError>>,
}

/// A section of the settings: the whole service, or a part of it, which takes from the whole what it does not say.
pub struct Section<'s> {
    source: &'s Source<'s>,
    own: Option<(&'s Table, String)>,
    asked: RefCell<BTreeSet<&'static str>>,
}

enum Found<'s> {
    Text(&'s str),
    List(&'s [String]),
    Toml(&'s Value),
}

impl<'a> Source<'a> {
    /// Of flags, a file and the environment.
    #[must_use]
    pub fn new(
        given: BTreeMap<&'static str, Given>,
        file: Table,
        variable: Variable<'a>,
        habits: Habits,
    ) -> Self {
        Self { given, file, variable, habits, asked: RefCell::default(), errors: RefCell::default() }
    }

    /// Tells a mistake.
    pub fn error(&self, error: ConfigError) {
        self.errors.borrow_mut().push(error);
    }

    /// The name that a setting has on the command line.
    fn flag(&self, key: &str) -> String {
        let own = self.habits.flags.iter().find(|(setting, _)| *setting == key);
        own.map_or_else(|| format!("--{}", key.replace('_', "-")), |(_, flag)| (*flag).to_owned())
    }

    /// All errors so far, and those of settings in the file that nobody asked for.
    pub fn into_errors(self) -> Vec<ConfigError> {
        let asked = self.asked.into_inner();
        let unknown = self.file.keys().filter(|key| !asked.contains(key.as_str()));
        let mut errors = self.errors.into_inner();
        errors.extend(unknown.map(|key| ConfigError::UnknownSetting(key.clone())));
        errors
    }

    /// The tables of the file's list `key`; one that is no list of tables is told.
    pub fn tables(&self, key: &'static str) -> Vec<&Table> {
        self.tables_of(&self.file, key, "")
    }

    fn tables_of<'t>(&self, table: &'t Table, key: &'static str, at: &str) -> Vec<&'t Table> {
        self.asked.borrow_mut().insert(key);
        let items = match table.get(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items.iter().map(Value::as_table).collect(),
            Some(_) => None,
        };
        items.unwrap_or_else(|| {
            self.error(ConfigError::Malformed {
                name: format!("{at}{key}"),
                expected: "list of tables ([[…]])",
            });
            Vec::new()
        })
    }
}

impl<'s> Section<'s> {
    /// The whole service.
    pub fn whole(source: &'s Source<'s>) -> Self {
        Self { source, own: None, asked: RefCell::default() }
    }

    /// A part with a table of its own, called `at` in messages.
    pub fn part(source: &'s Source<'s>, table: &'s Table, at: String) -> Self {
        Self { source, own: Some((table, at)), asked: RefCell::default() }
    }

    /// Reports the settings of the part's own table that nobody asked for.
    pub fn report_unknown(&self) {
        let Some((table, at)) = &self.own else { return };
        let asked = self.asked.borrow();
        for key in table.keys().filter(|key| !asked.contains(key.as_str())) {
            self.source.error(ConfigError::UnknownSetting(format!("{at}{key}")));
        }
    }

    /// As [`Source::tables`], of the part's own table.
    pub fn tables(&self, key: &'static str) -> Vec<&'s Table> {
        let Some((table, at)) = &self.own else { return Vec::new() };
        self.asked.borrow_mut().insert(key);
        self.source.tables_of(table, key, at)
    }

    /// True when this very section sets it, not only the whole.
    pub fn is_set_here(&self, key: &'static str) -> bool {
        self.find(key, true).is_some()
    }

    /// True when this section or the whole sets it, however badly.
    pub fn is_set(&self, key: &'static str) -> bool {
        self.find(key, false).is_some()
    }

    fn find(&self, key: &'static str, own_only: bool) -> Option<(Found<'s>, String)> {
        let source = self.source;
        if let Some((table, at)) = &self.own {
            self.asked.borrow_mut().insert(key);
            if let Some(value) = table.get(key) {
                return Some((Found::Toml(value), format!("{at}{key}")));
            }
            if own_only {
                return None;
            }
        }
        source.asked.borrow_mut().insert(key);
        match source.given.get(key) {
            Some(Given::Text(text)) => Some((Found::Text(text), source.flag(key))),
            Some(Given::List(list)) => Some((Found::List(list), source.flag(key))),
            None => source.file.get(key).map(|value| (Found::Toml(value), key.to_owned())),
        }
    }

    /// How people write this setting where it is missing.
    #[must_use]
    pub fn name(&self, key: &'static str) -> String {
        self.own.as_ref().map_or_else(|| self.source.flag(key), |(_, at)| format!("{at}{key}"))
    }

    /// Tells that a setting has not the form that it must have.
    pub fn malformed(&self, key: &'static str, expected: &'static str) {
        let name = self.find(key, false).map_or_else(|| self.name(key), |(_, name)| name);
        self.source.error(ConfigError::Malformed { name, expected });
    }

    /// Tells that a setting is missing.
    pub fn missing(&self, key: &'static str, expected: &'static str) {
        self.source.error(ConfigError::Missing { name: self.name(key), expected });
    }

    fn read<T>(
        &self,
        key: &'static str,
        own_only: bool,
        expected: &'static str,
        understand: impl FnOnce(Found<'s>) -> Option<T>,
    ) -> Option<T> {
        let (found, name) = self.find(key, own_only)?;
        let value = understand(found);
        if value.is_none() {
            self.source.error(ConfigError::Malformed { name, expected });
        }
        value
    }

    /// A text that `understand`s; `None` when it is not there, or is malformed, which is told.
    pub fn text<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        understand: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.read(key, false, expected, |found| match found {
            Found::Text(text) => understand(text),
            Found::Toml(value) => value.as_str().and_then(understand),
            Found::List(_) => None,
        })
    }

    /// As [`Section::text`], but never taken from the whole.
    pub fn own_text<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        understand: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.read(key, true, expected, |found| match found {
            Found::Text(text) => understand(text),
            Found::Toml(value) => value.as_str().and_then(understand),
            Found::List(_) => None,
        })
    }

    /// A number within bounds.
    pub fn number(
        &self,
        key: &'static str,
        bounds: RangeInclusive<u64>,
        expected: &'static str,
        default: u64,
    ) -> u64 {
        let number = self.read(key, false, expected, |found| match found {
            Found::Text(text) => text.parse().ok(),
            Found::Toml(value) => value.as_integer().and_then(|number| u64::try_from(number).ok()),
            Found::List(_) => None,
        });
        match number {
            Some(number) if !bounds.contains(&number) => {
                self.malformed(key, expected);
                default
            }
            other => other.unwrap_or(default),
        }
    }

    /// How many: at least one.
    #[must_use]
    pub fn count(&self, key: &'static str, default: u64) -> NonZeroU32 {
        let number = self.number(key, 1..=u32::MAX.into(), "number (1 or more)", default);
        u32::try_from(number).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }

    /// What is logged, as a filter of tracing's; `info` when not said.
    #[must_use]
    pub fn log_filter(&self, key: &'static str) -> String {
        let filter = |text: &str| EnvFilter::builder().parse(text).is_ok().then(|| text.to_owned());
        self.text(key, "log filter (as info)", filter).unwrap_or_else(|| "info".into())
    }

    /// On or off; off when not said.
    pub fn switch(&self, key: &'static str) -> bool {
        let on = self.read(key, false, "switch (true or false)", |found| match found {
            Found::Text(text) => text.parse().ok(),
            Found::Toml(value) => value.as_bool(),
            Found::List(_) => None,
        });
        on.unwrap_or(false)
    }

    /// Several texts, each understood. Commas separate them wherever the list stands, and blanks around them mean nothing.
    pub fn list<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        understand: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let texts: Vec<&str> = self.read(key, false, expected, |found| match found {
            Found::Text(text) => Some(vec![text]),
            Found::List(list) => Some(list.iter().map(String::as_str).collect()),
            Found::Toml(value) => value.as_array()?.iter().map(Value::as_str).collect(),
        })?;
        let entries: Vec<&str> = texts.iter().flat_map(|text| text.split(',')).map(str::trim).collect();
        let name = || self.find(key, false).map_or_else(|| self.name(key), |(_, name)| name);
        if entries.contains(&"") {
            self.source.error(ConfigError::EmptyEntry(name()));
            return None;
        }
        if entries.iter().any(|entry| entry.contains(char::is_whitespace)) {
            self.source.error(ConfigError::BlankWithin(name()));
            return None;
        }
        let understood: Option<Vec<T>> = entries.into_iter().map(understand).collect();
        if understood.is_none() {
            self.malformed(key, expected);
        }
        understood
    }

    /// A secret of the environment: `NAME` holds it, or `NAME_FILE` names a file that does.
    pub fn secret_of_environment(&self, name: &str, required: bool) -> Option<Secret> {
        let source = self.source;
        let file_name = format!("{name}_FILE");
        let text = match ((source.variable)(name), (source.variable)(&file_name).map(PathBuf::from)) {
            (None, None) => {
                if required {
                    source.error(ConfigError::MissingSecret(name.to_owned(), file_name));
                }
                return None;
            }
            (Some(_), Some(_)) => {
                source.error(ConfigError::SecretTwice(name.to_owned(), file_name));
                return None;
            }
            (Some(value), None) => value.into_string().ok(),
            (None, Some(path)) => Some(self.secret_file(&file_name, &path)?),
        };
        self.secret(name.to_owned(), text)
    }

    /// A secret that the file names by `KEY_file` or `KEY_env`. It is never in the file itself.
    pub fn secret_of_file(
        &self,
        [file_key, variable_key]: [&'static str; 2],
        required: bool,
    ) -> Option<Secret> {
        let any = |text: &str| Some(text.to_owned());
        let path = self.own_text(file_key, "path of a file", any).map(PathBuf::from);
        let variable = self.own_text(variable_key, "name of a variable", any);
        match (path, variable) {
            (None, None) => {
                if required && !self.is_set_here(file_key) && !self.is_set_here(variable_key) {
                    let names = (self.name(file_key), self.name(variable_key));
                    self.source.error(ConfigError::MissingSecret(names.0, names.1));
                }
                None
            }
            (Some(_), Some(_)) => {
                let names = (self.name(file_key), self.name(variable_key));
                self.source.error(ConfigError::SecretTwice(names.0, names.1));
                None
            }
            (Some(path), None) => {
                let text = self.secret_file(&self.name(file_key), &path)?;
                self.secret(self.name(file_key), Some(text))
            }
            (None, Some(variable)) => {
                let text = (self.source.variable)(&variable).and_then(|value| value.into_string().ok());
                self.secret(self.name(variable_key), text)
            }
        }
    }

    /// Reads no more than a secret can have, whatever the path leads to.
    fn secret_file(&self, name: &str, path: &Path) -> Option<String> {
        use std::io::Read as _;
        let mut text = String::new();
        match std::fs::File::open(path).and_then(|file| file.take(1024).read_to_string(&mut text)) {
            Ok(_) => Some(text),
            Err(error) => {
                self.source.error(ConfigError::File { name: name.to_owned(), cause: error.kind() });
                None
            }
        }
    }

    fn secret(&self, name: String, text: Option<String>) -> Option<Secret> {
        // Wiped as the secret itself is.
        let whole = Secret::new(text.unwrap_or_default());
        let text = whole.expose().trim_end_matches(['\r', '\n']);
        let habits = &self.source.habits;
        let can_be_one = (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if can_be_one && !(habits.is_no_secret)(text) {
            return Some(Secret::new(text));
        }
        self.source.error(ConfigError::Malformed { name, expected: habits.secret });
        None
    }
}

/// The largest file with settings that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Reads the file with the settings, which `--config` names.
///
/// # Errors
/// [`ConfigError::File`], [`ConfigError::NotToml`].
pub fn read_file(path: &Path) -> Result<Table, ConfigError> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
        .map_err(|error| ConfigError::File { name: "--config".into(), cause: error.kind() })?;
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        // The first line only: what follows can repeat what stands in the file.
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        ConfigError::NotToml { line, message }
    })
}
