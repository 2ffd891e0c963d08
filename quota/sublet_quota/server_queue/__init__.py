"""Notebook servers that wait in line: in which order, who is next, and how long it will take."""
