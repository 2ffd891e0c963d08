"""Real use on one machine: `sublet install` and `sublet uninstall`."""
