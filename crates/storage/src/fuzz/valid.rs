//! A data directory with a log that has a bit of everything, and what a reader sees after each request.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use pulsora_env::sim::Simulation;
use pulsora_env::{Files, read_all};
use pulsora_model::builder::TagTarget;
use pulsora_model::schema::TableOptions;
use pulsora_model::{BatchBuilder, Name, Result, Scalar, TableWrite};

use crate::{
    Command, Durability, Engine, FlushFilter, IdempotencyKey, Options, Order, Pending, Recover,
    Scan, WriteRequest,
};

/// Where the data directory lies in a simulated world.
pub(super) const DIR: &str = "/data";

/// Enough for every task to come to rest.
const STEPS_MAX: u64 = 100_000;

/// The table that is dropped and made again.
pub(super) const DROPPED: &str = "gone";

/// Rows of every table as text, by name.
pub(super) type Shown = BTreeMap<String, Vec<String>>;

/// The directory of every input.
pub(super) static VALID: LazyLock<Valid> = LazyLock::new(Valid::build);

/// A data directory at rest, its log not flushed.
pub(super) struct Valid {
    /// Every file with its path.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// What the directory shows if the log ends after each of its groups, the flushed part always there.
    pub states: Vec<Shown>,
    /// Every value that was ever shown, with table and column.
    pub cells: BTreeSet<String>,
}

/// Options with small files, under which nothing is flushed that was not asked for.
pub(super) fn options(recover: Recover) -> Options {
    Options {
        recover,
        reserve_bytes: 64 << 10,
        // The smallest there are: three pages of groups.
        wal_file_bytes: 16 << 10,
        flush_bytes: 1 << 30,
        memtable_bytes: 1 << 30,
        ..Options::new(DIR)
    }
}

/// An engine in a world of its own.
pub(super) struct Opened {
    pub world: Simulation,
    pub engine: Engine,
}

impl Opened {
    /// # Errors
    /// As [`Engine::open`].
    pub fn open(world: Simulation, recover: Recover) -> Result<Opened> {
        let engine = Engine::open(world.env(), options(recover))?;
        Ok(Opened { world, engine })
    }

    /// Steps until nothing is left to do.
    ///
    /// # Panics
    /// When a task did, or comes to no rest.
    pub fn settle(&self) {
        assert!(self.world.tasks.run_until_idle(STEPS_MAX) < STEPS_MAX, "the engine never rests");
        assert_eq!(self.world.tasks.panicked(), [""; 0]);
    }

    /// What every table shows.
    ///
    /// # Errors
    /// What a scan fails with.
    pub fn shown(&self) -> Result<Shown> {
        let snapshot = self.engine.snapshot();
        let catalog = self.engine.catalog();
        let mut shown = Shown::new();
        for schema in catalog.tables() {
            let scan = Scan { order: Order::TimeAscending, ..Scan::all(schema.id) };
            let mut lines = Vec::new();
            for batch in snapshot.scan(&scan)?.streams.into_iter().flatten() {
                let batch = batch?;
                lines.extend((0..batch.num_rows()).map(|row| line(&batch, row)));
            }
            shown.insert(schema.name.to_string(), lines);
        }
        Ok(shown)
    }

    fn done(&self, pending: Pending) {
        self.all_done(vec![pending]);
    }

    fn all_done(&self, pending: Vec<Pending>) {
        self.settle();
        for mut pending in pending {
            let answer = pending.try_take().expect("an engine at rest has answered");
            answer.expect("the workload is valid");
        }
    }
}

/// Every value of a row with its column, nulls left out, in the order of the columns.
fn line(batch: &RecordBatch, row: usize) -> String {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let cells = columns.filter(|(_, values)| !values.is_null(row)).map(|(field, values)| {
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(values.as_ref(), &options);
        let text = formatter.map(|formatter| formatter.value(row).to_string());
        format!("{}={}", field.name(), text.unwrap_or_default())
    });
    cells.map(|cell| cell + SEPARATOR).collect()
}

/// Stands in no value of the workload.
const SEPARATOR: &str = " | ";

/// Every value with its table and column, numbers without the point that a widening gives them.
pub(super) fn cells(shown: &Shown) -> impl Iterator<Item = String> {
    shown.iter().flat_map(|(table, lines)| {
        let cells = lines.iter().flat_map(|line| line.split_terminator(SEPARATOR));
        cells.map(move |cell| format!("{table}: {}", cell.strip_suffix(".0").unwrap_or(cell)))
    })
}

/// A row: time, tags, fields.
type Row<'a> = (i64, &'a [(&'a str, &'a str)], &'a [(&'a str, Scalar<'a>)]);

fn name(text: &str) -> Name {
    Name::new(text).expect("names of the workload are valid")
}

fn upsert() -> TableOptions {
    TableOptions::upsert()
}

fn with_ids() -> TableOptions {
    TableOptions { row_ids: true, ..TableOptions::default() }
}

/// A request for rows of one table; `ids` are those that the user gives.
pub(super) fn request(
    table: &str,
    options: TableOptions,
    rows: &[Row<'_>],
    ids: &[Option<u64>],
) -> WriteRequest {
    let id_name = options.row_ids.then(|| options.id_column.clone());
    let mut batch = BatchBuilder::new(None, None, options.time_column.clone(), id_name);
    for (number, (time_ns, tags, fields)) in rows.iter().enumerate() {
        let mut set = Vec::new();
        for (name, value) in *tags {
            match batch.tag(name).expect("tags of the workload are valid") {
                TagTarget::Tag(tag) => set.push((tag, *value)),
                TagTarget::Field(_) => unreachable!("no field has the name of a tag"),
            }
        }
        let series = batch.series(&mut set).expect("the workload has few series");
        for (name, value) in *fields {
            let field = batch.field(name).expect("fields of the workload are valid");
            batch.push_scalar(field, *value).expect("values of the workload fit");
        }
        match ids.get(number) {
            Some(id) => batch.end_row_with_id(series, *time_ns, *id),
            None => batch.end_row(series, *time_ns),
        }
    }
    let write =
        TableWrite { table: name(table), options, schema_version: None, batch: batch.finish() };
    WriteRequest {
        database: name("default"),
        tables: vec![write],
        durability: Durability::Fsync,
        key: None,
    }
}

impl Valid {
    fn build() -> Valid {
        let opened = Opened::open(Simulation::new(1), Recover::Strict);
        let opened = opened.expect("a new directory opens");
        write_flushed(&opened);
        let mut states = vec![opened.shown().expect("a valid directory can be read")];
        for step in LOGGED {
            step(&opened);
            states.push(opened.shown().expect("a valid directory can be read"));
        }
        let cells = states.iter().flat_map(cells).collect();
        let mut files = Vec::new();
        walk(&*opened.world.files.mount(), Path::new(DIR), &mut files);
        Valid { files, states, cells }
    }

    /// A world that holds these files.
    pub fn world(files: &[(PathBuf, Vec<u8>)]) -> Simulation {
        let world = Simulation::new(2);
        let disk = world.files.mount();
        for (path, bytes) in files {
            let dir = path.parent().expect("every file has a directory");
            disk.create_dir_all(dir).expect("a simulated disk works");
            let file = disk.create(path).expect("every file comes once");
            file.write_at(bytes, 0).expect("a simulated disk works");
        }
        world
    }
}

fn walk(disk: &dyn Files, dir: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in disk.list(dir).expect("the directory is there") {
        let path = dir.join(&entry.name);
        if entry.is_dir {
            walk(disk, &path, found);
        } else {
            found.push((path.clone(), read_all(disk, &path).expect("the file is there")));
        }
    }
}

/// What the manifest covers: rows of both kinds of tables, in segments.
fn write_flushed(opened: &Opened) {
    let rows: &[Row] = &[
        (1, &[("host", "a")], &[("cpu", Scalar::I64(1))]),
        (1, &[("host", "b")], &[("cpu", Scalar::I64(2))]),
    ];
    opened.done(opened.engine.write(request("m", upsert(), rows, &[])));
    let rows: &[Row] = &[(1, &[], &[("text", Scalar::Text("flushed"))])];
    opened.done(opened.engine.write(request("events", with_ids(), rows, &[])));
    opened.done(opened.engine.flush(FlushFilter::default()));
}

/// One group of the log each.
const LOGGED: &[fn(&Opened)] = &[
    // A new series and an old one.
    |opened| {
        let rows: &[Row] = &[
            (2, &[("host", "a")], &[("cpu", Scalar::I64(3))]),
            (2, &[("host", "c")], &[("cpu", Scalar::I64(-4))]),
        ];
        opened.done(opened.engine.write(request("m", upsert(), rows, &[])));
    },
    // A column becomes float, another one comes.
    |opened| {
        let fields = [("cpu", Scalar::F64(0.5)), ("up", Scalar::Bool(true))];
        let rows: &[Row] = &[(3, &[("host", "a")], &fields)];
        opened.done(opened.engine.write(request("m", upsert(), rows, &[])));
    },
    // Row ids, given and not; one of them replaces a flushed row.
    |opened| {
        let rows: &[Row] = &[
            (2, &[], &[("text", Scalar::Text("given"))]),
            (3, &[], &[("text", Scalar::Text(""))]),
            (4, &[], &[("count", Scalar::U64(u64::MAX))]),
        ];
        let request = request("events", with_ids(), rows, &[Some(1), None, Some(70)]);
        opened.done(opened.engine.write(request));
    },
    // Two requests in one group, one of them with a key.
    |opened| {
        let rows: &[Row] = &[(4, &[("host", "b"), ("zone", "eu")], &[("cpu", Scalar::F64(1.5))])];
        let first = request("m", upsert(), rows, &[]);
        let rows: &[Row] = &[(5, &[], &[("text", Scalar::Text("keyed"))])];
        let key = IdempotencyKey::new("client", 7).ok();
        let second = WriteRequest { key, ..request("events", with_ids(), rows, &[]) };
        opened.all_done(vec![opened.engine.write(first), opened.engine.write(second)]);
    },
    // A table that goes …
    |opened| {
        let rows: &[Row] = &[(1, &[("old", "tag")], &[("v", Scalar::I64(1))])];
        opened.done(opened.engine.write(request(DROPPED, upsert(), rows, &[])));
    },
    |opened| {
        let (database, table) = (name("default"), name(DROPPED));
        let command = Command::DropTable { database, table, if_exists: false };
        opened.done(opened.engine.execute(command));
    },
    // … and comes again with other columns.
    |opened| {
        let rows: &[Row] = &[(1, &[], &[("v", Scalar::Text("new"))])];
        opened.done(opened.engine.write(request(DROPPED, TableOptions::default(), rows, &[])));
    },
    // Many rows of many series, and one more field of each type.
    |opened| {
        let hosts: Vec<String> = (0..40).map(|host| format!("host-{host}")).collect();
        let tags: Vec<[(&str, &str); 1]> = hosts.iter().map(|host| [("host", &**host)]).collect();
        let fields =
            [("at", Scalar::Timestamp(5)), ("note", Scalar::Text("x")), ("n", Scalar::I64(9))];
        let rows = tags.iter().zip(6..).map(|(tags, time)| (time, &tags[..], &fields[..]));
        let rows: Vec<Row> = rows.collect();
        opened.done(opened.engine.write(request("m", upsert(), &rows, &[])));
    },
    // Written, and not said to be on disk.
    |opened| {
        let rows: &[Row] = &[(7, &[("host", "a")], &[("cpu", Scalar::F64(2.5))])];
        let request = request("m", upsert(), rows, &[]);
        let request = WriteRequest { durability: Durability::Async, ..request };
        opened.done(opened.engine.write(request));
    },
];
