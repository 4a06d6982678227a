//! One random run: a world, an engine in it that is crashed and opened again, and what was sent to it.
//!
//! A life is the time between two openings. Requests of a life are remembered with their answers; when
//! it has ended, the audit table says which of them survived, the promises say which must have, and the
//! model of those that did says what every table must hold.
//!
//! Some requests have idempotency keys. They are sent again, in the same life and in later ones, whatever
//! became of them: however often a request was sent, its rows are there once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use pulsora_env::sim::{OpKind, Simulation};
use pulsora_model::schema::{KnownTable, SchemaLookup, TableOptions};
use pulsora_model::{Code, PartitionWidth};
use pulsora_storage::{
    ColdFormat, Command, CompactFilter, CompactionOptions, Durability, Engine, EngineStats,
    FlushFilter, IdempotencyKey, Options, Pending, Receipt, Snapshot, WriteRequest,
};

use super::corrections::{Hit, random};
use super::coverage::Coverage;
use super::expiring;
use super::model::{AUDIT, DROPPED, Kind, Model, Part};
use super::reads::{audited, compare, everything};
use super::workload::{all_columns, audit, parts, unfit};
use crate::machine::{DIR, small_options};
use crate::rows::{name, requests, table_write, with_ids};

/// Steps after which an engine that should rest is taken to run for ever.
const STEPS_MAX: u64 = 100_000;

/// What was sent.
enum Sent {
    Write { number: u64, parts: Vec<Part>, durability: Durability, keyed: bool },
    Drop,
    Correct(Hit),
}

/// Requests with keys that may be sent again.
const REPEATABLE: usize = 40;

/// What came back.
enum Answer {
    Waiting(Pending),
    /// The power went first.
    Unknown,
    /// Nobody waits any more.
    Forgotten,
    Stored(Receipt),
    /// Never stored.
    Invalid,
    /// The disk failed it: stored as a whole or not at all, and not shown before the next start.
    Failed(Code),
}

struct Request {
    sent: Sent,
    answer: Answer,
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    PowerCut,
    Kill,
    Close,
}

/// A run.
pub struct Run {
    rng: Rng,
    world: Simulation,
    options: Options,
    engine: Option<Engine>,
    /// What the lives before have left.
    base: Model,
    /// The requests in it.
    stored_before: BTreeSet<u64>,
    /// Number of the first request of this life.
    first_of_life: u64,
    /// The requests of this life, in the order they were sent.
    requests: Vec<Request>,
    next_number: u64,
    /// The last requests with keys, of any life.
    repeatable: VecDeque<(u64, Vec<Part>)>,
    /// Requests of a hundred that ask for no sync, in this life.
    asynchronous: u8,
    /// A disk fault was planned in this life.
    faulty: bool,
    held: Option<(Snapshot, Vec<String>)>,
    /// The latest wall clock so far.
    latest_ns: i64,
    pub coverage: Coverage,
}

impl Run {
    /// Runs a seed through some lives; gives what it met, and the hash of everything that happened.
    pub fn seed(seed: u64) -> (Coverage, u64) {
        let mut run = Run {
            rng: Rng::with_seed(seed),
            world: Simulation::new(seed),
            options: options(seed),
            engine: None,
            base: Model::default(),
            stored_before: BTreeSet::new(),
            first_of_life: 1,
            requests: Vec::new(),
            next_number: 1,
            repeatable: VecDeque::new(),
            asynchronous: 0,
            faulty: false,
            held: None,
            latest_ns: i64::MIN,
            coverage: Coverage::default(),
        };
        run.start(End::PowerCut);
        if run.rng.u8(0..4) > 0 {
            // A change of the catalog is synced whatever was asked: without them more is unsynced.
            let parts = all_columns(&mut run.rng, run.next_number);
            run.send_parts(parts);
        }
        for _ in 0..run.rng.usize(3..7) {
            run.life();
        }
        run.coverage.met(run.base.met);
        (run.coverage, run.world.trace_hash())
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("an engine is open between start and end")
    }

    fn crashed(&self) -> bool {
        self.world.files.crashed()
    }

    // ---- one life --------------------------------------------------------------------------

    fn life(&mut self) {
        self.asynchronous = [0, 20, 98, 100][self.rng.usize(0..4)];
        // Where little is synced, a cut at any moment takes something.
        let planned = if self.asynchronous > 50 { 2 } else { 3 };
        if self.rng.u8(0..4) < planned {
            let most = [12, 60, 250][self.rng.usize(0..3)];
            let operations = self.rng.u64(1..=most);
            self.world.files.crash_after(operations);
        }
        for _ in 0..self.rng.usize(5..70) {
            self.act();
            self.now_ns();
            self.collect();
            if self.crashed() {
                break;
            }
        }
        let end = self.end();
        self.start(end);
    }

    fn act(&mut self) {
        match self.rng.u8(0..100) {
            0..=31 => self.send_write(),
            32..=35 => self.send_expiring(),
            36..=40 => self.send_correction(),
            41..=50 => self.send_again(),
            51..=54 => self.rest(),
            55..=57 => self.send_unfit(),
            58..=60 => self.send_drop(),
            61..=63 => drop(self.engine().flush(FlushFilter::default())),
            64 => self.compact(),
            65..=72 => self.world.clock.advance(self.rng.u64(0..3_000_000_000)),
            73 => self.world.clock.advance(4_000_000_000_000),
            74 => self.world.clock.shift_wall(self.rng.i64(-9..9) * 1_000_000_000_000),
            75..=90 => drop(self.world.tasks.run_until_idle(self.rng.u64(1..30))),
            91..=95 => self.compare_now(),
            96 => self.hold(),
            97 => self.forget_answers(),
            _ => self.fault(),
        }
    }

    fn send_write(&mut self) {
        let parts = parts(&mut self.rng, self.next_number);
        self.send_parts(parts);
    }

    /// Asks for everything to be made compact, and sometimes sees it done.
    fn compact(&mut self) {
        let filter = CompactFilter::default();
        let mut pending = self.engine().compact(&filter).expect("there is always a catalog");
        if self.rng.bool() {
            self.settle();
            let done = matches!(pending.try_take(), Some(Ok(_)));
            self.coverage.compacted += u64::from(done);
        }
    }

    /// Rows of the table whose rows expire, which is made first if need be.
    fn send_expiring(&mut self) {
        if self.engine().catalog().find_table("default", expiring::EXPIRING).is_none() {
            drop(self.engine().execute(expiring::create()));
            return;
        }
        let number = self.next_number;
        self.next_number += 1;
        let parts = vec![audit(&mut self.rng, number), expiring::rows(&mut self.rng)];
        self.send_number(number, parts, false);
    }

    /// The wall clock now.
    fn now_ns(&mut self) -> i64 {
        let now_ns = self.world.env().clock.wall_ns();
        self.latest_ns = self.latest_ns.max(now_ns);
        now_ns
    }

    /// Time in which partitions rest or turn cold; the power may go while they are rewritten.
    fn rest(&mut self) {
        self.world.clock.advance(self.rng.u64(10..60) * 1_000_000_000);
        if self.rng.u8(0..3) == 0 {
            self.world.files.crash_after(self.rng.u64(1..=16));
        }
        self.world.tasks.run_until_idle(self.rng.u64(10..100));
    }

    /// A request that must be refused, once the column is known to hold numbers.
    fn send_unfit(&mut self) {
        self.settle();
        let schema = self.engine().catalog().find_table("default", "readings");
        let holds_numbers = |schema: &pulsora_model::TableSchema| {
            schema.column("v0").is_some_and(|column| column.ty.noun() != "nothing")
        };
        if self.crashed()
            || !self.base.has_number("readings", "v0")
            || !schema.is_some_and(|s| holds_numbers(&s))
        {
            return;
        }
        let parts = unfit(&mut self.rng, self.next_number);
        self.send_parts(parts);
        self.coverage.unfit += 1;
    }

    fn send_parts(&mut self, parts: Vec<Part>) {
        let number = self.next_number;
        self.next_number += 1;
        let keyed = self.rng.u8(0..3) == 0 && !parts.iter().any(is_unfit);
        if keyed {
            self.repeatable.push_back((number, parts.clone()));
            if self.repeatable.len() > REPEATABLE {
                self.repeatable.pop_front();
            }
        }
        self.send_number(number, parts, keyed);
    }

    /// Sends a request with a key again, whatever is known of its fate.
    fn send_again(&mut self) {
        if self.repeatable.is_empty() {
            return;
        }
        let (number, parts) = self.repeatable[self.rng.usize(0..self.repeatable.len())].clone();
        let waits = self.requests.iter().any(|request| {
            let same = matches!(request.sent, Sent::Write { number: n, .. } if n == number);
            same && !matches!(request.answer, Answer::Stored(_) | Answer::Failed(_))
        });
        // With faults about, which of two unanswered ones was stored could not be told.
        if !(waits && self.faulty) {
            self.send_number(number, parts, true);
        }
    }

    fn send_number(&mut self, number: u64, parts: Vec<Part>, keyed: bool) {
        let durability = if self.rng.u8(0..100) < self.asynchronous {
            Durability::Async
        } else {
            Durability::Fsync
        };
        let catalog = self.engine().catalog();
        let tables = parts.iter().map(|part| {
            // Half of the parsers know the schema of the moment, the others none. (One that knew a
            // table that is dropped meanwhile would bring the old types into the new table.)
            let knows = self.rng.bool() && part.table != DROPPED && !is_unfit(part);
            let known = catalog.lookup("default").known(part.table).filter(|_| knows);
            let without = |known: KnownTable| KnownTable { registry: None, ..known };
            let known = if self.rng.bool() { known } else { known.map(without) };
            table_write(part.table, &options_of(part), known, &part.rows)
        });
        // Numbers of a client rise, whichever client it is.
        let client = ["a", "b"][(number % 2) as usize];
        let key = keyed.then(|| IdempotencyKey::new(client, number).expect("a good name"));
        let request = WriteRequest { durability, key, ..requests(tables.collect()) };
        let answer = Answer::Waiting(self.engine().write(request));
        let sent = Sent::Write { number, parts, durability, keyed };
        self.requests.push(Request { sent, answer });
    }

    /// Whether the outcome of a drop or a correction is open; of at most one it is.
    fn is_change_open(&self) -> bool {
        self.requests.iter().any(|request| {
            !matches!(request.sent, Sent::Write { .. })
                && !matches!(request.answer, Answer::Stored(_) | Answer::Invalid)
        })
    }

    fn send_correction(&mut self) {
        self.collect();
        if self.crashed() || self.is_change_open() {
            return;
        }
        let catalog = self.engine().catalog();
        let Some(hit) = random(&mut self.rng, &catalog) else { return };
        let schema = catalog.find_table("default", hit.table).expect("it is there");
        let answer = Answer::Waiting(self.engine().correct(hit.correction(&schema)));
        self.requests.push(Request { sent: Sent::Correct(hit), answer });
    }

    fn send_drop(&mut self) {
        if self.is_change_open() {
            return;
        }
        let (database, table) = (name("default"), name(DROPPED));
        let command = Command::DropTable { database, table, if_exists: true };
        let answer = Answer::Waiting(self.engine().execute(command));
        self.requests.push(Request { sent: Sent::Drop, answer });
    }

    /// Clients go away; what they sent goes on.
    fn forget_answers(&mut self) {
        for request in &mut self.requests {
            let Sent::Write { parts, .. } = &request.sent else { continue };
            let waits = matches!(request.answer, Answer::Waiting(_));
            if waits && !parts.iter().any(is_unfit) && self.rng.bool() {
                request.answer = Answer::Forgotten;
            }
        }
    }

    fn hold(&mut self) {
        if let Some((snapshot, rows)) = self.held.take() {
            assert_eq!(everything(&snapshot), rows, "a snapshot has changed");
            self.coverage.held += 1;
        } else if !self.crashed() {
            let snapshot = self.engine().snapshot();
            let rows = everything(&snapshot);
            self.held = Some((snapshot, rows));
        }
    }

    fn fault(&mut self) {
        self.settle();
        self.collect();
        self.faulty = true;
        match self.rng.u8(0..4) {
            0 => self.world.files.fail_next_write(),
            1 | 2 => self.world.files.fail_next_sync(),
            _ => self.fill_disk(),
        }
    }

    /// Leaves next to nothing free, writes on, then makes space: writes must go on without a restart.
    fn fill_disk(&mut self) {
        self.settle();
        let files = self.world.files.mount();
        let Ok(free) = files.free_bytes(Path::new(DIR)) else { return };
        let capacity = 1 << 40;
        self.world.files.set_capacity(capacity - free + self.rng.u64(0..40_000));
        for _ in 0..self.rng.usize(10..60) {
            self.send_write();
            self.settle();
            if self.crashed() {
                break;
            }
            self.collect();
            self.world.clock.advance(self.rng.u64(0..1_500_000_000));
        }
        let refused = |r: &&Request| matches!(r.answer, Answer::Failed(Code::DiskFull));
        self.coverage.disk_full += self.requests.iter().filter(refused).count() as u64;
        self.world.files.set_capacity(capacity);
        for _ in 0..4 {
            self.world.clock.advance(1_100_000_000);
            self.settle();
        }
        self.collect();
        if self.crashed() || self.engine().stats().poisoned.is_some() {
            return;
        }
        let before = self.requests.len();
        self.send_write();
        self.settle();
        self.collect();
        let accepted = matches!(self.requests[before].answer, Answer::Stored(_));
        // A fault that was planned before the disk was full may strike only now.
        let struck = matches!(self.requests[before].answer, Answer::Failed(Code::Io));
        let failed = struck || self.crashed() || self.engine().stats().poisoned.is_some();
        assert!(accepted || failed, "space has returned, and a write is still refused");
        self.coverage.space_returned += u64::from(accepted);
    }

    fn settle(&mut self) {
        let steps = self.world.tasks.run_until_idle(STEPS_MAX);
        assert!(steps < STEPS_MAX, "the engine never rests");
    }

    // ---- answers ---------------------------------------------------------------------------

    /// Takes the answers that are there. What is acknowledged must be visible at once.
    fn collect(&mut self) {
        let crashed = self.crashed();
        let mut shown = None;
        let mut stored = BTreeSet::new();
        for request in &mut self.requests {
            if let (Sent::Write { number, .. }, Answer::Stored(_)) =
                (&request.sent, &request.answer)
            {
                stored.insert(*number);
            }
            let Answer::Waiting(pending) = &mut request.answer else { continue };
            let Some(answer) = pending.try_take() else { continue };
            request.answer = match answer {
                Ok(receipt) => {
                    let engine = self.engine.as_ref().expect("open");
                    if let (Sent::Write { number, parts, .. }, false) = (&request.sent, crashed) {
                        let shown = shown.get_or_insert_with(|| audited(&engine.snapshot()));
                        let rows = shown.get(number).copied().unwrap_or(0);
                        assert_eq!(rows, audit_rows(parts), "request {number} is acknowledged");
                        let sent: usize = parts.iter().map(|part| part.rows.len()).sum();
                        assert_eq!(receipt.rows, sent as u64);
                    }
                    if let Sent::Write { number, keyed, .. } = &request.sent {
                        let again = !stored.insert(*number) || self.stored_before.contains(number);
                        assert!(!again || receipt.duplicate, "request {number} is stored again");
                        assert!(*keyed || !receipt.duplicate, "request {number} has no key");
                        self.coverage.repeated += u64::from(receipt.duplicate);
                        let lost = *number < self.first_of_life && !receipt.duplicate;
                        self.coverage.repeated_after_loss += u64::from(lost);
                    }
                    let dropped = matches!(request.sent, Sent::Drop) && receipt.changed;
                    self.coverage.drops += u64::from(dropped);
                    let corrected = matches!(request.sent, Sent::Correct(_));
                    self.coverage.corrections += u64::from(corrected);
                    Answer::Stored(receipt)
                }
                Err(error) => match error.code() {
                    Code::TypeConflict | Code::SchemaMoved => Answer::Invalid,
                    _ if crashed => Answer::Unknown,
                    // The engine ended first.
                    Code::Closed if matches!(request.sent, Sent::Correct(_)) => Answer::Unknown,
                    code @ (Code::DiskFull | Code::Io | Code::WritesRefused) => {
                        assert!(self.faulty, "a sound disk failed a request: {error}");
                        Answer::Failed(code)
                    }
                    _ => panic!("a request is refused: {error}"),
                },
            };
            let unfit =
                matches!(&request.sent, Sent::Write { parts, .. } if parts.iter().any(is_unfit));
            let writes = matches!(request.sent, Sent::Write { .. });
            // A change may meet a column that has taken another type.
            if writes && matches!(request.answer, Answer::Stored(_) | Answer::Invalid) {
                assert_eq!(
                    unfit,
                    matches!(request.answer, Answer::Invalid),
                    "an unfit request is refused, others are not"
                );
            }
        }
        if !crashed {
            assert_eq!(self.world.tasks.panicked(), [""; 0]);
        }
    }

    /// Compares everything at a moment of rest.
    fn compare_now(&mut self) {
        self.settle();
        self.collect();
        if self.crashed() {
            return;
        }
        let snapshot = self.engine().snapshot();
        let shown = self.check_survivors(&audited(&snapshot), |request| match request.answer {
            Answer::Stored(_) => Fate::Stored,
            Answer::Invalid | Answer::Failed(_) => Fate::Gone,
            Answer::Unknown => Fate::Any,
            Answer::Forgotten if self.faulty => Fate::Any,
            Answer::Forgotten => Fate::Stored,
            Answer::Waiting(_) => {
                assert!(self.faulty, "an engine at rest has answered");
                Fate::Any
            }
        });
        let (model, _) = self.model_of(&shown, |answer| matches!(answer, Answer::Stored(_)));
        let now_ns = self.now_ns();
        let expiring = expiring::compare(&snapshot, &model, now_ns, self.latest_ns);
        if let Err(difference) = compare(&mut self.rng, &snapshot, &model).and(expiring) {
            panic!("the engine shows something else: {difference}");
        }
        self.coverage.compared += 1;
    }

    // ---- the end of a life, and the next one -----------------------------------------------

    /// A last burst before the power goes, with answers and without a sync.
    fn burst(&mut self) {
        for _ in 0..self.rng.usize(0..10) {
            self.send_write();
            self.world.tasks.run_until_idle(self.rng.u64(1..12));
        }
        self.collect();
    }

    fn end(&mut self) -> End {
        if self.asynchronous > 50 && !self.crashed() {
            self.burst();
        }
        if self.crashed() {
            let (kind, path) = self.world.files.last_op().expect("a crash falls on an operation");
            let stats = self.engine().stats();
            self.coverage.crash(kind, &path, &stats);
        }
        let poisoned = self.engine().stats().poisoned.is_some();
        self.coverage.poisoned += u64::from(poisoned && !self.crashed());
        let healthy = !self.crashed() && !poisoned;
        let end = match self.rng.u8(0..5) {
            0 => End::Kill,
            1 if self.asynchronous <= 50 => End::Kill,
            2 if healthy && !self.faulty => End::Close,
            _ => End::PowerCut,
        };
        if end == End::Close {
            self.held = None;
            let mut closed = self.engine().begin_close();
            self.settle();
            self.collect();
            if self.crashed() {
                let (kind, path) =
                    self.world.files.last_op().expect("a crash falls on an operation");
                let stats = self.engine().stats();
                self.coverage.crash(kind, &path, &stats);
                return End::PowerCut;
            }
            let closed = closed.try_take().expect("an engine at rest has answered");
            closed.expect("a sound disk takes everything");
            self.engine().close().expect("it is closed");
            let pending = self.engine().write(requests(Vec::new())).wait();
            assert_eq!(pending.unwrap_err().code(), Code::Closed);
            self.coverage.closed += 1;
        }
        end
    }

    fn restart(&mut self, end: End) {
        if let Some(engine) = &self.engine {
            self.coverage.lived(&engine.stats(), &engine.compaction());
            let dropped = engine.retention_runs().iter().map(|run| run.segments).sum::<u64>();
            self.coverage.expired += dropped;
        }
        if self.rng.u8(0..3) == 0 {
            partitions(&mut self.rng, &mut self.options);
        }
        match end {
            End::PowerCut => self.world.restart(),
            End::Kill | End::Close => self.world.restart_after_kill(),
        }
        self.held = None;
        self.engine = None;
        self.world.files.set_capacity(1 << 40);
    }

    /// Opens the directory, through crashes, and checks what is there.
    fn start(&mut self, end: End) {
        self.restart(end);
        let mut lost_power = end == End::PowerCut;
        loop {
            if self.rng.u8(0..3) == 0 {
                let most = [6, 30][self.rng.usize(0..2)];
                let operations = self.rng.u64(1..=most);
                self.world.files.crash_after(operations);
            }
            match Engine::open(self.world.env(), self.options.clone()) {
                Ok(engine) if !self.crashed() => {
                    self.engine = Some(engine);
                    break;
                }
                outcome => {
                    let error = outcome.err().map(|error| error.to_string());
                    assert!(self.crashed(), "a crash is no damage: {error:?}");
                    self.coverage.recovery += 1;
                    let again = if self.rng.bool() { End::PowerCut } else { End::Kill };
                    lost_power |= again == End::PowerCut;
                    self.restart(again);
                }
            }
        }
        let is_open = |request: &Request| {
            let corrects = matches!(request.sent, Sent::Correct(_));
            corrects && !matches!(request.answer, Answer::Stored(_) | Answer::Invalid)
        };
        self.coverage.open_corrections +=
            self.requests.iter().filter(|r| is_open(r)).count() as u64;
        self.coverage.opened(&self.engine().stats());
        self.check_start(end, lost_power);
        self.requests.clear();
        self.faulty = false;
    }

    fn check_start(&mut self, end: End, lost_power: bool) {
        let snapshot = self.engine().snapshot();
        let faulty = self.faulty;
        let survivors =
            self.check_survivors(&audited(&snapshot), |request| match &request.answer {
                // A failed sync may have lost what was acknowledged earlier without one.
                Answer::Stored(_) => match &request.sent {
                    Sent::Write { durability: Durability::Async, .. } if lost_power || faulty => {
                        Fate::Any
                    }
                    _ => Fate::Stored,
                },
                Answer::Invalid => Fate::Gone,
                Answer::Waiting(_) | Answer::Forgotten if end == End::Close => Fate::Stored,
                Answer::Waiting(_) | Answer::Forgotten => Fate::Any,
                Answer::Unknown | Answer::Failed(_) => Fate::Any,
            });
        self.check_suffix(&survivors);
        let stored = |request: &Request| matches!(request.answer, Answer::Stored(_));
        // What was lost is told by the first send; a repeat stores nothing either way.
        let first = |r: &Request| !matches!(r.answer, Answer::Stored(receipt) if receipt.duplicate);
        let lost = (self.requests.iter().zip(&survivors))
            .filter(|(r, there)| stored(r) && first(r) && !**there);
        self.coverage.async_lost += lost.count() as u64;
        let (with, open_drop) =
            self.model_of(&survivors, |answer| !matches!(answer, Answer::Invalid));
        let mut outcome = compare(&mut self.rng, &snapshot, &with);
        let mut model = with;
        if outcome.is_err() && open_drop {
            let (without, _) =
                self.model_of(&survivors, |answer| matches!(answer, Answer::Stored(_)));
            outcome = outcome.or_else(|first| {
                compare(&mut self.rng, &snapshot, &without)
                    .map_err(|second| format!("{first}\nor, without the last change: {second}"))
            });
            model = without;
        }
        if let Err(difference) = outcome {
            panic!("after {end:?}: {difference}");
        }
        let now_ns = self.now_ns();
        if let Err(difference) = expiring::compare(&snapshot, &model, now_ns, self.latest_ns) {
            panic!("after {end:?}: {difference}");
        }
        self.base = model;
        self.stored_before = self.base.audited().into_keys().collect();
        self.first_of_life = self.next_number;
    }

    /// Which requests of this life are there: those that must be, whole, once, and no other.
    fn check_survivors(
        &self,
        shown: &BTreeMap<u64, usize>,
        fate: impl Fn(&Request) -> Fate,
    ) -> Vec<bool> {
        let mut left = shown.clone();
        for (number, rows) in self.base.audited() {
            assert_eq!(left.remove(&number), Some(rows), "request {number} of an earlier life");
        }
        let mut sends: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, request) in self.requests.iter().enumerate() {
            if let Sent::Write { number, .. } = &request.sent
                && !self.stored_before.contains(number)
            {
                sends.entry(*number).or_default().push(at);
            }
        }
        let changes = self.requests.iter().map(|r| !matches!(r.sent, Sent::Write { .. }));
        let mut survivors: Vec<bool> = changes.collect();
        for (number, sends) in sends {
            let rows = left.remove(&number).unwrap_or(0);
            let Sent::Write { parts, .. } = &self.requests[sends[0]].sent else { unreachable!() };
            let fates: Vec<Fate> = sends.iter().map(|at| fate(&self.requests[*at])).collect();
            if fates.contains(&Fate::Stored) {
                assert_eq!(rows, audit_rows(parts), "request {number} is lost");
            } else if fates.iter().all(|fate| *fate == Fate::Gone) {
                assert_eq!(rows, 0, "request {number} was refused");
            }
            let whole = rows == 0 || rows == audit_rows(parts);
            assert!(whole, "request {number} is there with {rows} of {} rows", audit_rows(parts));
            if rows > 0 {
                survivors[self.storing(&sends)] = true;
            }
        }
        assert!(left.is_empty(), "nobody wrote {left:?}");
        survivors
    }

    /// Which of the sends of a request that is there has stored it.
    fn storing(&self, sends: &[usize]) -> usize {
        let find = |is: &dyn Fn(&Answer) -> bool| {
            sends.iter().copied().find(|at| is(&self.requests[*at].answer))
        };
        find(&|answer| matches!(answer, Answer::Stored(receipt) if !receipt.duplicate))
            // A group that could not be written is not in the log.
            .or_else(|| {
                let unwritten = |answer: &Answer| {
                    matches!(answer, Answer::Failed(Code::DiskFull | Code::Io) | Answer::Invalid)
                };
                find(&|answer| !unwritten(answer))
            })
            .unwrap_or(sends[0])
    }

    /// The log loses only its end.
    fn check_suffix(&self, survivors: &[bool]) {
        let mut lost = None;
        let there: BTreeSet<u64> = (self.requests.iter().zip(survivors))
            .filter_map(|(request, survived)| match &request.sent {
                Sent::Write { number, .. } if *survived => Some(*number),
                _ => None,
            })
            .chain(self.stored_before.iter().copied())
            .collect();
        for (request, survived) in self.requests.iter().zip(survivors) {
            let Sent::Write { number, .. } = &request.sent else { continue };
            if !survived && there.contains(number) {
                continue; // a repeat, which stores nothing
            }
            if matches!(request.answer, Answer::Invalid | Answer::Failed(_))
                || (self.faulty && matches!(request.answer, Answer::Forgotten | Answer::Unknown))
            {
                continue;
            }
            match (survived, lost) {
                (false, None) => lost = Some(*number),
                (true, Some(lost)) => panic!(
                    "request {lost} is lost, the later {number} is not; faulty {}; {}",
                    self.faulty,
                    self.story(survivors)
                ),
                _ => {}
            }
        }
    }

    /// The requests of this life with their fates, for a report.
    fn story(&self, survivors: &[bool]) -> String {
        let tell = |(request, survived): (&Request, &bool)| {
            let sent = match &request.sent {
                Sent::Write { number, durability, keyed, .. } => {
                    format!("{number} {durability:?}{}", if *keyed { ", with a key" } else { "" })
                }
                Sent::Drop => "drop".to_owned(),
                Sent::Correct(hit) => format!("{hit:?}"),
            };
            let answer = match &request.answer {
                Answer::Waiting(_) => "waiting".to_owned(),
                Answer::Unknown => "unknown".to_owned(),
                Answer::Forgotten => "forgotten".to_owned(),
                Answer::Stored(receipt) => format!("stored as {}", receipt.sequence),
                Answer::Invalid => "invalid".to_owned(),
                Answer::Failed(code) => code.name().to_owned(),
            };
            format!("  {sent}: {answer}, {}\n", if *survived { "there" } else { "gone" })
        };
        self.requests.iter().zip(survivors).map(tell).collect()
    }

    /// The model after the survivors, and after the drops and corrections whose answer `took_place`;
    /// says whether the outcome of one is open.
    fn model_of(&self, survivors: &[bool], took_place: impl Fn(&Answer) -> bool) -> (Model, bool) {
        let mut model = self.base.clone();
        let mut open = false;
        for (request, survived) in self.requests.iter().zip(survivors) {
            match &request.sent {
                Sent::Write { parts, .. } if *survived => model.write(parts),
                Sent::Write { .. } => {}
                Sent::Drop | Sent::Correct(_) => {
                    open |= !matches!(request.answer, Answer::Stored(_));
                    match &request.sent {
                        _ if !took_place(&request.answer) => {}
                        Sent::Correct(hit) => model.correct(hit),
                        _ => model.drop(DROPPED),
                    }
                }
            }
        }
        (model, open)
    }
}

/// Small limits; a sync by time is rarer than a crash, and some groups come between two flushes, so
/// that crashes meet groups that are not synced.
fn options(seed: u64) -> Options {
    let mut options = Options {
        // Hours pass in a run.
        dedup_window: Duration::from_secs(1 << 30),
        sync_interval: Duration::from_secs(20),
        flush_bytes: 64 << 10,
        memtable_bytes: 256 << 10,
        series_bytes: [1 << 10, 6 << 10, 1 << 20][Rng::with_seed(seed).usize(0..3)],
        ..small_options()
    };
    partitions(&mut Rng::with_seed(seed), &mut options);
    options
}

/// Settings of the life of partitions, which may change from start to start.
fn partitions(rng: &mut Rng, options: &mut Options) {
    options.hot_for = Duration::from_secs([0, 2, 5, 40, 7_200][rng.usize(0..5)]);
    options.cold_format = [ColdFormat::Parquet, ColdFormat::Native][usize::from(rng.u8(0..6) == 0)];
    options.mmap = rng.bool();
    options.cache_bytes = [0, 10_000, 1 << 20][rng.usize(0..3)];
    options.compaction = CompactionOptions {
        enabled: rng.u8(0..8) > 0,
        jobs_max: rng.usize(1..4),
        memory_bytes: [1, 256 << 20][rng.usize(0..2)],
        bytes_per_second: [0, 0, 100_000][rng.usize(0..3)],
        target_file_bytes: [40_000, 512 << 20][rng.usize(0..2)],
        windows: Vec::new(),
    };
}

/// What must have become of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stored,
    Gone,
    /// Whole or not at all.
    Any,
}

fn audit_rows(parts: &[Part]) -> usize {
    parts.iter().filter(|part| part.table == AUDIT).map(|part| part.rows.len()).sum()
}

fn is_unfit(part: &Part) -> bool {
    let texts = |row: &crate::rows::Row| {
        row.fields
            .iter()
            .any(|(name, value)| name == "v0" && matches!(value, Some(crate::rows::Value::Text(_))))
    };
    part.rows.iter().any(texts)
}

fn options_of(part: &Part) -> TableOptions {
    match part.kind {
        Kind::Upsert => TableOptions::upsert(),
        Kind::Ids => with_ids(),
        Kind::Append if part.table == "readings" => {
            TableOptions { partition: PartitionWidth::Day, ..TableOptions::default() }
        }
        Kind::Append => TableOptions::default(),
    }
}

/// Where in the data directory a crash fell.
pub fn place(kind: OpKind, path: &Path, stats: &EngineStats) -> &'static str {
    let text = path.to_string_lossy();
    match kind {
        OpKind::Unlink if is_object(&text) => "removal of an object",
        _ if is_object(&text) => match rewritten(&text, stats) {
            Some(work) => work,
            None => "flush",
        },
        _ if text.contains(".edit") => "edit",
        _ if text.contains(".checkpoint") => "checkpoint",
        OpKind::Write | OpKind::SyncData if text.contains("/wal/") => "group",
        _ if text.contains("/wal") => "log file",
        _ if text.contains("/manifest") => "manifest directory",
        _ => "elsewhere",
    }
}

/// Objects, their temporaries, which are unlinked under another name, and their directories.
fn is_object(path: &str) -> bool {
    path.contains("/cold/") || path.contains("/hot/")
}

/// Whether an object is what the failed rewrite was writing: its error names it.
fn rewritten(path: &str, stats: &EngineStats) -> Option<&'static str> {
    let error = stats.last_compaction_error.as_deref()?;
    let (_, after) = error.split_once("write segment object \"")?;
    let (object, _) = after.split_once('"')?;
    let works = [("merge", "merge"), ("conversion", "conversion")];
    let work = works.into_iter().find(|(start, _)| error.starts_with(start))?.1;
    let made_for_it = format!("{DIR}/{object}").starts_with(path);
    (path.contains(object) || made_for_it).then_some(work)
}
