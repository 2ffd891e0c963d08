"""The files that survive the agent, each with one subject, in the state folder."""
