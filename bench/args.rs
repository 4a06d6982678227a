//! `--name value` pairs of a program's command line.
//!
//! - A name that the program has not asked for is an error, so a typing error is never a default.

use std::collections::BTreeMap;
use std::str::FromStr;

/// The command line, taken apart.
pub struct Args {
    pairs: BTreeMap<String, String>,
}

impl Args {
    /// The arguments of this process.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn of_process() -> Result<Args, String> {
        let mut pairs = BTreeMap::new();
        let mut args = std::env::args().skip(1).peekable();
        while let Some(arg) = args.next() {
            let Some(name) = arg.strip_prefix("--") else {
                return Err(format!("{arg} is no flag; flags start with --"));
            };
            let value = args.next_if(|next| !next.starts_with("--"));
            pairs.insert(name.to_owned(), value.unwrap_or_else(|| "true".to_owned()));
        }
        Ok(Args { pairs })
    }

    /// The value of a flag, or its default.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn take<T: FromStr>(&mut self, name: &str, default: T) -> Result<T, String> {
        Ok(self.take_if_given(name)?.unwrap_or(default))
    }

    /// The value of a flag that need not be given.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn take_if_given<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.pairs.remove(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("--{name} cannot be {text}"))
    }

    /// Call it when every flag has been taken.
    ///
    /// # Errors
    /// A sentence that names a flag nobody asked for.
    pub fn finish(self) -> Result<(), String> {
        match self.pairs.keys().next() {
            Some(name) => Err(format!("there is no flag --{name}")),
            None => Ok(()),
        }
    }
}
