"""What survives the agent, one file each in the state folder."""
