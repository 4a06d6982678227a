//! The configuration for people: the effective one as TOML, and the reference page.

use std::fmt::Write;

use super::keys::{Key, Kind, keys};
use super::typed::Config;
use super::value::bytes_text;

impl Config {
    /// The effective configuration as TOML that [`Config::load`] reads back, with what each key does
    /// and where its value came from as comments.
    pub fn print(&self) -> String {
        let mut out = String::from(
            "# Effective configuration. Later sources win: file, environment, command line.\n",
        );
        let mut section = "";
        for setting in &self.settings {
            if setting.key.section() != section {
                section = setting.key.section();
                push(&mut out, format_args!("\n[{section}]\n"));
            }
            wrap(&mut out, setting.key.doc);
            let now = self.resolved(setting.key.name).filter(|_| setting.text == "auto");
            let now = now.map(|now| format!(" = {now}")).unwrap_or_default();
            push(&mut out, format_args!("# from: {}{now}\n", setting.origin));
            let value = toml_value(setting.key, &setting.text);
            push(&mut out, format_args!("{} = {value}\n\n", setting.key.leaf()));
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    fn resolved(&self, name: &str) -> Option<String> {
        Some(match name {
            "memory.limit" => bytes_text(self.memory.limit),
            "storage.flush_bytes" => bytes_text(self.storage.flush_bytes),
            "query.concurrency" => self.query.concurrency.to_string(),
            "query.queue" => self.query.queue.to_string(),
            "query.cache" => bytes_text(self.query.cache_bytes),
            _ => return None,
        })
    }
}

/// The reference page `docs/configuration.md`, made from the table of keys.
pub fn markdown() -> String {
    let mut out = String::from(HEAD);
    let mut section = "";
    for key in keys() {
        if key.section() != section {
            section = key.section();
            push(&mut out, format_args!("\n## {section}\n\n{COLUMNS}"));
        }
        let flag = key.flag.map(|flag| format!("`--{flag}`")).unwrap_or_default();
        let default = if key.default.is_empty() { "(not set)" } else { key.default };
        push(
            &mut out,
            format_args!(
                "| `{}` | `{default}` | {} | `{}` | {flag} | {} |\n",
                key.name,
                key.kind.form(),
                key.variable(),
                key.doc
            ),
        );
    }
    out
}

const COLUMNS: &str =
    "| key | default | value | environment | flag | meaning |\n|---|---|---|---|---|---|\n";

const HEAD: &str = "# Configuration

<!-- Made from the table of keys in crates/server/src/config/keys.rs; a test compares the two. -->

Nothing needs to be configured. Values come from four places; later ones win: the defaults below, a TOML
file (`pulsora serve -c pulsora.toml`), environment variables (`PULSORA_SECTION__KEY`; only variables with
`__` are read), and flags of the command line. A key that does not exist is an error that names the nearest
one. `pulsora config` prints the effective configuration, with what each key does and where its value came
from, as a file that can be used again.

```toml
[server]
listen = \"0.0.0.0:8080\"

[storage]
data_dir = \"/var/lib/pulsora\"

[memory]
limit = \"4GiB\"
```

Sizes are numbers with `B`, `KB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`, `GiB`, `TiB` (powers of
1024); time spans are numbers with `us`, `ms`, `s`, `m`, `h`, `d`, `w`, also one after the other (`1h30m`).
Digits may be grouped: `1_000_000`.
";

fn toml_value(key: &Key, text: &str) -> String {
    match key.kind {
        Kind::Bool => text.to_owned(),
        Kind::Count { .. } if text.parse::<u64>().is_ok_and(|n| n.to_string() == text) => {
            text.to_owned()
        }
        _ => toml::Value::String(text.to_owned()).to_string(),
    }
}

/// Writes `text` as comment lines of at most 98 characters.
fn wrap(out: &mut String, text: &str) {
    let mut width = 0;
    for word in text.split_whitespace() {
        if width == 0 || width + word.len() + 1 > 98 {
            out.push_str(if width == 0 { "#" } else { "\n#" });
            width = 1;
        }
        out.push(' ');
        out.push_str(word);
        width += word.len() + 1;
    }
    out.push('\n');
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = out.write_fmt(text);
}
