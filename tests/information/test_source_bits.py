import pytest
import torch

from mrdib_graph.information import ProfileConfig
from mrdib_graph.information.source_bits import SourceBits


def source_bits(rows, codes, data, fused_score=None, own=()):
    names = ["image", "text"]
    return SourceBits(rows, codes, data, names, own, ProfileConfig(), fused_score)


def test_each_set_is_read_once(rows, codes, data):
    bits = source_bits(rows, codes, data)
    assert bits.single("image") is bits.additive(("image",))
    assert bits.joint(("image", "text")) is bits.additive(("image", "text"))
    assert float(bits.additive(()).bits.abs().max()) == 0


def test_the_fused_score_gets_the_kept_names(rows, codes, data):
    asked = []

    def fused_score(kept):
        asked.append(list(kept))
        return tuple(torch.cat([codes[side][n] for n in kept], 1) for side in ("user", "item"))

    bits = source_bits(rows, codes, data, fused_score, own=["audio"])
    bits.joint(("image", "text"))
    everything = bits.fused()
    assert asked == [["image", "text"], ["image", "text", "audio"]]
    tables = tuple(
        torch.cat([codes[side][n] for n in ("image", "text", "audio")], 1)
        for side in ("user", "item")
    )
    assert bits.bits_of_tables(tables) == pytest.approx(float(everything.mean()))


def test_a_pair_tells_more_than_each(rows, codes, data):
    bits = source_bits(rows, codes, data)
    both = float(bits.additive(("image", "text")).bits.mean())
    assert both > max(float(bits.single(n).bits.mean()) for n in ("image", "text")) + 0.2
