"""The sentences of refusals: a table a subject, and the one place that makes a refusal of a row."""
