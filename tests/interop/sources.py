"""The source files, and the facts an independent reader (DuckDB) finds in them.

A source is a CSV file with one time column, tag columns and value columns. Its frame is what the server
must give back, in one canonical form: column `time` in nanoseconds, then tags, then values, sorted by time
and tags. Where a file has a time twice for one series, an upsert table keeps the later row.
"""

from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Source:
    """One file."""

    path: Path
    time: str
    tags: tuple = ()
    values: tuple = field(default=("value",))

    @property
    def name(self):
        return self.path.stem

    def read(self):
        """The file as DuckDB reads it, in the order of its rows."""
        return duckdb.read_csv(str(self.path), header=True).df()

    def frame(self, upsert):
        """What the server must give back."""
        frame = self.read()
        if upsert:
            frame = frame.drop_duplicates([self.time, *self.tags], keep="last")
        return self.canonical(frame, self.time)

    def canonical(self, frame, time):
        """A frame of any reader in the canonical form; `time` is the name of its time column."""
        times = pandas.to_datetime(frame[time], utc=True).astype("datetime64[ns, UTC]")
        columns = {"time": times.astype("int64").to_numpy()}
        for tag in self.tags:
            columns[tag] = frame[tag].astype(str).to_numpy()
        for value in self.values:
            columns[value] = pandas.to_numeric(frame[value]).to_numpy()
        frame = pandas.DataFrame(columns)
        # By value last, for append tables that hold a time twice.
        return frame.sort_values(list(frame.columns), kind="stable").reset_index(drop=True)


def sources():
    """Every source there is on this machine; the example is always there."""
    stocks = DATA / "stocks.csv"
    stocks = stocks if stocks.exists() else EXAMPLES / "stocks.csv"
    prices = ("Open", "High", "Low", "Close", "Volume", "Adj Close")
    metrics = sorted((DATA / "nab").glob("*.csv"))
    return [Source(stocks, "Date", ("Ticker",), prices), *(Source(path, "timestamp") for path in metrics)]


def facts(frame, values):
    """Count, and per column sum, least and greatest, of a frame in canonical form; by DuckDB."""
    parts = ["count(*)", 'min("time")', 'max("time")']
    for value in values:
        parts += [f'sum("{value}")', f'min("{value}")', f'max("{value}")']
    return list(duckdb.sql(f"SELECT {', '.join(parts)} FROM frame").fetchall()[0])
