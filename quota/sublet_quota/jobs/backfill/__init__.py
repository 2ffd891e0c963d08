"""GPUs that are kept for jobs that wait, and which jobs have their place there until then."""
