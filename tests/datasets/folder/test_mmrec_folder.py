import logging

import numpy as np
import pytest
import torch

from mrdib_graph import graph
from mrdib_graph.datasets import MMRecFolder
from mrdib_graph.errors import ConfigError, DataError
from mrdib_graph.testing import check_dataset

USERS, ITEMS = 12, 20


def interactions(seed=0):
    """Each user has 8 items, each item a user; the last row of a user is test, one before val."""
    rng = np.random.default_rng(seed)
    lines = []
    for user in range(USERS):
        first = [user, (user + USERS) % ITEMS]
        rest = [i for i in rng.permutation(ITEMS) if i not in first]
        for rank, item in enumerate(first + rest[:6]):
            lines.append((user, int(item), max(0, rank - 5)))
    return lines


def text(lines, header="userID\titemID\tx_label"):
    return header + "\n" + "".join("\t".join(map(str, line)) + "\n" for line in lines)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.inter").write_text(text(interactions()))
    rng = np.random.default_rng(1)
    np.save(folder / "text_feat.npy", rng.normal(size=(ITEMS, 4)).astype(np.float32))
    np.save(folder / "image_feat.npy", rng.normal(size=(ITEMS, 6)))
    np.save(folder / "audio_mel_feat.npy", rng.normal(size=(ITEMS, 3)).astype(np.float16))
    return tmp_path


def test_reads_everything(root):
    data = MMRecFolder(root, "shop")[0]
    lines = torch.tensor(interactions())
    assert graph.num_users(data) == USERS and graph.num_items(data) == ITEMS
    assert graph.interactions(data).tolist() == lines[:, :2].t().tolist()
    for label, split in enumerate(graph.SPLITS):
        kept = lines[lines[:, 2] == label, :2]
        assert graph.interactions(data, split).tolist() == kept.t().tolist()
    assert graph.modalities(data) == ["audio_mel", "image", "text"]
    for modality in graph.modalities(data):
        x, mask = graph.item_features(data, modality)
        raw = np.load(root / "shop" / f"{modality}_feat.npy").astype(np.float32)
        assert np.array_equal(x.numpy(), raw) and bool(mask.all())
    assert data.feature_scaling == "none"
    assert data.split_rule.startswith("given sha256=")


def test_the_folder_itself_works_and_gives_the_same_graph(root):
    one, other = MMRecFolder(root, "shop"), MMRecFolder(root / "shop")
    assert other.name == "shop" and one.digest == other.digest


@pytest.mark.parametrize("split", ["given", "random", "lattice", "ratio"])
def test_common_checks(root, split):
    check_dataset(MMRecFolder(root, "shop", split=split, split_seed=3))


def test_the_order_of_columns_does_not_change_the_digest(root):
    digest = MMRecFolder(root, "shop").digest
    lines = [(5.0, label, item, user) for user, item, label in interactions()]
    (root / "shop/shop.inter").write_text(text(lines, "rating\tx_label\titemID\tuserID"))
    assert MMRecFolder(root, "shop").digest == digest


def test_modalities_are_taken_in_the_order_asked_for(root):
    data = MMRecFolder(root, "shop", modalities=["text", "image"])[0]
    assert graph.modalities(data) == ["text", "image"]
    assert graph.modalities(MMRecFolder(root, "shop", modalities=[])[0]) == []


def test_unscaled_float32_features_stay_mapped(root):
    x = MMRecFolder(root, "shop", modalities=["text"])[0]["text"].x
    with (root / "shop/text_feat.npy").open("r+b") as file:
        file.seek(-4, 2)
        file.write(np.float32(42).tobytes())
    assert x[-1, -1] == 42


def test_modalities_of_different_scale_are_scaled(root):
    x = np.load(root / "shop/text_feat.npy")
    np.save(root / "shop/text_feat.npy", 1000 * x)
    data = MMRecFolder(root, "shop")[0]
    assert "row norms of text are" in data.feature_scaling
    for modality in graph.modalities(data):
        assert torch.allclose(data[modality].x.norm(dim=1), torch.ones(ITEMS))
    assert MMRecFolder(root, "shop", scale="never")[0].feature_scaling == "none"


def test_splits_by_rule_ignore_the_labels(root):
    (root / "shop/shop.inter").write_text(
        text([line[:2] for line in interactions()], "userID\titemID")
    )
    with pytest.raises(DataError, match="x_label is missing"):
        MMRecFolder(root, "shop")[0]
    data = MMRecFolder(root, "shop", split="random", split_seed=7)[0]
    assert data.split_rule.startswith("random seed=7 sha256=")
    counts = [int(data[graph.INTERACTS][f"{s}_mask"].sum()) for s in graph.SPLITS]
    assert counts == [6 * USERS, USERS, USERS]


def test_split_by_time_needs_and_uses_the_time_column(root):
    with pytest.raises(DataError, match="timestamp is missing"):
        MMRecFolder(root, "shop", split="leave_last_out")[0]
    lines = [(u, i, 100 - rank) for rank, (u, i, _) in enumerate(interactions())]
    (root / "shop/shop.inter").write_text(text(lines, "userID\titemID\ttimestamp"))
    data = MMRecFolder(root, "shop", split="leave_last_out")[0]
    latest = {u: i for u, i, _ in reversed(lines)}
    assert dict(graph.interactions(data, "test").t().tolist()) == latest


def test_id_mappings(root):
    (root / "shop/u_id_mapping.csv").write_text(
        "user_id\tuserID\n" + "".join(f"name{u}\t{u}\n" for u in reversed(range(USERS)))
    )
    (root / "shop/i_id_mapping.csv").write_text(
        "asin\titemID\n" + "".join(f"{900 - i}\t{i}\n" for i in range(ITEMS))
    )
    dataset = MMRecFolder(root, "shop")
    check_dataset(dataset)
    assert dataset.user_ids == [f"name{u}" for u in range(USERS)]
    assert dataset[0]["item"].raw_id.tolist() == [900 - i for i in range(ITEMS)]
    (root / "shop/u_id_mapping.csv").write_text("user_id\tuserID\nname0\t0\n")
    with pytest.raises(DataError, match="u_id_mapping.csv: 11 of 12 ids"):
        MMRecFolder(root, "shop")[0]


def test_without_mappings_there_are_no_ids(root):
    dataset = MMRecFolder(root, "shop")
    assert dataset.user_ids is None and dataset.item_ids is None and dataset.item_names is None


def test_duplicates(root, caplog):
    lines = [*interactions(), interactions()[0]]
    (root / "shop/shop.inter").write_text(text(lines))
    with pytest.raises(DataError, match=r"shop.inter: 1 rows repeat.*\(user 0, item 0\)"):
        MMRecFolder(root, "shop")[0]
    with caplog.at_level(logging.WARNING):
        data = MMRecFolder(root, "shop", deduplicate=True)[0]
    assert graph.interactions(data).size(1) == len(lines) - 1
    assert "1 repeated rows dropped" in caplog.text


def test_a_pair_in_two_splits_is_refused_even_when_deduplicating(root):
    user, item, _ = interactions()[0]
    (root / "shop/shop.inter").write_text(text([*interactions(), (user, item, 2)]))
    with pytest.raises(DataError, match="1 pairs are in two splits"):
        MMRecFolder(root, "shop", deduplicate=True)[0]
    MMRecFolder(root, "shop", split="random", deduplicate=True)[0]


def test_sparse_ids(root):
    (root / "shop/shop.inter").write_text(text([*interactions(), (5000, 0, 0)]))
    with pytest.raises(DataError, match="shop.inter: column userID has 13 distinct"):
        MMRecFolder(root, "shop")[0]
    data = MMRecFolder(root, "shop", allow_sparse_ids=True)[0]
    assert graph.num_users(data) == 5001


def test_held_out_rows_of_unseen_users_are_dropped(root, caplog):
    (root / "shop/shop.inter").write_text(text([*interactions(), (USERS, 0, 2)]))
    with caplog.at_level(logging.WARNING):
        data = MMRecFolder(root, "shop")[0]
    assert "1 test rows dropped" in caplog.text
    assert graph.interactions(data).size(1) == len(interactions())


def test_items_without_a_training_row_are_counted(root, caplog):
    lines = [(u, i, 1 if i == 3 else label) for u, i, label in interactions()]
    (root / "shop/shop.inter").write_text(text(lines))
    with caplog.at_level(logging.WARNING):
        data = MMRecFolder(root, "shop")[0]
    assert "1 items have no training row" in caplog.text
    assert graph.num_items(data) == ITEMS


def test_suspicious_features_are_reported(root, caplog):
    x = np.load(root / "shop/text_feat.npy")
    x[4], x[6], x[:, 1] = 0, x[5], 1e-33
    np.save(root / "shop/text_feat.npy", x)
    with caplog.at_level(logging.WARNING):
        MMRecFolder(root, "shop")[0]
    for what in ("1 rows equal to an earlier row", "1 near-constant columns"):
        assert f"text_feat.npy: {what}" in caplog.text


def test_absent_folder_file_and_modality(root):
    with pytest.raises(DataError, match="absent: there is no such folder"):
        MMRecFolder(root, "absent")[0]
    message = "imag_feat.npy: modality 'imag' .*'image'.*audio_mel, image, text"
    with pytest.raises(DataError, match=message):
        MMRecFolder(root, "shop", modalities=["imag"])[0]
    (root / "shop/shop.inter").rename(root / "shop/other.inter")
    with pytest.raises(DataError, match="shop.inter: there is no such .* holds other.inter"):
        MMRecFolder(root, "shop")[0]


@pytest.mark.parametrize("suffix", ["pkl", "pt"])
def test_pickled_features_are_never_loaded(root, suffix):
    (root / f"shop/video_feat.{suffix}").write_bytes(b"\x80\x04.")
    with pytest.raises(DataError, match=f"video_feat.{suffix} is a pickle.*never"):
        MMRecFolder(root, "shop", modalities=["video"])[0]


@pytest.mark.parametrize("rows", [ITEMS - 1, ITEMS + 1])
def test_feature_rows_must_match_the_items(root, rows):
    np.save(root / "shop/text_feat.npy", np.ones((rows, 4), np.float32))
    message = f"text_feat.npy: {rows} rows, and .*shop.inter has {ITEMS} items"
    with pytest.raises(DataError, match=message):
        MMRecFolder(root, "shop")[0]


def test_integer_features_on_request(root):
    np.save(root / "shop/text_feat.npy", np.arange(4 * ITEMS).reshape(ITEMS, 4))
    with pytest.raises(DataError, match="text_feat.npy: values are int64"):
        MMRecFolder(root, "shop")[0]
    data = MMRecFolder(root, "shop", allow_integers=True, scale="never")[0]
    assert data["text"].x[1].tolist() == [4, 5, 6, 7]


@pytest.mark.parametrize("name", ["../shop", "a/b", "a\\b", "..", "", "/etc", "a\0b", "C:x"])
def test_names_are_not_paths(root, name):
    with pytest.raises(DataError, match="name"):
        MMRecFolder(root, name)
    with pytest.raises(DataError, match="name"):
        MMRecFolder(root, "shop", modalities=[name])[0]


def test_modalities_that_clash(root):
    with pytest.raises(DataError, match="asked for twice"):
        MMRecFolder(root, "shop", modalities=["text", "text"])[0]
    np.save(root / "shop/item_feat.npy", np.ones((ITEMS, 2), np.float32))
    with pytest.raises(DataError, match="item_feat.npy: got 'item', which cannot name"):
        MMRecFolder(root, "shop")[0]


@pytest.mark.parametrize(
    "options",
    [{"modalities": "text"}, {"split": "radnom"}, {"split_seed": -1}, {"scale": "sometimes"}],
)
def test_wrong_options_are_refused_before_anything_is_read(tmp_path, options):
    with pytest.raises(ConfigError, match=r"got .*expected"):
        MMRecFolder(tmp_path, "absent", **options)


def test_titles_and_texts_of_the_items(root):
    dataset = MMRecFolder(root, "shop")
    assert dataset.item_texts is None and dataset.item_names is None
    table = "itemID\ttitle\ttext\n" + "".join(f"{i}\tItem {i}\tText {i}\n" for i in range(ITEMS))
    (root / "shop/items.tsv").write_text(table)
    dataset = MMRecFolder(root, "shop")
    assert dataset.item_texts == [f"Text {i}" for i in range(ITEMS)]
    assert dataset.item_names == [f"Item {i}" for i in range(ITEMS)]
    (root / "shop/items.tsv").write_text(table.replace("title", "name").replace("text", "note"))
    dataset = MMRecFolder(root, "shop")
    assert dataset.item_texts is None and dataset.item_names == [f"Item {i}" for i in range(ITEMS)]
    (root / "shop/items.tsv").write_text(table.replace("19\t", "18\t"))
    with pytest.raises(DataError, match=r"items\.tsv: line 21, column itemID: got '18'"):
        MMRecFolder(root, "shop")[0]


def test_split_options_reach_the_rule(root):
    options = {"share": 0.5}
    dataset = MMRecFolder(root, "shop", split="cold_items", split_seed=2, split_options=options)
    held = graph.interactions(dataset[0], "val")[1].unique().numel()
    held += graph.interactions(dataset[0], "test")[1].unique().numel()
    assert held == ITEMS / 2
    assert dataset.split_rule.startswith("cold_items seed=2 share=0.5 sha256=")
    check_dataset(dataset)
    with pytest.raises(ConfigError, match="split: option 'shar' is unknown; did you mean 'share'"):
        MMRecFolder(root, "shop", split="cold_items", split_options={"shar": 0.5})
