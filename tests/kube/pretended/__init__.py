"""A package, so that what its modules share (the operators) lasts for all of them and no longer."""
