"""Training as people expect it: a table in, a model out that knows its columns; resumed to the same bits.

table = fastnn.tables.read(fastnn.tables.open_source("data.csv"), target="label")
training = fastnn.train.Training(table, fastnn.train.Settings(layers=(64, 32), patience=5))
outcome = fastnn.train.run(training, checkpoint="run.checkpoint")
outcome.model.save("data.safetensors")

Images and sequences are fastnn.samples.Samples, and their training a SampleTraining.
"""

from fastnn.train.checkpoint import Checkpoint
from fastnn.train.model import Model
from fastnn.train.records import Record
from fastnn.train.run import Outcome, run
from fastnn.train.sample_model import SampleModel, load_model
from fastnn.train.sample_training import SampleTraining, training_of
from fastnn.train.scores import confusion, scores
from fastnn.train.settings import Settings, settings_of
from fastnn.train.training import Training

__all__ = [
    "Checkpoint",
    "Model",
    "Outcome",
    "Record",
    "SampleModel",
    "SampleTraining",
    "Settings",
    "Training",
    "confusion",
    "load_model",
    "run",
    "scores",
    "settings_of",
    "training_of",
]
