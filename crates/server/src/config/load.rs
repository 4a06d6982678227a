//! Where values come from: the file, then the environment, then flags; later ones win.
//!
//! Invariants: a key that the table does not know is an error that names the nearest one, and the
//! place; only variables that start with `PULSORA_` and hold `__` are looked at.

use std::path::Path;

use pulsora_model::name::nearest;
use pulsora_model::{Code, Error, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, keys};
use super::value::check;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The table of keys.
    Default,
    /// The configuration file, with the line.
    File(usize),
    /// This environment variable.
    Environment(String),
    /// The flag or `--set`.
    Flag,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(line) => write!(f, "file, line {line}"),
            Origin::Environment(variable) => write!(f, "environment, {variable}"),
            Origin::Flag => f.write_str("command line"),
        }
    }
}

/// A key with its effective value.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// The value as it was written.
    pub text: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Reads all sources over the defaults; one entry per key, in the order of the table.
///
/// # Errors
/// `invalid_config` for unknown keys and values that do not fit, `io_error` when the file cannot be
/// read.
pub(super) fn load(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    flags: &[(String, String)],
) -> Result<Vec<Setting>> {
    let mut settings: Vec<Setting> = keys()
        .iter()
        .map(|key| Setting { key, text: key.default.to_owned(), origin: Origin::Default })
        .collect();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::io(format!("read the configuration {}", path.display()), error)
        })?;
        read_file(&text, &mut settings).map_err(|error| error.context(path.display()))?;
    }
    read_environment(env, &mut settings)?;
    for (name, value) in flags {
        set(&mut settings, name, value, Origin::Flag)?;
    }
    Ok(settings)
}

fn read_file(text: &str, settings: &mut [Setting]) -> Result<()> {
    let root = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        Error::new(Code::InvalidConfig, format!("line {line}: {}", error.message()))
            .hint("the file is TOML: [section], then key = \"value\"")
    })?;
    for (section, value) in root.get_ref() {
        let line = line_of(text, section.span().start);
        let DeValue::Table(table) = value.get_ref() else {
            return Err(unknown(section.get_ref()).context(format!("line {line}")));
        };
        read_section(text, section.get_ref(), table, settings)?;
    }
    Ok(())
}

fn read_section(
    text: &str,
    section: &str,
    table: &DeTable<'_>,
    settings: &mut [Setting],
) -> Result<()> {
    for (leaf, value) in table {
        let line = line_of(text, leaf.span().start);
        let name = format!("{section}.{}", leaf.get_ref());
        let place = |error: Error| error.context(format!("line {line}"));
        let value = scalar(&name, value).map_err(place)?;
        set(settings, &name, &value, Origin::File(line)).map_err(place)?;
    }
    Ok(())
}

fn scalar(name: &str, value: &Spanned<DeValue<'_>>) -> Result<String> {
    Ok(match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        _ => {
            return Err(Error::new(
                Code::InvalidConfig,
                format!("{name} is neither text, whole number, true nor false"),
            )
            .hint("write it as text: key = \"value\""));
        }
    })
}

fn read_environment(
    env: impl Iterator<Item = (String, String)>,
    settings: &mut [Setting],
) -> Result<()> {
    for (variable, value) in env {
        let Some(rest) = variable.strip_prefix("PULSORA_").filter(|rest| rest.contains("__"))
        else {
            continue;
        };
        let name = rest.replacen("__", ".", 1).to_lowercase();
        set(settings, &name, &value, Origin::Environment(variable.clone()))
            .map_err(|error| error.context(format!("environment variable {variable}")))?;
    }
    Ok(())
}

fn set(settings: &mut [Setting], name: &str, text: &str, origin: Origin) -> Result<()> {
    let setting = settings
        .iter_mut()
        .find(|setting| setting.key.name == name)
        .ok_or_else(|| unknown(name))?;
    check(setting.key, text).map_err(|error| error.context(name))?;
    text.clone_into(&mut setting.text);
    setting.origin = origin;
    Ok(())
}

fn unknown(name: &str) -> Error {
    let error = Error::new(Code::InvalidConfig, format!("unknown key {name}"));
    let near = nearest(name, keys().iter().map(|key| key.name));
    match near.first() {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("`pulsora config` prints every key"),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}
