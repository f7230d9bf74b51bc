"""Small networks on shared cores: one thread each, as `training.fit` trains them."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
