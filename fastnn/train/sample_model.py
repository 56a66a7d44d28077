"""A trained network of images or sequences, with all that must be known to use it: their shape, scaling, classes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from os import PathLike
from typing import Any

from numpy.typing import NDArray

from fastnn.networks.io import FileError, read_metadata, save
from fastnn.networks.models import load as load_network
from fastnn.networks.network import Network
from fastnn.samples import Form, Rows
from fastnn.samples.form import describe as describe_form
from fastnn.samples.form import form_of
from fastnn.tables import Scaling, Target
from fastnn.tables.columns import describe, target_of
from fastnn.train.model import Model
from fastnn.train.predictor import Predictor, as_lists, scaling_from

KEY = "samples"


@dataclass(frozen=True, eq=False)
class SampleModel(Predictor):
    """x of its methods is (N, *form.shape), bytes or numbers. scaling: of channels, or features of a position."""

    network: Network
    form: Form
    target: Target
    scaling: Scaling
    target_scaling: Scaling

    def rows(self, x: NDArray[Any]) -> Rows:
        """x as the network takes it, made a part at a time."""
        return Rows(x, self.scaling, self.network.dtype)

    def standardised(self, x: NDArray[Any]) -> NDArray[Any]:
        """A copy of x (N, *form.shape) as the network takes it, (N, inputs)."""
        return self.rows(x)[:]

    def save(self, path: str | PathLike[str]) -> None:
        about = {
            "form": describe_form(self.form),
            "target": describe(self.target),
            "scaling": as_lists(self.scaling),
            "target_scaling": as_lists(self.target_scaling),
        }
        save(self.network, path, {KEY: json.dumps(about)})

    @staticmethod
    def load(path: str | PathLike[str]) -> SampleModel:
        """The model that `save` wrote. FileError, FileNotFoundError."""
        network = load_network(path)
        try:
            about = json.loads(read_metadata(path)[KEY])
            scalings = (scaling_from(about[name]) for name in ("scaling", "target_scaling"))
            model = SampleModel(network, form_of(about["form"]), target_of(about["target"]), *scalings)
            model._check()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FileError(f"{path}: what it says of its rows is broken ({error!r})") from error
        return model

    def _check(self) -> None:
        """ValueError: sizes that do not belong together."""
        if self.form.shape != self.network.input_shape:
            raise ValueError(f"the model takes {self.form}; the network rows of {self.network.input_shape}")
        if {len(each) for each in as_lists(self.scaling)} != {self.form.features}:
            raise ValueError(f"scaling is not of {self.form.features} channels or features")
        self.require_outputs()


def load_model(path: str | PathLike[str]) -> Model | SampleModel:
    """A file of `fastnn train`, of whatever rows. FileError, FileNotFoundError."""
    return SampleModel.load(path) if KEY in read_metadata(path) else Model.load(path)
