"""What the columns of a tape hold: of its header, and of every operation. Further columns are an operation's own, and
named where it stands."""

from __future__ import annotations

import numpy as np

COLUMNS = 40

# Columns of the header. OUTPUT_WIDTH is that of a row of the loss, of which a row of the batch has OUTPUT_ROWS. WORK:
# see lowering.work_of. IGNORE_INDEX is the label that costs nothing, and of a loss of numbers 1 where NaN does.
# BATCH_AT is where an epoch gathers the rows of a minibatch, DBIAS_AT where the gradient of a bias waits for its
# update, LOSS_CONSTANTS the row where those of the loss begin, class weights or settings, or 0 where there are none.
# BLOCKS is the number of parameter blocks, BLOCKS_AT the row where the table of them begins; TIED is 1 where some have
# several users, GROUPED where some have a BLOCK_RATE, what their learning rate is multiplied by, that is not 1, or are
# no optimizer's.
#
# More than CHUNK rows (0: never) go through the whole network a chunk at a time, by at most SHARES threads. A batch of
# more than SPAN_ROWS goes a span at a time, see fastnn.tape.spans: SPANNED is 1 where one may come. Then a workspace
# begins with SLOTS slots of SLOT_SIZE, in the first of which all but the output, its gradient and the losses lie; GROUP
# spans go at once, to PARTIALS_AT and TOTALS_AT, and LEVELS_AT is where their tree is added up.
#
# The output of a tape is KEPT_WIDTH numbers of each row of the loss: OUTPUT_WIDTH, or, where PIECE is not 0, its most
# likely class alone, see fastnn.tape.pieces; the walker leaves the last operation to it then.
(OPERATIONS, CAPACITY, WORKSPACE_SIZE, SCRATCH_AT, SCRATCH_SIZE, OUTPUT_AT, DOUTPUT_AT, OUTPUT_WIDTH, OUTPUT_ROWS, LOSS,
 LOSS_MEAN, IGNORE_INDEX, LABEL_SMOOTHING, LOSS_CONSTANTS, LOSSES_AT, BATCH_AT, DBIAS_AT, WORK, BLOCKS, BLOCKS_AT, TIED,
 CHUNK, SHARES, SPAN_ROWS, SPANNED, SLOTS, SLOT_SIZE, GROUP, PARTIALS_AT, TOTALS_AT, LEVELS_AT,
 GROUPED, KEPT_WIDTH, PIECE) = range(34)  # fmt: skip

# Columns of an operation. DINPUT is -1 where nobody wants the gradient of the first input, INWARD 1 where somebody
# wants that of any. A row of the batch is POSITIONS rows of WIDTH_IN numbers to it, and of WIDTH_OUT. PARAMETERS is
# where its parameters begin, PARAMETERS_SIZE how much of the vector they take, with the zeros between them. BY_ROWS
# says what of it threads may share by rows, see fastnn.tape.rows.
(KIND, INPUT, OUTPUT, DINPUT, DOUTPUT, INWARD, POSITIONS, WIDTH_IN, WIDTH_OUT, PARAMETERS, PARAMETERS_SIZE, BY_ROWS,
 OWN) = range(13)  # fmt: skip

# An entry of the table of parameter blocks, in elements of the flat tape, and the flags of one: a COUNT is of the
# statistics before it.
BLOCK_OFFSET, BLOCK_SIZE, BLOCK_FLAGS, BLOCK_RATE = range(4)
BLOCK_ENTRY = 4
DECAYS, STATISTIC, COUNT = 1, 2, 4

# Kinds of operations that the walker knows; all others are registered (see fastnn.tape.operations).
DENSE, ELEMENTWISE, FIRST_REGISTERED = range(3)

# Columns of dense layers and activations. PRE is where a dense layer keeps what its activation is of. BIAS_SIZE is 0
# where there is no bias. ALPHA is the real constant of the activation.
WEIGHT, BIAS, BIAS_SIZE, PRE, ACTIVATION, ALPHA = range(OWN, OWN + 6)


def bits(number: float | None) -> int:
    """A real constant as a column holds it: the bits of its float64; None is 0."""
    return int(np.float64(number or 0.0).view(np.int64))
