"""Tables of data: rows of named columns from csv, parquet, npz files or built-in sets, as arrays to train on.

`open_source` opens one, `read` makes a Table of it. pyarrow reads csv and parquet (the extra `tables`): a csv of 1.0 GB
(2.3 million rows of 51 numbers, Zen 5) takes it 5.2 s and, beside the array of 455 MB, 190 MB at most. polars takes 2.2
s and 670 MB, but fills short rows with nulls and names no row; pandas holds everything. So pyarrow.
"""

from fastnn.tables.columns import Column, Target
from fastnn.tables.errors import DataError
from fastnn.tables.form import Format
from fastnn.tables.missing import RULES, Filling
from fastnn.tables.opening import open_source
from fastnn.tables.reading import Table, batches, read, read_as
from fastnn.tables.scaling import Scaling
from fastnn.tables.source import Source

__all__ = [
    "Column",
    "DataError",
    "Filling",
    "Format",
    "RULES",
    "Scaling",
    "Source",
    "Table",
    "Target",
    "batches",
    "open_source",
    "read",
    "read_as",
]
