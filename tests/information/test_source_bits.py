import pytest
import torch

from mrdib_graph.information import ProfileConfig
from mrdib_graph.information.source_bits import SourceBits


def readings(rows, codes, data, fused_score=None, own=()):
    names = ["image", "text"]
    return SourceBits(rows, codes, data, names, own, ProfileConfig(), fused_score)


def test_each_set_is_read_once(rows, codes, data):
    read = readings(rows, codes, data)
    assert read.single("image") is read.additive(("image",))
    assert read.joint(("image", "text")) is read.additive(("image", "text"))
    assert float(read.additive(()).bits.abs().max()) == 0


def test_the_fused_score_gets_the_kept_names(rows, codes, data):
    asked = []

    def fused_score(kept):
        asked.append(list(kept))
        return tuple(torch.cat([codes[side][n] for n in kept], 1) for side in ("user", "item"))

    read = readings(rows, codes, data, fused_score, own=["audio"])
    read.joint(("image", "text"))
    everything = read.fused()
    assert asked == [["image", "text"], ["image", "text", "audio"]]
    tables = tuple(
        torch.cat([codes[side][n] for n in ("image", "text", "audio")], 1)
        for side in ("user", "item")
    )
    assert read.bits_of_tables(tables) == pytest.approx(float(everything.mean()))


def test_a_pair_tells_more_than_each(rows, codes, data):
    read = readings(rows, codes, data)
    both = float(read.additive(("image", "text")).bits.mean())
    assert both > max(float(read.single(n).bits.mean()) for n in ("image", "text")) + 0.2
