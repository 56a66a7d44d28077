"""What the columns of a tape hold."""

from __future__ import annotations

COLUMNS = 19

# Columns of the header. BATCH_AT is where an epoch gathers the rows of a minibatch, DBIAS_AT where the gradient of a
# bias waits for its update, CLASS_WEIGHTS the row of the constants or 0 where there are none. A batch of more than
# CHUNK rows (0: none) goes through the whole network a chunk at a time, by at most SHARES threads, and its gradient is
# the sum of those of spans of CHUNKS_OF_SPAN chunks, kept from PARTIALS_AT on.
(OPERATIONS, CAPACITY, WORKSPACE_SIZE, SCRATCH_AT, SCRATCH_SIZE, OUTPUT_AT, DOUTPUT_AT, OUTPUT_WIDTH, LOSS, LOSS_MEAN,
 IGNORE_INDEX, LABEL_SMOOTHING, CLASS_WEIGHTS, LOSSES_AT, BATCH_AT, DBIAS_AT,
 CHUNK, SHARES, PARTIALS_AT) = range(19)  # fmt: skip

# Columns of an operation. PRE is where a dense layer keeps what its activation is of, and a norm its normalised rows.
# BIAS_SIZE is 0 where there is no bias. ALPHA is the one real constant: of the activation, the epsilon of a norm, the
# rate of a dropout. SIDE is a second place: of a norm, for the inverse deviations of rows; of an add, the values that
# are added, INPUT = -1 again for x; of a fork, the gradient of that add.
(KIND, INPUT, OUTPUT, PRE, DINPUT, DOUTPUT, WEIGHT, BIAS, BIAS_SIZE, WIDTH_IN, WIDTH_OUT, ACTIVATION, ALPHA,
 SIDE) = range(14)  # fmt: skip

# Kinds of operations. Those behind ELEMENTWISE are the work of fastnn.tape.operations.
DENSE, ELEMENTWISE, LAYER_NORM, RMS_NORM, DROPOUT, FORK, ADD = range(7)
NORMS = (LAYER_NORM, RMS_NORM)

# Chunks whose gradient is summed as one. A sum over spans, and not over the batch, lets a thread keep what it needs in
# its own cache: 10,000 rows of 4-32-16-4 take 381 us a step on two threads; 450 where threads shared the weights.
CHUNKS_OF_SPAN = 4
