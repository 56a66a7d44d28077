"""Where values and files come in and go out: arrays of anything, checks with their messages, files written whole."""
