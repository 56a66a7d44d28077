"""Language models: vocabularies, texts, training on them, and a network that knows its vocabulary."""
