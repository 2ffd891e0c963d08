"""As processes of this machine, under their owners' accounts."""
