"""Every result format, of the row API and of SQL, parses and agrees with the source."""

import pandas
import pytest

from results import FORMATS
from sources import sources
from ways import csv

SOURCES = sources()[:2]


@pytest.fixture(scope="module")
def loaded(server):
    """One half in Parquet, one half in memory."""
    for source in SOURCES:
        csv(server, source, source.name)
        server.flush()
        csv(server, source, source.name)
    return server


def twice(source):
    frame = source.frame(upsert=False)
    return pandas.concat([frame, frame]).sort_values(list(frame.columns), kind="stable").reset_index(drop=True)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_result_formats_agree(loaded, source, format):
    content_type, parse = FORMATS[format]
    query = f"/tables/{source.name}/query"
    answers = {
        "row API, parameter": loaded.get(query, limit=1_000_000, format=format),
        "row API, Accept": loaded.request("GET", query, params={"limit": 1_000_000}, headers={"accept": content_type}),
        "SQL, format": loaded.sql(f"SELECT * FROM {source.name}", format),
        "SQL, Accept": loaded.request(
            "POST", "/api/v1/query", json={"sql": f"SELECT * FROM {source.name}"}, headers={"accept": content_type}
        ),
    }
    if format == "arrow":
        answers["SQL, route"] = loaded.request("POST", "/api/v1/query/arrow", json={"sql": f"SELECT * FROM {source.name}"})
    for name, answer in answers.items():
        assert answer.headers["content-type"].startswith(content_type), name
        frame = parse(answer)
        assert frame.columns[0] == "id", f"{name}: the row id stands first"
        assert sorted(frame["id"]) == list(range(1, len(frame) + 1)), f"{name}: row ids"
        pandas.testing.assert_frame_equal(source.canonical(frame, source.time), twice(source), check_dtype=False)


@pytest.mark.parametrize("format", FORMATS)
def test_empty_results_parse(loaded, format):
    content_type, parse = FORMATS[format]
    for answer in (
        loaded.get("/tables/stocks/query", end="1990-01-01", format=format),
        loaded.sql("SELECT * FROM stocks WHERE \"Open\" < 0", format),
    ):
        assert answer.headers["content-type"].startswith(content_type)
        assert len(parse(answer)) == 0


def test_pages_are_the_whole(loaded):
    """Pages by cursor, and by offset, have every row once and in order."""
    whole = loaded.get("/tables/stocks/query", limit=1_000_000).json()["data"]
    by_cursor, cursor = [], None
    while True:
        params = {"limit": 997} | ({"cursor": cursor} if cursor else {})
        answer = loaded.get("/tables/stocks/query", **params)
        by_cursor += answer.json()["data"]
        cursor = answer.headers.get("x-pulsora-next")
        assert (cursor is not None) == (answer.headers.get("x-pulsora-more") == "true")
        if cursor is None:
            break
    assert by_cursor == whole
    by_offset = loaded.get("/tables/stocks/query", limit=100, offset=5000).json()["data"]
    assert by_offset == whole[5000:5100]
    backwards = loaded.get("/tables/stocks/query", limit=1_000_000, order="desc").json()["data"]
    assert [row["Date"] for row in backwards] == [row["Date"] for row in reversed(whole)]


def test_parameters_narrow_the_rows(loaded):
    """Time range (both ends inclusive), tags, columns; against pandas."""
    frame = twice(SOURCES[0])
    params = {"start": "2005-01-03", "end": "2005-12-30", "tags": "Ticker:IBM", "columns": "Date,Close", "limit": 10_000}
    rows = loaded.get("/tables/stocks/query", **params).json()["data"]
    times = pandas.to_datetime(frame["time"])
    wanted = frame[(times >= "2005-01-03") & (times <= "2005-12-30") & (frame["Ticker"] == "IBM")]
    assert [row["Close"] for row in rows] == wanted["Close"].tolist()
    assert list(rows[0]) == ["Date", "Close"]
    count = loaded.get("/tables/stocks/count", start="2005-01-03", end="2005-12-30").json()["data"]["count"]
    assert count == ((times >= "2005-01-03") & (times <= "2005-12-30")).sum()


def test_row_by_id(loaded):
    row = loaded.get("/tables/stocks/rows/1").json()["data"]
    assert (row["id"], row["Ticker"], row["Close"]) == (1, "AAPL", 130.31)
    assert loaded.request("GET", "/tables/stocks/rows/999999999", want=[404]).json()["code"] == "row_not_found"
