//! The configuration: one table of keys from which defaults, file, environment, flags, help, the
//! printed configuration and `docs/configuration.md` come.
//!
//! `keys.rs` the table · `value.rs` texts such as `10m` and `64MiB` to values · `load.rs` file <
//! environment < flags · `typed.rs` the struct that the server reads · `machine.rs` what `auto`
//! memory means here · `print.rs` the effective configuration and the reference page.

mod keys;
mod load;
mod machine;
mod print;
mod typed;
mod value;

pub use keys::{Key, Kind, keys};
pub use load::{Origin, Setting};
pub use print::markdown;
pub use typed::{
    Config, IngestConfig, LimitsConfig, LogFormat, LoggingConfig, MemoryConfig, QueryConfig,
    ServerConfig, StorageConfig, TcpConfig, WalConfig,
};
pub use value::{parse_bytes, parse_duration};

#[cfg(test)]
mod tests;
