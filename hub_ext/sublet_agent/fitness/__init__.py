"""Whether a card is fit to be lent: how it is set up, and a try with a process of our own."""
