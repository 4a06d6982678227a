//! The binary `pulsora`: installs the counting allocator and runs the command line.

mod cli;

use std::process::ExitCode;

/// Counts every byte: `memory.limit` is kept by this count.
#[global_allocator]
static ALLOCATOR: pulsora_server::CountingAllocator = pulsora_server::CountingAllocator;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
