"""Which pictures stand on the page, in which order, and what each section is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastnn.report import devices, growth, parts, peers, roofline, scale, suite
from fastnn.report.picture import Picture
from fastnn.report.sources import Sources


@dataclass(frozen=True)
class Section:
    """Pictures of one family; short: its name in the list of sections; about: how to read them; height: of the picture
    on the page, in pixels."""

    family: str
    short: str
    title: str
    about: str
    pictures: tuple[Picture, ...]
    height: int = 480


def sections(sources: Sources) -> list[Section]:
    """Those that have something to show."""
    runs = sources.runs
    found = [
        _section(
            "time", "Cost", "Cost against parameters", growth.time_pictures(runs),
            "Medians on logarithmic axes. Bars are the interquartile range; bands, where a law was fitted, 95 %.",
        ),
        _section(
            "devices", "CPU and GPU", "CPU and GPU", devices.pictures(runs),
            "The same networks on both. Beyond the upright line the GPU takes less time.",
        ),
        _section(
            "peers", "Peers", "The same step elsewhere", peers.time_pictures(runs),
            "Same sizes, batch, threads, optimizer and first weights. The ratios below are of pairs measured in turn.",
        ),
        _section(
            "ratios", "Ratios", "Ratios to peers", peers.ratio_pictures(runs),
            "How many times as long as ours a peer takes: medians of pairs measured in turn, with intervals of 95 %. "
            "Above 1 ours is faster.",
        ),
        _section(
            "roofline", "Roofline", "Roofline", roofline.pictures(runs),
            "Rate against FLOPs for each byte that must move, under the peak and the bandwidths of caches and memory "
            "that were measured in the same run.",
        ),
        _section(
            "parts", "Parts", "Where the time of a step goes", parts.pictures(runs),
            "Measured: the floor that FLOPs and bytes set, what the kernels take above it, and what calling each step "
            "from Python costs. Counted: exact shares of forward pass, loss, backward pass and update.",
        ),
        _section(
            "counts", "Counts", "Exact counts", growth.count_pictures(runs),
            "From the formulas below, not from measurement.",
        ),
        _section(
            "scale", "Paper scale", "From 26 parameters to 1.8 trillion", scale.pictures(runs),
            "What was measured here and published models on one axis, for one row: a sample, a token or an image. "
            "Models are FLOPs over peak times utilisation, on one device, as if its memory held them.",
            height=560,
        ),
        _section(
            "suites", "Pytest", "Benchmarks under pytest", suite.pictures(sources.suites),
            "Rate of each kernel against its FLOPs, from files of pytest-benchmark.",
        ),
    ]  # fmt: skip
    return [section for section in found if section.pictures]


def _section(
    family: str, short: str, title: str, pictures: Iterable[Picture], about: str, height: int = 480
) -> Section:  # fmt: skip
    return Section(family, short, title, about, tuple(pictures), height)
