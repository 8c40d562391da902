"""NIR graphs, in and out."""
