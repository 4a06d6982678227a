//! The buffers that all numeric series of a database share, and what became of what was sent.
//!
//! A series belongs to one of [`SHARDS`] buffers. Whoever fills a buffer sends it; a task sends those
//! that are older than [`AGE_NS`]; a flush sends all. Answers are taken in the order of sending.
//!
//! Invariants: a buffer is sent under the lock of its shard, so the points of one series reach the
//! engine in the order of their appends; at most [`IN_FLIGHT_MAX`] buffers and one per thread are
//! unanswered; every error is reported once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use pulsora_env::{Clock, Env, Step, TaskHandle, block_on};
use pulsora_model::{Code, Error, Name, Result};
use pulsora_storage::{Durability, Engine, Pending, Receipt, WriteRequest};

use super::SERIES_TABLE;
use super::buffer::Buffer;

/// Buffers of a database: 1 MiB when all are full, and two threads rarely meet in one.
const SHARDS: usize = 16;

/// Unanswered buffers, 64 KiB each: 4 MiB keep the engine busy while the next ones fill.
const IN_FLIGHT_MAX: u64 = 64;

/// How often the task looks at buffers while there are points in any: half of the 10 ms after which
/// every point has been sent, the other half is [`AGE_NS`].
const TICK: Duration = Duration::from_millis(5);

/// Age of a buffer, by its first point, at which the task sends it.
const AGE_NS: u64 = 5_000_000;

/// All buffers of a database.
pub(crate) struct Appenders {
    engine: Engine,
    clock: Arc<dyn Clock>,
    database: Name,
    durability: Durability,
    shards: [Shard; SHARDS],
    /// Sent buffers since the last answer was taken, oldest first.
    sent: Mutex<VecDeque<Sent>>,
    /// Buffers that were ever sent; counted under the lock of `sent`.
    sent_count: AtomicU64,
    /// Those of them whose answer has been taken: the first ones.
    answered_count: AtomicU64,
    /// Those that wait for answers do so one after the other. Guards the oldest unanswered buffers.
    answers: tokio::sync::Mutex<VecDeque<Sent>>,
    /// Whether `error` holds one.
    failed: AtomicBool,
    /// What went wrong and has not been reported.
    error: Mutex<Option<Error>>,
    task: OnceLock<TaskHandle>,
    /// Whether the task knows that there are points.
    armed: AtomicBool,
    closed: AtomicBool,
}

/// A buffer apart from its neighbours' cache lines.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Buffer>);

/// A buffer that was sent.
struct Sent {
    points: usize,
    answer: Pending,
}

impl Appenders {
    /// The buffers of a database; the task starts with the first series.
    pub fn new(env: &Env, engine: Engine, database: Name, durability: Durability) -> Appenders {
        Appenders {
            engine,
            clock: Arc::clone(&env.clock),
            database,
            durability,
            shards: Default::default(),
            sent: Mutex::default(),
            sent_count: AtomicU64::new(0),
            answered_count: AtomicU64::new(0),
            answers: tokio::sync::Mutex::default(),
            failed: AtomicBool::new(false),
            error: Mutex::new(None),
            task: OnceLock::new(),
            armed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Starts the task that sends buffers by their age, unless it runs.
    pub fn start(self: &Arc<Self>, env: &Env) {
        self.task.get_or_init(|| {
            let appenders = Arc::clone(self);
            env.tasks.spawn("append", Box::new(move || appenders.step()))
        });
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn database(&self) -> &Name {
        &self.database
    }

    /// Adds a point; gives the place to remember for `id`.
    ///
    /// # Errors
    /// What earlier points failed with, once; `closed`.
    #[inline]
    pub fn append(&self, id: u128, place: u64, time_ns: i64, value: f64) -> Result<u64> {
        if self.failed.load(Ordering::Relaxed) {
            self.report()?;
        }
        let mut buffer = self.shards[shard_of(id)].0.lock();
        if buffer.len() == 0 {
            self.begin(&mut buffer)?;
        }
        let (code, place) = buffer.code(id, place);
        buffer.push(code, time_ns, value);
        if buffer.is_full() {
            self.send(&mut buffer);
            if self.in_flight() > IN_FLIGHT_MAX {
                drop(buffer);
                block_on(self.room());
            }
        }
        Ok(place)
    }

    /// The first point of a buffer is about to come.
    #[cold]
    fn begin(&self, buffer: &mut Buffer) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(Code::Closed, "the database is closed"));
        }
        buffer.since_ns = self.clock.monotonic_ns();
        if !self.armed.swap(true, Ordering::SeqCst)
            && let Some(task) = self.task.get()
        {
            task.wake();
        }
        Ok(())
    }

    /// Sends a buffer. The caller holds its lock.
    fn send(&self, buffer: &mut Buffer) {
        let points = buffer.len();
        let schema = self.engine.catalog().find_table(&self.database, SERIES_TABLE);
        let table = buffer.take(schema.map(|schema| schema.version));
        let answer = self.engine.write(WriteRequest {
            key: None,
            database: self.database.clone(),
            tables: vec![table],
            durability: self.durability,
        });
        let mut sent = self.sent.lock();
        sent.push_back(Sent { points, answer });
        self.sent_count.fetch_add(1, Ordering::Release);
    }

    /// Buffers without an answer, about.
    fn in_flight(&self) -> u64 {
        let answered = self.answered_count.load(Ordering::Acquire);
        self.sent_count.load(Ordering::Acquire).saturating_sub(answered)
    }

    /// Sends every buffer that holds points and whose first one came before `until_ns`; says whether
    /// points are left.
    fn send_all(&self, until_ns: u64) -> bool {
        let mut left = false;
        for shard in &self.shards {
            let mut buffer = shard.0.lock();
            if buffer.len() > 0 && buffer.since_ns <= until_ns {
                self.send(&mut buffer);
            }
            left |= buffer.len() > 0;
        }
        left
    }

    /// Waits until no more buffers are unanswered than may be.
    pub async fn room(&self) {
        let sent = self.sent_count.load(Ordering::Acquire);
        if self.in_flight() > IN_FLIGHT_MAX {
            self.take_answers(sent - IN_FLIGHT_MAX).await;
        }
    }

    /// Takes answers, oldest first, until the first `through` buffers are answered. Dropping the
    /// future loses no answer.
    async fn take_answers(&self, through: u64) {
        let mut oldest = self.answers.lock().await;
        while self.answered_count.load(Ordering::Acquire) < through {
            if oldest.is_empty() {
                std::mem::swap(&mut *oldest, &mut *self.sent.lock());
            }
            let Some(sent) = oldest.front_mut() else { return };
            let answer = (&mut sent.answer).await;
            self.answered(oldest.pop_front(), answer);
        }
    }

    /// Takes the answers that are there, without waiting.
    fn take_ready_answers(&self) {
        let Ok(mut oldest) = self.answers.try_lock() else { return };
        loop {
            if oldest.is_empty() {
                std::mem::swap(&mut *oldest, &mut *self.sent.lock());
            }
            let Some(answer) = oldest.front_mut().and_then(|sent| sent.answer.try_take()) else {
                return;
            };
            self.answered(oldest.pop_front(), answer);
        }
    }

    fn answered(&self, sent: Option<Sent>, answer: Result<Receipt>) {
        let points = sent.map_or(0, |sent| sent.points);
        if let Err(error) = answer {
            let what = format!("{points} points that were appended before are not stored");
            self.error.lock().get_or_insert_with(|| error.context(what));
            self.failed.store(true, Ordering::Release);
        }
        self.answered_count.fetch_add(1, Ordering::Release);
    }

    /// # Errors
    /// What went wrong since the last report.
    #[cold]
    fn report(&self) -> Result<()> {
        let mut error = self.error.lock();
        self.failed.store(false, Ordering::Release);
        error.take().map_or(Ok(()), Err)
    }

    /// See `Series::flush`.
    pub async fn flush_async(&self) -> Result<()> {
        self.send_all(u64::MAX);
        self.take_answers(self.sent_count.load(Ordering::Acquire)).await;
        self.report()
    }

    /// See `Series::flush`.
    pub fn flush(&self) -> Result<()> {
        block_on(self.flush_async())
    }

    /// Takes no more points, sends what there is and waits for it.
    ///
    /// # Errors
    /// As [`Appenders::flush`].
    pub fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        let flushed = self.flush();
        if let Some(task) = self.task.get() {
            task.wake();
            task.wait_finished();
        }
        flushed
    }

    fn step(&self) -> Step {
        if self.closed.load(Ordering::Acquire) {
            return Step::Done;
        }
        let now_ns = self.clock.monotonic_ns();
        let mut busy = true;
        // An engine that is behind is not helped by small buffers.
        if self.in_flight() <= IN_FLIGHT_MAX {
            busy = self.send_all(now_ns.saturating_sub(AGE_NS));
        }
        self.take_ready_answers();
        if busy || self.in_flight() > 0 {
            return Step::Wait(Some(TICK));
        }
        // Who begins a buffer after this wakes the task; who began one before is found now.
        self.armed.store(false, Ordering::SeqCst);
        if self.shards.iter().any(|shard| shard.0.lock().len() > 0) {
            self.armed.store(true, Ordering::SeqCst);
            return Step::Wait(Some(TICK));
        }
        Step::Wait(None)
    }
}

/// The shard of a series. Ids that count up are spread as well as random ones.
#[inline]
fn shard_of(id: u128) -> usize {
    // 2^64 / golden ratio: its multiples fall evenly (Knuth, TAOCP 6.4).
    const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
    let folded = (id as u64) ^ ((id >> 64) as u64);
    (folded.wrapping_mul(SPREAD) >> (64 - SHARDS.trailing_zeros())) as usize
}
