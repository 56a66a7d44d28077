"""The pages by name, in the order in which one learns."""

from __future__ import annotations

from importlib import import_module

from fastnn.play.session.lesson import Lesson

# Name, the word in the list of pages, the claim of the page. fastnn.play.lessons.NAME has LESSON.
TITLES: dict[str, tuple[str, str]] = {
    "neuron": ("Neuron", "One neuron: products, a sum, a bend"),
    "spam": ("Spam", "26 numbers learn to find spam"),
    "perceptron": ("Perceptron", "A line learns AND and OR, and never XOR"),
    "activations": ("Activations", "The bend in every neuron"),
    "loss": ("Loss", "What being wrong costs"),
    "training": ("Training", "How large a step to take"),
    "plane": ("Your data", "Two numbers, a label, and where the border runs"),
    "forward": ("Forward", "From three numbers to an answer, layer by layer"),
    "linear": ("Linear", "A hundred layers that are one"),
    "gradients": ("Gradients", "What comes back through 64 layers"),
    "builder": ("Builder", "Build a network, and see what it costs"),
    "cnn": ("Filters", "The same few weights at every place"),
    "language": ("Language", "A model of language, from the prompt to the next letter"),
    "temperature": ("Temperature", "The same numbers, sharper or flatter"),
    "zoo": ("Zoo", "The same neurons, wired in four ways"),
    "timeline": ("Timeline", "From the perceptron to GPT-4, run again"),
}


def lesson(name: str) -> Lesson:
    found: Lesson = import_module(f"fastnn.play.lessons.{name.replace('-', '_')}").LESSON
    return found
