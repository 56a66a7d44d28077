"""Operations on a tape: the columns of each and the kernels that a row calls by number (fastnn.tape.operations).

table.py has a row for each.
"""
