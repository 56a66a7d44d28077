"""`fastnn train`, `fastnn evaluate` and `fastnn predict-on`: options in, calls of the library, files and tables out."""
