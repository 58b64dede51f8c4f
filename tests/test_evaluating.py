import pytest
from torch.nn import Dropout, Linear, Sequential

from mrdib_graph.evaluating import evaluating


@pytest.mark.parametrize("training", [True, False])
def test_eval_mode_inside_and_the_old_mode_after_it(training: bool) -> None:
    module = Sequential(Linear(2, 2), Dropout()).train(training)
    with evaluating(module):
        assert not any(part.training for part in module.modules())
    assert all(part.training == training for part in module.modules())
    with pytest.raises(ZeroDivisionError), evaluating(module):
        raise ZeroDivisionError
    assert module.training == training
