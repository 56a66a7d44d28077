"""What repeats a paper's claim, one a file: `run` gives a Run, on fastnn's public interface alone."""
