"""What travels by name between Sublet's parts: ids, scopes, jobs, control groups, volume claims."""
