"""The console: the page at the service's own address, its files, and its stream of changes."""
