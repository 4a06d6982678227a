//! Start and end: bind, open the engine beside the first connections, serve, and shut down so that
//! nothing that was accepted is lost.
//!
//! Invariants: the port is bound before recovery begins, so `/health` answers at once; at the end no
//! new request is taken, running ones get `server.shutdown_timeout`, and only then the engine closes.

use std::net::SocketAddr;
use std::sync::Arc;

use pulsora_env::Env;
use pulsora_model::{Error, Result};
use pulsora_query::{QueryEngine, QueryOptions};
use pulsora_storage::Engine;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::app::{App, Running};
use crate::config::Config;
use crate::routes::router;
use crate::{allocator, connections, descriptors, tasks, tcp};

/// A server that is running.
pub struct Server {
    addr: SocketAddr,
    app: App,
    stop: watch::Sender<bool>,
    tcp_addr: Option<SocketAddr>,
    http: JoinHandle<()>,
    tcp: Option<JoinHandle<()>>,
    upkeep: [JoinHandle<()>; 2],
    opening: JoinHandle<Result<()>>,
}

impl Server {
    /// Binds the port and begins to open the engine; requests are answered at once, with `not_ready`
    /// until recovery is done.
    ///
    /// # Errors
    /// `io_error` when the port cannot be bound, `invalid_config` for settings that do not fit.
    pub async fn start(config: Config) -> Result<Server> {
        Server::start_in(config, Env::real()).await
    }

    /// [`Server::start`] in another world.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_in(config: Config, env: Env) -> Result<Server> {
        let listen = config.server.listen.clone();
        let (listener, addr) = bind(&listen).await?;
        let tcp = match config.tcp.clone() {
            Some(tcp) => Some((bind(&tcp.listen).await?, tcp)),
            None => None,
        };
        let seats = descriptors::seats(config.limits.connections);
        let app = App::new(config, env);
        let router = router(&app)?;
        let (stop, stopped) = watch::channel(false);
        let (open_now, opened) = watch::channel(false);
        let http = connections::serve(listener, router, app.clone(), seats, stopped.clone());
        let tcp_addr = tcp.as_ref().map(|((_, addr), _)| *addr);
        let tcp = tcp.map(|((listener, addr), config)| {
            tracing::info!("line protocol without HTTP is taken on tcp://{addr}");
            tasks::detached(tcp::serve(listener, app.clone(), config, opened, stopped))
        });
        Ok(Server {
            addr,
            tcp_addr,
            http: tasks::detached(http),
            tcp,
            upkeep: [tasks::upkeep(&app), tasks::relief(&app)],
            opening: tasks::detached(open(app.clone(), open_now)),
            stop,
            app,
        })
    }

    /// The bound address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The bound address of line protocol over TCP, where there is one.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp_addr
    }

    /// What requests share.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Returns when recovery is done.
    ///
    /// # Errors
    /// What the engine could not be opened with; the server is of no use then.
    pub async fn opened(&mut self) -> Result<()> {
        if self.app.running().is_ok() {
            return Ok(());
        }
        match (&mut self.opening).await {
            Ok(result) => result,
            Err(error) => Err(Error::internal(format!("opening the engine ended: {error}"))),
        }
    }

    /// Takes no more requests, lets running ones end, and closes the engine.
    ///
    /// # Errors
    /// What the engine could not be closed with; acknowledged rows are in the log then.
    pub async fn shutdown(mut self) -> Result<()> {
        // The receiver is gone only if serving has ended already.
        let _ = self.stop.send(true);
        let grace = self.app.config.server.shutdown_timeout;
        let serving = async {
            let http = (&mut self.http).await;
            match &mut self.tcp {
                Some(tcp) => http.and(tcp.await),
                None => http,
            }
        };
        match timeout(grace, serving).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "serving ended early"),
            Err(_) => {
                let running = self.app.metrics.requests_running();
                tracing::warn!(running, "requests are cut off after server.shutdown_timeout");
                self.http.abort();
                self.tcp.iter().for_each(JoinHandle::abort);
            }
        }
        self.upkeep.iter().for_each(JoinHandle::abort);
        // An engine that is still opening must be closed too, or its lock would outlive the server.
        let opened = self.opened().await;
        if let Ok(running) = self.app.running() {
            let engine = running.engine.clone();
            return tasks::blocking(move || engine.close()).await;
        }
        opened
    }
}

/// A listener and its address.
async fn bind(listen: &str) -> Result<(TcpListener, SocketAddr)> {
    let bound = TcpListener::bind(listen).await;
    let listener = bound.map_err(|error| Error::io(format!("listen on {listen}"), error))?;
    let addr = listener.local_addr().map_err(|error| Error::io("the bound address", error))?;
    Ok((listener, addr))
}

/// Opens the engine and lets requests and lines in.
async fn open(app: App, open_now: watch::Sender<bool>) -> Result<()> {
    let (env, options) = (app.env.clone(), app.config.storage_options());
    let config = app.config.clone();
    let running = tasks::blocking(move || {
        let engine = Engine::open(env, options)?;
        let queries = QueryEngine::new(engine.clone(), query_options(&config))?;
        Ok(Running { engine, queries: Arc::new(queries) })
    })
    .await?;
    let took_ms = app.uptime().as_millis() as u64;
    tracing::info!(took_ms, "recovery is done, requests are let in");
    app.run(running);
    // Nobody listens where there is no port for lines.
    let _ = open_now.send(true);
    Ok(())
}

fn query_options(config: &Config) -> QueryOptions {
    QueryOptions {
        memory_bytes: config.query.memory_bytes,
        spill_dir: config.storage.data_dir.join("spill"),
        concurrency: config.query.concurrency,
        queue: config.query.queue,
        history: config.query.history,
        slow_threshold: config.query.slow_threshold,
        cache_bytes: usize::try_from(config.query.cache_bytes).unwrap_or(usize::MAX),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        timeout: config.query.timeout,
        rows_max: None,
    }
}

/// Serves until SIGTERM or SIGINT, then shuts down. `bound` is called with the bound address as soon as
/// `/health` answers; recovery may go on then.
///
/// # Errors
/// Those of [`Server::start`], [`Server::opened`] and [`Server::shutdown`].
pub async fn serve(config: Config, bound: impl FnOnce(SocketAddr)) -> Result<()> {
    if config.memory.is_small() {
        allocator::stay_small();
    }
    let mut signals = Signals::new()?;
    let mut server = Server::start(config).await?;
    bound(server.addr());
    let signal = tokio::select! {
        // Both only wait; dropping either loses nothing.
        opened = server.opened() => {
            opened?;
            signals.next().await
        }
        signal = signals.next() => signal,
    };
    tracing::info!(signal, "shutting down");
    server.shutdown().await
}

/// The signals that end the server.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| Error::io("listen for signals", error));
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
