"""The lives of slices and jobs, each as a table of moves."""
