"""What is on the cards, and who uses them."""
