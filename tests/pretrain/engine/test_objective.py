"""What objectives say of a batch, where their parts are named by whoever writes them."""

from typing import Any

import pytest
import torch

from fractalvid.pretrain.engine.objective import Outcome
from fractalvid.utils.errors import UserError


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"loss": torch.tensor(7.0)}, "is called 'loss', and so is something else in the log"),
        ({"seconds": torch.tensor(7.0)}, "'seconds'"),
        ({"lr": torch.tensor(7.0)}, "'lr'"),
        ({"mine": 7.0}, r"the part 'mine' of a loss must be a scalar tensor, got 7\.0"),
        ({"mine": torch.ones(2)}, "must be a scalar tensor"),
    ],
)
def test_parts_have_names_of_their_own(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        Outcome(torch.tensor(1.0), parts=parts)
    assert Outcome(torch.tensor(1.0), parts={"mine": torch.tensor(2.0)}).parts["mine"] == 2
