"""Methods, or models, compared over a data set: paired intervals, agreement of the operators, a winner or none."""
