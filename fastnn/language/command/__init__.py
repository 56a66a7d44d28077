"""`fastnn train --text`, `fastnn generate` and `fastnn evaluate` of a language model."""
