import json

import numpy as np
import pytest
import torch
from scipy import sparse

from mrdib_graph import graph
from mrdib_graph.datasets import MMRecFolder, convert
from mrdib_graph.datasets.conversion.converters import READERS
from mrdib_graph.datasets.conversion.movielens_files import GENRES
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.features.digests import file_digest as sha256
from mrdib_graph.testing import check_dataset
from mrdib_graph.transforms.split_interactions import split_digest

USERS, ITEMS = 12, 20


def rows():
    """User, item, time, label: 8 items a user, every item used; the last two are held out."""
    rng = np.random.default_rng(0)
    out = []
    for user in range(USERS):
        first = [user, (user + USERS) % ITEMS]
        rest = [int(i) for i in rng.permutation(ITEMS) if i not in first]
        for rank, item in enumerate(first + rest[:6]):
            out.append((user, item, 1000 * rank + user, max(0, rank - 5)))
    return out


def features(folder, name, raw=ITEMS):
    x = np.random.default_rng(1).normal(size=(raw, 4)).astype(np.float32)
    np.save(folder / name, x)


def make(source_format, folder):
    """The same interactions in a format's own files."""
    lines = rows()
    if source_format == "recbole":
        inter = ["user_id:token\titem_id:token\ttimestamp:float"]
        inter += [f"u{u}\ti{i}\t{t}" for u, i, t, _ in lines]
        (folder / "s.inter").write_text("\n".join(inter) + "\n", encoding="utf-8")
        item = ["item_id:token\ttitle:token_seq\timage:float_seq"]
        item += [f"i{i}\tItem {i}\t{i} {i * i} 1.5" for i in range(ITEMS)]
        (folder / "s.item").write_text("\n".join(item) + "\n", encoding="utf-8")
    elif source_format == "movielens":
        data = "".join(f"{u + 1}\t{i + 1}\t3\t{t}\n" for u, i, t, _ in lines)
        (folder / "u.data").write_text(data)
        flags = "|".join(["0"] * (len(GENRES) - 1) + ["1"])
        films = "".join(f"{i + 1}|Film {i} (1990)||||{flags}\n" for i in range(ITEMS))
        (folder / "u.item").write_text(films)
    elif source_format == "microlens":
        pairs = "user,item,timestamp\n"
        pairs += "".join(f"{u + 1},{i + 1},{t}\n" for u, i, t, _ in lines)
        (folder / "m_pairs.csv").write_text(pairs)
        (folder / "m_title_en.csv").write_text("".join(f"{i + 1},Clip {i}\n" for i in range(ITEMS)))
        features(folder, "m_video_features_x.npy")
    elif source_format == "lattice":
        for label, name in enumerate(("train", "val", "test")):
            split: dict[str, list[int]] = {}
            for u, i, _, of in lines:
                if of == label:
                    split.setdefault(str(u), []).append(i)
            (folder / f"{name}.json").write_text(json.dumps(split))
        features(folder, "text_feat.npy")
    else:
        for label, name in enumerate(("trnMat", "valMat", "tstMat")):
            dense = np.zeros((USERS, ITEMS))
            for u, i, _, of in lines:
                dense[u, i] = of == label
            sparse.save_npz(folder / f"{name}.npz", sparse.csr_matrix(dense))
        features(folder, "audio_feat.npy")
    return folder


GIVEN = ("lattice", "diffmm")


@pytest.fixture(params=READERS)
def source_format(request):
    return request.param


@pytest.fixture
def source(source_format, tmp_path):
    (tmp_path / "raw").mkdir()
    return make(source_format, tmp_path / "raw")


def raw_number(table, row):
    return int("".join(c for c in table[row] if c.isdigit()))


def test_every_format_becomes_the_same_interactions(source_format, source, tmp_path):
    record = convert(source_format, source, tmp_path / "out" / "shop")
    split = "given" if source_format in GIVEN else "leave_last_out"
    dataset = MMRecFolder(tmp_path / "out", "shop", split=split)
    check_dataset(dataset)
    data = dataset[0]
    user, item = data[graph.INTERACTS].edge_index.tolist()
    label = sum(v * data[graph.INTERACTS][f"{s}_mask"].long() for v, s in enumerate(graph.SPLITS))
    start = 0
    if dataset.user_ids is not None:
        start = 0 if source_format == "recbole" else 1
        user = [raw_number(dataset.user_ids, u) - start for u in user]
        item = [raw_number(dataset.item_ids, i) - start for i in item]
    found = set(zip(user, item, label.tolist(), strict=True))
    assert found == {(u, i, of) for u, i, _, of in rows()}
    if source_format not in GIVEN:
        times = dict(zip(zip(user, item, strict=True), data[graph.INTERACTS].time.tolist(),
                         strict=True))  # fmt: skip
        assert times == {(u, i): t for u, i, t, _ in rows()}
        names = dataset.item_names
        assert names is not None
        for row, raw in enumerate(dataset.item_ids):
            assert names[row].split()[1] == str(raw_number([raw], 0) - start)
    counts = record["counts"]
    assert (counts["users"], counts["items"], counts["interactions"]) == (USERS, ITEMS, 8 * USERS)


def test_features_follow_their_items(source_format, source, tmp_path):
    convert(source_format, source, tmp_path / "shop")
    dataset = MMRecFolder(tmp_path / "shop", split="random", scale="never")
    data = dataset[0]
    if source_format == "recbole":
        numbers = torch.tensor([raw_number(dataset.item_ids, i) for i in range(ITEMS)])
        expected = torch.stack(
            [numbers, numbers**2, torch.full_like(numbers, 1.5, dtype=torch.float)], 1
        )
        assert torch.equal(data["image"].x, expected.float())
    elif source_format == "microlens":
        raw = np.load(source / "m_video_features_x.npy")
        numbers = [raw_number(dataset.item_ids, i) - 1 for i in range(ITEMS)]
        assert np.array_equal(data["video"].x.numpy(), raw[numbers])
    elif source_format in GIVEN:
        (modality,) = graph.modalities(data)
        raw = np.load(source / f"{modality}_feat.npy")
        assert np.array_equal(data[modality].x.numpy(), raw)
    else:
        assert graph.modalities(data) == []


def test_the_record_says_what_was_read_and_how_it_was_split(source_format, source, tmp_path):
    record = convert(source_format, source, tmp_path / "shop", split="cold_items", split_seed=3)
    assert record["format"] == source_format and record["options"] == {}
    for file in record["sources"]:
        assert file["sha256"] == sha256(source / file["file"])
    dataset = MMRecFolder(tmp_path / "shop")
    data = dataset[0]
    assert record["split"]["rule"].startswith("cold_items seed=3 share=0.2 sha256=")
    assert record["split"]["sha256"] == split_digest(data)
    stored = json.loads((tmp_path / "shop/provenance.json").read_text("utf-8"))
    assert {**stored, **record} == stored
    again = convert(source_format, source, tmp_path / "again", split="cold_items", split_seed=4)
    assert again["split"]["sha256"] != record["split"]["sha256"]
    assert again["key"] != record["key"]


def test_split_by_default_given_or_none(source_format, source, tmp_path):
    given = source_format in GIVEN
    record = convert(source_format, source, tmp_path / "default")
    assert (record["split"] is None) == (not given)
    assert convert(source_format, source, tmp_path / "none", split="none")["split"] is None
    header = (tmp_path / "none/none.inter").read_text().partition("\n")[0]
    assert "x_label" not in header
    if given:
        same = convert(source_format, source, tmp_path / "given", split="given")
        assert same["split"] == record["split"]
    else:
        with pytest.raises(
            DataError, match=f"the format {source_format} has no split; name a rule"
        ):
            convert(source_format, source, tmp_path / "given", split="given")
        options = {"cuts": (5000, 6500)}
        record = convert(source_format, source, tmp_path / "t", "global_time", 0, options)
        assert record["split"]["rule"].startswith("global_time cuts=5000,6500 sha256=")


def test_a_failure_leaves_no_folder(source_format, source, tmp_path):
    for path in source.iterdir():
        path.write_bytes(b"\x00\x01\x02")
    with pytest.raises(DataError):
        convert(source_format, source, tmp_path / "out" / "shop")
    assert not (tmp_path / "out").exists()


def test_what_is_left_out_is_logged_and_recorded(tmp_path, caplog):
    source = tmp_path / "raw"
    source.mkdir()
    make("movielens", source)
    with (source / "u.data").open("a") as file:
        file.write("1\t1\t1\t9\n2\t3\t1\t9\n")
    record = convert(
        "movielens", source, tmp_path / "shop", min_rating=2, deduplicate=True, encoding="latin-1"
    )
    assert record["left_out"] == {"rows below min_rating": 2}
    assert record["options"] == {"min_rating": 2, "deduplicate": True, "encoding": "latin-1"}
    assert "raw: 2 rows below min_rating left out" in caplog.text


def test_a_feature_file_of_ones_own_is_recorded(tmp_path):
    source = tmp_path / "raw"
    source.mkdir()
    make("lattice", source)
    features(tmp_path, "mine.npy")
    chosen = {"image": tmp_path / "mine.npy"}
    record = convert("lattice", source, tmp_path / "shop", features=chosen)
    assert record["options"] == {"features": {"image": str(tmp_path / "mine.npy")}}
    assert record["counts"]["modalities"] == {"image": 4}
    assert record["sources"][-1]["file"] == "mine.npy"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("recbol",), {}, "format: got 'recbol'; did you mean 'recbole'"),
        (
            ("recbole",),
            {"min_ratng": 1},
            "option 'min_ratng' is unknown; did you mean 'min_rating'",
        ),
        (("lattice",), {"min_rating": 1}, "convert lattice: option 'min_rating' is unknown"),
        (("lattice",), {"split": "radnom"}, "split: got 'radnom'"),
        (("lattice",), {"split_options": {"share": 0.1}}, "split_options: name a rule"),
        (("lattice",), {"split": "cold_items", "split_options": {"shar": 1}}, "'shar' is unknown"),
        (("lattice",), {"split": "cold_items", "split_options": {"seed": 1}}, "seed"),
    ],
)
def test_wrong_options(tmp_path, arguments, options, message):
    make("lattice", tmp_path)
    with pytest.raises(ConfigError, match=message):
        convert(*arguments, tmp_path, tmp_path / "shop", **options)
    assert not (tmp_path / "shop").exists()


def test_a_source_that_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    for name in ("file", "absent"):
        with pytest.raises(DataError, match=f"{name}: expected the folder with the raw files"):
            convert("lattice", tmp_path / name, tmp_path / "shop")
