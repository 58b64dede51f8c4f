"""A network's weights from a local file that holds tensors alone."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from mrdib_graph.errors import ConfigError, DataError


def weights_file(weights: str | Path) -> Path:
    """The path, refused where no file is there.

    Raises:
        ConfigError: It is no path.
        DataError: There is no such file.
    """
    if not isinstance(weights, str | Path) or not str(weights):
        raise ConfigError(f"weights: got {weights!r}, expected the path of a file")
    path = Path(weights)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file of weights")
    return path


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dictionary in a ``.safetensors`` file, or in a ``.pth`` that holds tensors alone.

    Raises:
        DataError: The file is neither, or holds anything but named tensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: the weights cannot be read: {error}") from error
    except Exception as error:  # the unpickler raises whatever the bytes make it meet
        raise DataError(
            f"{path}: not a file of tensors alone ({type(error).__name__}); what else a .pth may "
            "hold can run code and is never loaded: save the state dictionary"
        ) from error
    if isinstance(state, dict) and set(state) & {"state_dict", "model"}:
        state = state.get("state_dict", state.get("model"))
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise DataError(f"{path}: expected a state dictionary, name to tensor")
    return state


def load_weights(network: nn.Module, path: Path, heads: tuple[str, ...]) -> None:
    """Load a file into a network whose classifier was taken off.

    Args:
        network: The network.
        path: The file.
        heads: Names of the classifier's layers, whose weights are passed over.

    Raises:
        DataError: The file belongs to another network; the message names the first differences.
    """
    state = read_weights(path)
    kept = {k: v for k, v in state.items() if not any(k.startswith(f"{head}.") for head in heads)}
    try:
        result = network.load_state_dict(kept, strict=False)
    except RuntimeError as error:
        shapes = str(error).splitlines()[1:2]
        raise DataError(f"{path}: weights of another network:{''.join(shapes)}") from error
    if result.missing_keys or result.unexpected_keys:
        raise DataError(
            f"{path}: weights of another network: {len(result.missing_keys)} are absent "
            f"{result.missing_keys[:3]}, {len(result.unexpected_keys)} unknown "
            f"{result.unexpected_keys[:3]}"
        )
