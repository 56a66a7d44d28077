"""python -m fastnn. The command line stands above all that it calls, so it is found by its name."""

from importlib import import_module

if __name__ == "__main__":
    import_module("fastnn.cli").main()
