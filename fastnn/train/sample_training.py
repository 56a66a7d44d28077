"""The training of a network on images or sequences."""

from __future__ import annotations

from typing import Any

from fastnn.samples import IMAGES, Augmentation, Rows, Samples, scaling_of
from fastnn.samples.form import describe as describe_form
from fastnn.tables import Scaling, Table
from fastnn.train.networks import sample_network
from fastnn.train.sample_model import SampleModel
from fastnn.train.settings import Settings
from fastnn.train.standing import Standing, described, fingerprint
from fastnn.train.training import Training


class SampleTraining(Standing[Samples, SampleModel]):
    """Of images or sequences, which stay as they are kept: numbers are made of them when a step needs them."""

    def _prepared(self, samples: Samples) -> SampleModel:
        settings, form = self.settings, samples.form
        network = sample_network(settings, form, samples.target, self.y["train"])
        standardises = form.kind != IMAGES if settings.standardise is None else settings.standardise
        scaling = scaling_of(self.x["train"]) if standardises else Scaling.none(form.features)
        augments = settings.flip or settings.shift
        augmentation = Augmentation(settings.flip, settings.shift, settings.seed) if augments else None
        self.x = {
            part: Rows(x, scaling, network.dtype, augmentation if part == "train" else None)
            for part, x in self.x.items()
        }
        return SampleModel(network, form, samples.target, scaling, self._target_scaling(samples))

    @property
    def _span(self) -> int | None:
        """Unless another is asked for, that of networks whose spans a cache holds and threads take."""
        return None if self.settings.span == Settings.span else self.settings.span

    def _identity(self, samples: Samples) -> dict[str, Any]:
        return {
            "rows": len(samples),
            "form": describe_form(samples.form),
            "target": described(samples.target),
            "fingerprint": fingerprint(samples.x, samples.y).hexdigest(),
        }


def training_of(source: Table | Samples, settings: Settings) -> Training | SampleTraining:
    """Of whatever rows. ValueError: settings that do not suit them, or more than memory holds."""
    return Training(source, settings) if isinstance(source, Table) else SampleTraining(source, settings)
