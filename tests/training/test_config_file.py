"""Options of a training from a TOML file and from name=value texts."""

from __future__ import annotations

from pathlib import Path

from helpers import refusal

from delrec_compile.errors import InputError, UsageError
from delrec_compile.training.config import TrainConfig


def test_options_of_a_file_give_way_to_texts_and_values(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('recurrence = "dense"\nepochs = 7\nlr = 1\nhidden = 32\n')
    config = TrainConfig.with_options(["epochs=8"], path, hidden=64, seed=None)
    assert (config.recurrence, config.epochs, config.lr, config.hidden) == ("dense", 8, 1.0, 64)
    assert config.changed() == {"recurrence": "dense", "epochs": 8, "lr": 1.0, "hidden": 64}
    with refusal(UsageError, "--set epochs=1e2: '1e2' is not an integer$", 2):
        TrainConfig.with_options(["epochs=1e2"])
    with refusal(UsageError, "--set lr=fast: 'fast' is not a number$", 2):
        TrainConfig.with_options(["lr=fast"])
    for text, message in (
        ("epoch = 7", "no option 'epoch'.*did you mean 'epochs'"),
        ('epochs = "7"', "epochs is '7'; an integer is required"),
        ("epochs = 1.5", "epochs is 1.5; an integer is required"),
        ("epochs = true", "epochs is True; an integer is required"),
        ("epochs", "is not valid TOML"),
        ("lr = 1" + "0" * 400, "is not valid TOML"),
        ('"lr\\n" = 1', r"no option 'lr\\n'"),
    ):
        path.write_text(text)
        with refusal(UsageError, message, 2):
            TrainConfig.with_options((), path)
    with refusal(InputError, "none.toml cannot be read: No such file", 3):
        TrainConfig.with_options((), tmp_path / "none.toml")


def test_a_name_without_a_value_is_refused() -> None:
    with refusal(UsageError, "--set lr: a value is required, such as --set lr=VALUE", 2):
        TrainConfig.with_options(["lr"])
