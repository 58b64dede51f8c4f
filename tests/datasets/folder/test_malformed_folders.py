"""Folders with one fault each: every one is refused, by the file and the place of the fault."""

import gzip
import json
import pickle
import re

import numpy as np
import pytest

from mrdib_graph.cli import main
from mrdib_graph.datasets import MMRecFolder
from mrdib_graph.datasets.folder.folder_check import check_folder
from mrdib_graph.datasets.folder.folder_record import write_record
from mrdib_graph.errors import DataError

ITEMS = 4
ROWS = [
    (user, item, max(0, (item + user) % ITEMS - 1)) for user in range(3) for item in range(ITEMS)
]
HEADER = "userID\titemID\tx_label"


def inter(rows=ROWS, header=HEADER):
    return (header + "\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows)).encode()


def more(*row):
    return inter([*ROWS, row])


def write_npy(array):
    return lambda path: np.save(path, array, allow_pickle=True)


def npy(shape, content, descr="'<f4'", version=b"\1\0"):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117)
    return b"\x93NUMPY" + version + (118).to_bytes(2, "little") + header + b"\n" + content


FINE = np.arange(8, dtype=np.float32).reshape(ITEMS, 2)
TWICE = "userID\titemID\tx_label\tuserID"


def changed(value, at=(2, 1), dtype=np.float32):
    array = FINE.astype(dtype)
    array[at] = value
    return array


MALFORMED = {  # what is wrong -> file, its content (None takes it away), what the message says
    "no .inter": ("shop.inter", None, "no such interaction file"),
    "empty": ("shop.inter", b"", "file is empty"),
    "blank": ("shop.inter", b" \n\n", "file is empty"),
    "header only": ("shop.inter", inter([]), "no row"),
    "no header": ("shop.inter", inter()[len(HEADER) + 1 :], "line 1 .*header line is missing"),
    "no user column": ("shop.inter", inter(header="user\titemID\tx_label"), "line 1 .*userID is"),
    "no item column": ("shop.inter", inter(header="userID\titem\tx_label"), "line 1 .*itemID is"),
    "no label column": ("shop.inter", inter(header="userID\titemID\tl"), "line 1 .*x_label is mis"),
    "column twice": (
        "shop.inter", inter([(*r, 0) for r in ROWS], TWICE), "line 1 .*userID occurs twice"
    ),
    "commas": ("shop.inter", inter().replace(b"\t", b","), "line 1 .*wrong separator"),
    "spaces": ("shop.inter", inter().replace(b"\t", b" "), "line 1 .*wrong separator"),
    "semicolons": ("shop.inter", inter().replace(b"\t", b";"), "line 1 .*wrong separator"),
    "RecBole": ("shop.inter", b"user_id:token\titem_id:token\n1\t1\n", "line 1 .*RecBole"),
    "web page": ("shop.inter", b"<!DOCTYPE html>\n<p>sorry", "line 1 .*web page"),
    "gzip": ("shop.inter", gzip.compress(inter()), "line 1 (is not UTF-8|holds a NUL)"),
    "Latin-1": ("shop.inter", inter() + b"caf\xe9\t0\t0\n", "line 14 is not UTF-8"),
    "UTF-16": ("shop.inter", inter().decode().encode("utf-16"), "line 1 holds a NUL"),
    "NUL": ("shop.inter", more("\0", 0, 0), "line 14 holds a NUL"),
    "text id": ("shop.inter", more("bob", 0, 0), "line 14, column userID: got 'bob'"),
    "decimal id": ("shop.inter", more(1.5, 0, 0), "line 14, column userID: got '1.5'"),
    "12.0 as an id": ("shop.inter", more(3, "12.0", 0), "line 14, column itemID: got '12.0'"),
    "no id": ("shop.inter", more("", 0, 0), "line 14, column userID: got ''"),
    "NaN id": ("shop.inter", more(3, "NaN", 0), "line 14, column itemID: got 'NaN'"),
    "negative id": ("shop.inter", more(-1, 0, 0), "line 14, column userID: .*negative"),
    "id above int64": ("shop.inter", more(2**63, 0, 0), "line 14, .*above the largest int64"),
    "id of 5,000 digits": ("shop.inter", more("9" * 5000, 0, 0), "line 14, .*above the largest"),
    "id in hexadecimal": ("shop.inter", more("0x3", 0, 0), "line 14, column userID: got '0x3'"),
    "sparse users": ("shop.inter", more(10**6, 0, 0), "column userID has 4 distinct ids"),
    "sparse items": ("shop.inter", more(0, 10**12, 0), "column itemID has 5 distinct ids"),
    "label 3": ("shop.inter", more(3, 0, 3), r"line 14, column x_label.*3 \(1 rows\)"),
    "label in words": ("shop.inter", more(3, 0, "train"), r"line 14, .*x_label.*train \(1 rows"),
    "label missing": ("shop.inter", more(3, 0, ""), r"line 14, .*x_label.*nothing \(1 rows"),
    "field missing": ("shop.inter", more(3, 0), "line 14 has 2 fields, expected 3"),
    "field too many": ("shop.inter", more(3, 0, 0, 0), "line 14 has 4 fields, expected 3"),
    "time in words": (
        "shop.inter", inter([(0, 0, 0, "noon")], HEADER + "\ttimestamp"), "line 2, .*timestamp"
    ),
    "pair twice": ("shop.inter", more(*ROWS[0]), r"1 rows repeat.*\(user 0, item 0\)"),
    "pair in two splits": ("shop.inter", more(0, 0, 2), r"1 pairs are in two splits.*\(user 0, it"),
    "nothing to train": ("shop.inter", inter([(0, 0, 1), (0, 1, 2)]), "training split is empty"),
    "validation of strangers": (
        "shop.inter", inter([(0, i, 0) for i in range(4)] + [(1, 0, 1)]), "none of the 1 validation"
    ),
    "test of strangers": (
        "shop.inter", inter([(0, i, 0) for i in range(4)] + [(1, 0, 2)]), "none of the 1 test rows"
    ),
    "too few feature rows": ("text_feat.npy", write_npy(FINE[:3]), "3 rows, and .* has 4 items"),
    "too many feature rows": (
        "text_feat.npy", write_npy(np.ones((5, 2), np.float32)), "5 rows, and .* has 4 items"
    ),
    "1-D": ("text_feat.npy", write_npy(FINE[0]), r"shape \(2,\)"),
    "3-D": ("text_feat.npy", write_npy(FINE[None]), r"shape \(1, 4, 2\)"),
    "no columns": ("text_feat.npy", write_npy(FINE[:, :0]), r"shape \(4, 0\)"),
    "no rows": ("text_feat.npy", write_npy(FINE[:0]), r"shape \(0, 2\)"),
    "objects": ("text_feat.npy", write_npy(FINE.astype(object)), "object.*never loaded"),
    "structured": ("text_feat.npy", write_npy(FINE.view([("a", "f4")])), "expected float16"),
    "complex": ("text_feat.npy", write_npy(FINE.astype(complex)), "complex128"),
    "strings": ("text_feat.npy", write_npy(FINE.astype(str)), "expected float16"),
    "bool": ("text_feat.npy", write_npy(FINE > 1), "bool"),
    "integers": ("text_feat.npy", write_npy(FINE.astype(int)), "int64.*allow_integers"),
    "NaN": ("text_feat.npy", write_npy(changed(np.nan)), "1 values.*row 2, column 1: nan"),
    "infinite": ("text_feat.npy", write_npy(changed(-np.inf)), "1 values.*row 2, column 1: -inf"),
    "too large for float32": (
        "text_feat.npy", write_npy(changed(1e39, dtype=float)), r"row 2, column 1: 1e\+39"
    ),
    "pickle": ("text_feat.npy", pickle.dumps(FINE), "a pickle.*never loaded"),
    "npz": ("text_feat.npy", b"PK\x03\x04zip", "a zip archive"),
    "gzip features": ("text_feat.npy", gzip.compress(b"x"), "compressed with gzip"),
    "page as features": ("text_feat.npy", b"<html>", "a web page"),
    "empty features": ("text_feat.npy", b"", "empty"),
    "cut header": ("text_feat.npy", npy((4, 2), b"")[:50], "header cannot be read"),
    "broken type": ("text_feat.npy", npy((4, 2), bytes(32), "('<f4',)"), "header cannot be read"),
    "code in the header": ("text_feat.npy", npy("exit()", b""), "header cannot be read"),
    "other version": ("text_feat.npy", npy((4, 2), bytes(32), version=b"\3\0"), "version 3.0"),
    "promises a terabyte": ("text_feat.npy", npy((2**38, 1), bytes(32)), "header promises"),
    "one byte short": ("text_feat.npy", npy((4, 2), bytes(31)), "header promises"),
    "one byte more": ("text_feat.npy", npy((4, 2), bytes(33)), "header promises"),
    "name of a node type": ("item_feat.npy", write_npy(FINE), "'item'"),
    "mapping too short": ("u_id_mapping.csv", b"user_id\tuserID\na\t0\n", "2 of 3 ids have no"),
    "mapping twice": (
        "i_id_mapping.csv", b"asin\titemID\na\t0\nb\t0\nc\t2\nd\t3\n", "line 3, column itemID"
    ),
    "mapping of another column": ("i_id_mapping.csv", b"asin\titem\na\t0\n", "line 1 .*itemID"),
    "mapping not UTF-8": ("u_id_mapping.csv", b"user_id\tuserID\n\xff\t0\n", "UTF-8"),
    "mapping id of 5,000 digits": (
        "u_id_mapping.csv", b"user_id\tuserID\na\t" + b"1" * 5000 + b"\n", "line 2, column userID"
    ),
    "text table with a field more": (
        "items.tsv", b"itemID\ttitle\n0\ta\tb\n", "line 2 has 3 fields, expected 2"
    ),
    "record that is no JSON": ("provenance.json", b"{", "cannot be read as a record"),
    "record without files": ("provenance.json", b'{"key": "a"}', "cannot be read as a record"),
    "record of files without sizes": (
        "provenance.json", b'{"key": "a", "files": {"shop.inter": 3}}', "cannot be read as a record"
    ),
    "record nested too deep": ("provenance.json", b"[" * 10_000, "cannot be read as a record"),
    "record of another file": (
        "provenance.json",
        json.dumps(
            {"data_version": 1, "key": "a",
             "files": {"gone.npy": {"size": 3, "sha256": "0" * 64}}}
        ).encode(),
        "gone.npy: the file is gone",
    ),
    "feature record of other rows": ("text_feat.json", b"{}", "text_feat.json"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "shop"
    made.mkdir()
    (made / "shop.inter").write_bytes(inter())
    np.save(made / "text_feat.npy", FINE)
    np.save(made / "image_feat.npy", FINE + 1)
    return made


def spoil(folder, file, content):
    if content is None:
        (folder / file).unlink()
    elif isinstance(content, bytes):
        (folder / file).write_bytes(content)
    else:
        content(folder / file)


def test_the_whole_folder_is_fine(folder):
    errors, warnings, dataset = check_folder(folder)
    assert not errors and not warnings and isinstance(dataset, MMRecFolder)


def test_there_are_at_least_sixty():
    assert len(MALFORMED) >= 60


@pytest.mark.parametrize(("file", "content", "message"), MALFORMED.values(), ids=MALFORMED)
def test_refused_by_file_and_place(folder, file, content, message):
    spoil(folder, file, content)
    errors, _, dataset = check_folder(folder)
    assert dataset is None
    named = [error for error in errors if re.search(message, error, re.DOTALL)]
    assert named, errors
    where = folder / ("gone.npy" if file == "provenance.json" and "gone" in message else file)
    assert named[0].startswith(f"{where}: ")
    if file != "provenance.json":
        with pytest.raises(DataError) as info:
            MMRecFolder(folder)[0]
        address = re.compile("0x[0-9a-f]+")  # NumPy's message shows that of an object
        assert address.sub("", str(info.value)) == address.sub("", named[0])


@pytest.mark.parametrize("name", ["id of 5,000 digits", "sparse items", "broken type", "pickle"])
def test_the_command_ends_with_status_3_and_one_line(folder, capsys, name):
    file, content, message = MALFORMED[name]
    spoil(folder, file, content)
    assert main(["datasets", "check", str(folder)]) == 3
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert err.startswith(f"error: {folder / file}: ") and re.search(message, err)


def test_faults_in_several_files_are_listed(folder, capsys):
    for name in ("text id", "NaN", "record that is no JSON"):
        spoil(folder, *MALFORMED[name][:2])
    assert main(["datasets", "check", str(folder)]) == 3
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["error"] * 3
    for file, line in zip(("provenance.json", "shop.inter", "text_feat.npy"), lines, strict=True):
        assert f"{folder / file}: " in line
    assert err == f"error: {folder}: 3 errors found, listed above\n"


def test_what_is_allowed_and_suspicious_is_a_warning(folder, capsys):
    rows = [row for row in ROWS if row[2] < 2 and row[:2] != (0, 1)] + [(3, 0, 1)]
    spoil(folder, "shop.inter", inter(rows))
    spoil(folder, "text_feat.npy", write_npy(np.vstack([FINE[:2], FINE[:1], 1000 * FINE[:1]])))
    (folder / "video_feat.pkl").write_bytes(pickle.dumps(FINE))
    assert main(["datasets", "check", str(folder)]) == 0
    out = capsys.readouterr().out
    for text in (
        "1 validation rows dropped, of users without a training row",
        "the test split is empty",
        "text_feat.npy: 1 rows equal to an earlier row",
        "text_feat.npy: 1 rows with a norm over 10 times above or below the median",
        "video_feat.pkl: is a pickle",
        "1 items have no training row",
    ):
        assert sum(text in line and line.startswith("warning: ") for line in out.splitlines()) == 1
    assert re.search(r"no error found; warnings: \d$", out.splitlines()[-1])


def test_a_file_that_was_added_to_a_built_folder_is_a_warning(folder):
    write_record(folder, {"key": "a"})
    np.save(folder / "audio_feat.npy", FINE)
    errors, warnings, _ = check_folder(folder)
    assert not errors
    assert warnings == [f"{folder}/audio_feat.npy: was added after the folder was built "
                        "(provenance.json)"]  # fmt: skip
    np.save(folder / "text_feat.npy", FINE + 1)
    assert "is not the one that was built" in check_folder(folder).errors[0]


def test_a_rule_takes_the_place_of_the_labels(folder, capsys):
    spoil(folder, "shop.inter", inter([row[:2] for row in ROWS], "userID\titemID"))
    assert main(["datasets", "check", str(folder)]) == 3
    assert "x_label is missing" in capsys.readouterr().err
    arguments = ["datasets", "check", str(folder), "--split", "random", "--split-seed", "4"]
    assert main(arguments) == 0
    assert "random seed=4" in capsys.readouterr().out
    assert main(["datasets", "check", str(folder), "--split", "radnom"]) == 2
