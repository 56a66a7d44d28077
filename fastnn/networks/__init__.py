"""Networks: from layers to what trains and predicts, as a table for people, and in files."""
