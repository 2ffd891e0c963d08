"""Jobs as processes on this machine, under their owners' accounts."""
