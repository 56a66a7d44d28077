"""python -m fastnn"""

from fastnn.cli import main

if __name__ == "__main__":
    main()
