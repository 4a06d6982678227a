//! An engine in a simulated world, stepped by hand: for tests of one story each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pulsora_env::sim::Simulation;
use pulsora_env::{Files, read_all};
use pulsora_model::schema::TableOptions;
use pulsora_model::{Error, Result};
use pulsora_storage::{
    Command, CompactionOptions, Engine, FlushFilter, Options, Pending, Receipt, WriteRequest,
};

use crate::rows::{Row, request};

/// Where the data directory lies in a simulated world.
pub const DIR: &str = "/data";

/// Small limits, so that small tests meet them.
pub fn small_options() -> Options {
    Options {
        reserve_bytes: 64 << 10,
        wal_file_bytes: 64 << 10,
        wal_bytes: 256 << 10,
        flush_bytes: 16 << 10,
        memtable_bytes: 64 << 10,
        checkpoint_edits: 5,
        ..Options::new(DIR)
    }
}

/// The same, and nothing is rewritten unasked.
pub fn no_rewrites() -> Options {
    let compaction = CompactionOptions { enabled: false, ..CompactionOptions::default() };
    Options { compaction, ..small_options() }
}

/// A world with an engine in it.
pub struct Machine {
    pub world: Simulation,
    pub options: Options,
    pub engine: Engine,
}

impl Machine {
    /// A new world with small limits.
    pub fn new() -> Machine {
        Machine::with(small_options())
    }

    pub fn with(options: Options) -> Machine {
        Machine::of_seed(1, options)
    }

    /// A new world whose tasks take turns as `seed` says.
    pub fn of_seed(seed: u64, options: Options) -> Machine {
        let world = Simulation::new(seed);
        let engine = Engine::open(world.env(), options.clone()).unwrap();
        Machine { world, options, engine }
    }

    /// Steps until nothing is left to do, and gives the answer.
    pub fn answer(&self, mut pending: Pending) -> Result<Receipt> {
        self.settle();
        pending.try_take().expect("an idle engine has answered")
    }

    /// Steps until the answer is there, and no further.
    pub fn soon(&self, mut pending: Pending) -> Result<Receipt> {
        loop {
            if let Some(answer) = pending.try_take() {
                return answer;
            }
            assert_eq!(self.world.tasks.run_until_idle(1), 1, "an idle engine has answered");
        }
    }

    /// Steps all tasks until nothing is left to do at this moment.
    pub fn settle(&self) {
        assert!(self.world.tasks.run_until_idle(100_000) < 100_000, "the engine never rests");
        assert_eq!(self.world.tasks.panicked(), [""; 0]);
    }

    /// Lets time pass second by second, and steps all tasks.
    pub fn pass(&self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.world.clock.advance(1_000_000_000);
            self.settle();
        }
    }

    pub fn write(&self, request: WriteRequest) -> Receipt {
        self.try_write(request).unwrap()
    }

    pub fn try_write(&self, request: WriteRequest) -> Result<Receipt> {
        self.answer(self.engine.write(request))
    }

    /// Writes rows to a table of `default` that is made with plain options.
    pub fn rows(&self, table: &str, rows: &[Row]) -> Receipt {
        self.write(request(table, &TableOptions::default(), rows))
    }

    /// The error of a write to a table of `default` that is made with plain options.
    pub fn refused(&self, table: &str, rows: &[Row]) -> Error {
        self.try_write(request(table, &TableOptions::default(), rows)).unwrap_err()
    }

    pub fn execute(&self, command: Command) -> Result<Receipt> {
        self.answer(self.engine.execute(command))
    }

    pub fn flush(&self) -> Receipt {
        self.answer(self.engine.flush(FlushFilter::default())).unwrap()
    }

    /// The power goes and comes back.
    pub fn power_cut(&mut self) {
        self.world.restart();
        self.open().unwrap();
    }

    /// `kill -9`, and a new start.
    pub fn kill(&mut self) {
        self.world.restart_after_kill();
        self.open().unwrap();
    }

    /// A new start after the power went, or after `kill -9`.
    pub fn stop(&mut self, lose_power: bool) {
        if lose_power { self.power_cut() } else { self.kill() }
    }

    /// Opens the directory anew after the world was restarted.
    pub fn open(&mut self) -> Result<()> {
        self.engine = Engine::open(self.world.env(), self.options.clone())?;
        Ok(())
    }

    /// Closes and opens again.
    pub fn reopen(&mut self) {
        self.close().unwrap();
        self.open().unwrap();
    }

    /// Ends the engine; the directory is unlocked.
    pub fn close(&self) -> Result<()> {
        let outcome = self.answer(self.engine.begin_close());
        self.engine.close()?;
        outcome.map(|_| ())
    }

    pub fn files(&self) -> std::sync::Arc<dyn Files> {
        self.world.files.mount()
    }

    /// Paths of all files below a directory of the data directory, sorted.
    pub fn list(&self, dir: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&*self.files(), &Path::new(DIR).join(dir), &mut found);
        found
    }

    /// Paths of all objects of segments.
    pub fn objects(&self) -> Vec<PathBuf> {
        [self.list("cold"), self.list("hot")].concat()
    }

    /// The bytes of a file.
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        read_all(&*self.files(), path).unwrap()
    }

    /// Changes one byte of a file, for good.
    pub fn damage(&self, path: &Path, offset: u64) {
        let file = self.files().open(path).unwrap();
        let mut byte = [0];
        file.read_at(&mut byte, offset).unwrap();
        file.write_at(&[!byte[0]], offset).unwrap();
        file.sync_all().unwrap();
    }

    /// Removes a file, for good.
    pub fn remove(&self, path: &Path) {
        self.files().unlink(path).unwrap();
        self.files().sync_dir(path.parent().unwrap()).unwrap();
    }
}

fn walk(files: &dyn Files, dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = files.list(dir) else { return };
    for entry in entries {
        let path = dir.join(&entry.name);
        if entry.is_dir {
            walk(files, &path, found);
        } else {
            found.push(path);
        }
    }
}
