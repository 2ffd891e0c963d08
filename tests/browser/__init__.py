"""A package, so that its fixtures last for all of its modules and no longer."""
