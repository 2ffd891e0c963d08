"""One attempt of a job: prepare, judge, end."""
