import re

import numpy as np
import pandas as pd
import pytest
import torch

from mrdib_graph.datasets.folder.interaction_file import read_interactions
from mrdib_graph.errors import DataError

GOOD = b"userID\titemID\tx_label\n0\t0\t0\n0\t1\t1\n1\t1\t2\n"


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "set.inter"
        path.write_bytes(content)
        return path

    return write


def test_reads_columns_in_any_order(write):
    rows = read_interactions(
        write(b"rating\tx_label\titemID\tuserID\n5.0\t0\t3\t7\n1.5\t2\t4\t8\n")
    )
    assert rows.user.tolist() == [7, 8]
    assert rows.item.tolist() == [3, 4]
    assert rows.label.tolist() == [0, 2]
    assert rows.time is None
    assert {c.dtype for c in rows[:3]} == {torch.int64}


def test_agrees_with_pandas(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "itemID": rng.integers(0, 500, 3000),
            "timestamp": rng.integers(0, 2**45, 3000),
            "x_label": rng.integers(0, 3, 3000),
            "userID": rng.integers(0, 500, 3000),
        }
    )
    path = tmp_path / "set.inter"
    frame.to_csv(path, sep="\t", index=False)
    rows = read_interactions(path)
    for name, column in zip(("userID", "itemID", "x_label", "timestamp"), rows, strict=True):
        assert column.tolist() == frame[name].tolist()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.rstrip(b"\n"),
        GOOD + b"\n\n",
        GOOD.replace(b"itemID\t", b"itemID \t"),
    ],
    ids=["byte order mark", "CRLF", "no last line end", "blank lines", "blank in a name"],
)
def test_accepts_harmless_variants(write, content):
    rows = read_interactions(write(content))
    assert rows.user.tolist() == [0, 0, 1]
    assert rows.label.tolist() == [0, 1, 2]


def test_label_and_time_may_be_absent_or_needed(write):
    path = write(b"userID\titemID\n0\t1\n")
    assert read_interactions(path, need_label=False).label is None
    with pytest.raises(DataError, match="column timestamp is missing"):
        read_interactions(path, need_label=False, need_time=True)
    path = write(b"userID\titemID\ttimestamp\n0\t1\t1.5\n0\t2\t3\n")
    assert read_interactions(path, need_label=False, need_time=True).time.tolist() == [1.5, 3.0]


def test_hexadecimal_text_in_an_ignored_column_is_fine(write):
    rows = read_interactions(write(b"asin\tuserID\titemID\tx_label\n0x1F\t0\t0\t0\n"))
    assert rows.user.tolist() == [0]


def row(*fields):
    return GOOD + "\t".join(fields).encode() + b"\n"


MALFORMED = {
    "empty": (b"", "file is empty"),
    "blank": (b"\n \n", "file is empty"),
    "header only": (b"userID\titemID\tx_label\n", "no row"),
    "header missing": (b"0\t0\t0\n0\t1\t1\n", "line 1 .* header line is missing"),
    "column missing": (b"userID\titemID\n0\t0\n", "line 1 .*x_label is missing"),
    "column twice": (
        b"userID\titemID\tuserID\tx_label\n0\t0\t0\t0\n",
        "line 1 .*userID occurs twi",
    ),
    "commas": (b"userID,itemID,x_label\n0,0,0\n", "line 1 .*one column: wrong separator"),
    "spaces": (b"userID itemID x_label\n0 0 0\n", "line 1 .*wrong separator"),
    "RecBole": (b"user_id:token\titem_id:token\n1\t1\n", "line 1 .*RecBole"),
    "web page": (b"<!DOCTYPE html>\n<html></html>\n", "line 1 .*web page"),
    "Latin-1": (row("2", "caf\xe9", "0").decode().encode("latin-1"), "line 5 is not UTF-8"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "line 1 holds a NUL"),
    "gzip": (b"\x1f\x8b\x08\x08abc", "line 1 is not UTF-8"),
    "NUL": (row("2", "\0", "0"), "line 5 holds a NUL"),
    "text id": (row("bob", "0", "0"), "line 5, column userID: got 'bob'"),
    "decimal id": (row("1.5", "0", "0"), "line 5, column userID: got '1.5'"),
    "whole decimal id": (row("2", "12.0", "0"), "line 5, column itemID: got '12.0'"),
    "empty id": (row("2", "", "0"), "line 5, column itemID: got ''"),
    "NaN id": (row("NaN", "1", "0"), "line 5, column userID: got 'NaN'"),
    "negative id": (row("2", "-3", "0"), "line 5, column itemID: .*negative id -3"),
    "above int64": (row(str(2**63), "0", "0"), "line 5, column userID: .*above the largest int64"),
    "exponent id": (row("1e3", "0", "0"), "line 5, column userID: got '1e3'"),
    "hexadecimal id": (row("0x1F", "0", "0"), "line 5, column userID: got '0x1F'"),
    "quoted id": (row('"2"', "0", "0"), "line 5, column userID: got '\"2\"'"),
    "underscore id": (row("1_0", "0", "0"), "line 5, column userID: got '1_0'"),
    "too few fields": (row("2", "0"), "line 5 has 2 fields, expected 3"),
    "too many fields": (row("2", "0", "0", "9"), "line 5 has 4 fields, expected 3"),
    "label 3": (row("2", "0", "3"), r"line 5, column x_label: got '3'.*0 \(1 rows\).*3 \(1 rows\)"),
    "label -1": (row("2", "0", "-1"), "line 5, column x_label: got '-1'"),
    "label text": (row("2", "0", "train"), r"line 5, column x_label: got 'train'.*train \(1 rows"),
    "label empty": (row("2", "0", ""), r"line 5, column x_label: got ''.*nothing \(1 rows"),
    "time text": (
        b"userID\titemID\tx_label\ttimestamp\n0\t0\t0\tnoon\n",
        "line 2, .*timestamp.*noon",
    ),
    "time empty": (b"userID\titemID\tx_label\ttimestamp\n0\t0\t0\t\n", "line 2, column timestamp"),
    "time inf": (b"userID\titemID\tx_label\ttimestamp\n0\t0\t0\tinf\n", "line 2, .*timestamp.*inf"),
}


@pytest.mark.parametrize("content, message", MALFORMED.values(), ids=MALFORMED)
def test_refuses(write, content, message):
    path = write(content)
    with pytest.raises(DataError, match=message) as info:
        read_interactions(path)
    assert str(path) in str(info.value)


def test_line_numbers_count_blank_lines(write):
    with pytest.raises(DataError, match="line 7, column userID"):
        read_interactions(write(GOOD + b"\n\n-1\t0\t0\n"))


def test_an_absent_file_names_its_neighbours(tmp_path):
    (tmp_path / "other.inter").write_bytes(GOOD)
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "set.inter")) + ".*other.inter"):
        read_interactions(tmp_path / "set.inter")
    with pytest.raises(DataError, match="no such interaction file"):
        read_interactions(tmp_path)
