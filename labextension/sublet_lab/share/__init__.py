"""One's own share, shown in a notebook: a widget, and a line magic for where none shows."""
