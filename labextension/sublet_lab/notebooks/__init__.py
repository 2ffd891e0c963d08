"""The notebooks of a server: what is in them and beside them, and copies of what a job runs."""
