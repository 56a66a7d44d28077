"""A network as a graph: operations in the order in which they run, what is asked of a layer, what others call one."""
