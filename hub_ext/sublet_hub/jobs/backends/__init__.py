"""One folder or file per way of running jobs."""
