"""Time as a parameter: the clock, the run's one deadline, retries and the pace of writes."""
