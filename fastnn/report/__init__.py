"""Results as pictures and words: one HTML file, figures for papers, a picture in a terminal. Part of the program."""
