"""What a page talks to: settings that are checked, a training in a thread, numbers of it as frames."""
