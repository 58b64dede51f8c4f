import pytest
from torch.nn import Dropout, Linear, Sequential

from mrdib_graph.eval_mode import eval_mode


@pytest.mark.parametrize("training", [True, False])
def test_eval_mode_inside_and_the_old_mode_after_it(training: bool) -> None:
    module = Sequential(Linear(2, 2), Dropout()).train(training)
    with eval_mode(module):
        assert not any(part.training for part in module.modules())
    assert all(part.training == training for part in module.modules())
    with pytest.raises(ZeroDivisionError), eval_mode(module):
        raise ZeroDivisionError
    assert module.training == training
