"""`fastnn play`: a local page whose numbers come from the kernels, trained while one looks."""
