"""The names that travel between Sublet's parts: ids, scopes, jobs, control groups, claims."""
