"""Tables come in: of every kind, of any content, up to a size that is counted while they come."""

import gzip
import io
from html.parser import HTMLParser

import pandas as pd
import pytest

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._pages.app import uploads
from jaxscale._pages.app.app_page import table_page
from jaxscale._pages.app.asked_reading import NONE, Reading
from jaxscale._pages.app.browsers import HeldTable
from jaxscale._pages.app.uploads import guess, table_of

HOSTILE = "<script>alert(1)</script>"


def sent(client, data, name="runs.csv"):
    return client.post("/api/tables", content=data, headers={"x-table-name": name})


def written(frame: pd.DataFrame, kind: str) -> bytes:
    if kind == "parquet":
        out = io.BytesIO()
        frame.to_parquet(out)
        return out.getvalue()
    if kind == "jsonl":
        return frame.to_json(orient="records", lines=True, double_precision=15).encode()
    return frame.to_csv(index=False, sep="\t" if kind == "tsv" else ",").encode()


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_every_kind_of_table_is_read(enter, kind):
    client, known, secret = enter()
    frame = js.synthetic.demo_frame()
    table = known.table(secret, sent(client, written(frame, kind)).json()["id"])
    assert uploads.read(table).sha256 == js.read_runs(frame).sha256
    found = uploads.guess(table)
    assert dict(found.columns) == {"N": "params", "D": "tokens", "C": "flops", "loss": "loss"}
    assert not found.problem


def test_columns_that_were_taken_wrongly_are_corrected(enter):
    client, known, secret = enter()
    frame = js.synthetic.demo_frame().rename(columns={"loss": "final"})
    frame["loss"] = 1.0  # not what it says
    table = known.table(secret, sent(client, written(frame, "csv")).json()["id"])
    assert uploads.guess(table).columns["loss"] == "loss"
    table.reading = Reading.of({"loss": "final", "C": NONE}, set(frame.columns))
    assert uploads.read(table).sha256 == js.read_runs(frame, loss="final", C=False).sha256
    for role, column, said in (("N", "nothing", "there is no column"), ("loss", 3, "must be text")):
        answer = client.post(f"/api/tables/{table.id}/fit", json={role: column})
        assert answer.status_code == 400 and said in answer.json()["error"]
    looked = client.post(f"/api/tables/{table.id}/look", json={"where": "final < 3", "N": "=params*1"}).json()
    assert looked["roles"]["N"] == "recognised: params*1" and "left out by the filter" in looked["read"]
    assert client.post(f"/api/tables/{table.id}/look", json={"where": "final ~ 3"}).json()["problem"]
    answer = client.post(f"/api/tables/{table.id}/fit", json={"law": "mine.py:law"})
    assert answer.status_code == 400 and "law is one of" in answer.json()["error"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 no workbook", "workbook"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", ""),
        (b"a,b\n1,2,3\n", ""),
        (b"just words", ""),
    ],
)
def test_what_is_no_table_is_refused_with_words(enter, data, said):
    client, known, secret = enter()
    answer = sent(client, data)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert known.tables(secret) == []


def test_size_is_counted_while_it_comes(enter, monkeypatch):
    client, _, _ = enter()
    monkeypatch.setattr("jaxscale._pages.app.routes.MOST_BYTES", 1000)
    given = []

    def parts():  # of no told length
        for _ in range(200):
            given.append(100)
            yield b"x" * 100

    assert sent(client, parts()).status_code == 413
    assert sent(client, b"x" * 1001).status_code == 413
    assert sent(client, written(js.synthetic.demo_frame().head(9), "csv")).status_code == 200
    body = client.post("/api/enter", content=b"x" * 70_000)
    assert body.status_code == 413 and "MiB" in body.json()["error"]


def test_what_is_packed_is_counted_while_it_is_unpacked(enter, monkeypatch):
    client, known, secret = enter()
    data = written(js.synthetic.demo_frame(), "csv")
    table = known.table(secret, sent(client, gzip.compress(data), "runs.csv.gz").json()["id"])
    assert uploads.read(table).count == 54
    monkeypatch.setattr(uploads, "MOST_UNPACKED", 1000)
    refused = sent(client, gzip.compress(data), "runs.csv.gz")
    assert refused.status_code == 400 and "unpacked" in refused.json()["error"]
    assert sent(client, gzip.compress(data)[:-9]).status_code == 400


def test_rows_are_counted(enter, monkeypatch):
    client, _, _ = enter()
    monkeypatch.setattr(uploads, "MOST_ROWS", 50)
    answer = sent(client, written(js.synthetic.demo_frame(), "csv"))
    assert answer.status_code == 400 and "54 rows" in answer.json()["error"]


def test_what_a_table_contains_stays_text(enter):
    client, known, secret = enter()
    frame = js.synthetic.demo_frame().assign(**{HOSTILE: HOSTILE, "<img src=x onerror=alert(1)>": "'\"><b>"})
    id = sent(client, written(frame, "csv"), "%3Cscript%3Ealert(1)%3C%2Fscript%3E").json()["id"]
    page = client.get(f"/tables/{id}")
    seen = []

    class Elements(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append((tag, dict(attrs)))

    Elements().feed(page.text)
    scripts = [a for t, a in seen if t == "script"]
    assert [a.get("src") or a["type"] for a in scripts] == ["application/json", "/app.js"]
    assert not [t for t, _ in seen if t in ("img", "b")]
    assert not [name for _, a in seen for name in a if name.startswith("on") or name == "style"]
    assert known.table(secret, id).name == HOSTILE
    assert table_page(known.table(secret, id), None) == page.text


def test_messages_speak_of_the_choices_on_the_page():
    with pytest.raises(InputError, match=r"'notes.pdf' is binary"):
        table_of(b"%PDF-1.4 \x00\x01", "notes.pdf")
    said = guess(HeldTable("t", pd.DataFrame({"params": [1e9], "tokens": [1e10], "score": [0.3]}))).problem
    assert said.endswith("Name it with “Loss”")
