"""What a model looks at: the loss of average precision when one input is shuffled.

Belongs here: permutation importance (Breiman 2001) on the test days. Does not: why one payment got
its score (`contributions`).
"""

from typing import Any, Final

from models.fraud.dataset import Part
from models.fraud.features import feature_names
from models.fraud.onnx_export import OnnxModel
from models.fraud.training import Trained

_MOST_GOOD: Final = 10_000
_SHUFFLES: Final = 3


def importance(trained: Trained, test: Part) -> list[tuple[str, float]]:
    """(input, mean loss of average precision), the largest first; all frauds, some good payments.

    Inputs that say the same stand in for one another: each then looks less needed than both are.
    """
    import numpy as np
    from sklearn.metrics import average_precision_score

    random = np.random.default_rng(trained.params.seed)
    model = OnnxModel(trained.onnx)
    rows, targets = _sampled(test, random)
    whole = average_precision_score(targets, model.scores(rows))
    losses = []
    for place, name in enumerate(feature_names()):
        column = rows[:, place].copy()
        found = []
        for _ in range(_SHUFFLES):
            rows[:, place] = random.permutation(column)
            found.append(whole - average_precision_score(targets, model.scores(rows)))
        rows[:, place] = column
        losses.append((name, float(np.mean(found))))
    return sorted(losses, key=lambda pair: -pair[1])


def _sampled(test: Part, random: Any) -> tuple[Any, Any]:
    import numpy as np

    good = np.nonzero(test.targets == 0)[0]
    if len(good) > _MOST_GOOD:
        good = random.choice(good, _MOST_GOOD, replace=False)
    kept = np.sort(np.concatenate([np.nonzero(test.targets)[0], good]))
    return test.rows[kept].copy(), test.targets[kept]
