"""A network as a graph: operations in the order in which they run, what is asked of a layer, what others call one."""

from fastnn.graph import forms as forms
from fastnn.graph import graph as graph
from fastnn.graph import protocol as protocol
