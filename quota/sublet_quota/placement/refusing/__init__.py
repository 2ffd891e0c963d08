"""Why a slice finds no place, and what would help."""
