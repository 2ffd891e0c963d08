"""The product's main job told on one machine without a browser, and checked as it is told."""
