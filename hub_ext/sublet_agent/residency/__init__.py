"""Who is on the GPU this second."""
