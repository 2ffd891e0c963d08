"""The states of slices and jobs; a job's life as a table of moves."""
