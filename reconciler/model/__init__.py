"""The vocabulary: policies, targets, assignments, plans, results, errors. Frozen values, no I/O."""
