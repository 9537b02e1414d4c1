"""High dimensions: the regions in which a network is linear, and what one pixel, or many, can do."""
