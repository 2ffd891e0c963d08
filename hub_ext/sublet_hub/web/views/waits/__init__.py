"""Who waits for whom, and who has whose room: found for all at once, shown to each their own."""
