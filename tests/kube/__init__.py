"""A package, so that what its modules share (a cluster) lasts for all of them and no longer."""
