"""This machine: time, processes, accounts, private files."""
