"""Convolution of images, channels last: y = x * w + b, a window of x times w at each place.

    B images   H x W pixels, with their border   C channels, in G groups of D   KH x KW a window   P x Q places of it
    O filters, in G groups
    x (B, H, W, C)   w (KH, KW, D, O)   b (O,) or (0,)   y (B, P, Q, O)   and a gradient of the same shape beside each

    y[p, q] = b + sum over kh, kw of x[p down + kh spread_down, q across + kw spread_across] @ w[kh, kw]

of the channels of a filter's group alone. A row of y is one product, of rows of x in which window q begins `across`
pixels behind window q - 1, and of w: its terms lie in KH segments, KW D numbers each. No window is copied; register
tiles read x with that step. Backward a row of dx is one product, too: rows of dy, and w with its channels last, make
what each window has of dx, (Q, KW D), and where windows overlap that is added up. So dx takes the multiply-adds of the
forward pass, whatever the stride. dw is summed over IMAGES images at a time, whose sums are added in order: the bits
are the same for any number of threads, who share rows of images, and of dw stripes of filters.
Arrays are flat. Reference: fastnn.reference.convolution.
"""
