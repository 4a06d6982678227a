//! `pulsora serve`: the server, with a banner that says where it is and what to try first.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use clap::ArgMatches;
use pulsora_model::{Error, Result};
use pulsora_server::{logging, serve};

use super::command::Outcome;
use super::{flags, report};

pub(super) fn run(matches: &ArgMatches) -> Result<Outcome> {
    let config = flags::load(matches)?;
    let _log = logging::install(&config.logging)?;
    let data_dir = config.storage.data_dir.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("start the threads of the server", error))?;
    let ready = |address| {
        // The server is up whether or not anyone reads where.
        let _ = report::print_if_read(banner(address, &data_dir).as_bytes());
    };
    runtime.block_on(serve(config, ready)).map_err(with_hint)?;
    Ok(Outcome::Done)
}

/// Says what to do about a port that is taken.
fn with_hint(error: Error) -> Error {
    let cause =
        std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::AddrInUse) => {
            error.hint("another process has this port; choose one with --listen host:port")
        }
        _ => error,
    }
}

/// Where the server is, and the first two requests.
pub(super) fn banner(address: SocketAddr, data_dir: &Path) -> String {
    let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let url = format!("http://{}", reachable(address));
    format!(
        "pulsora {version}\n\
         listening on http://{address}\n\
         data in {data_dir}\n\
         \n\
         try it:\n  \
           curl '{url}/write' -d 'cpu,host=a usage=0.64'\n  \
           curl '{url}/api/v1/query' -d '{{\"sql\":\"SELECT * FROM cpu\",\"format\":\"csv\"}}'\n\n",
        version = env!("CARGO_PKG_VERSION"),
        data_dir = data_dir.display(),
    )
}

/// An address that reaches a server on this machine: every address means also the local one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}
