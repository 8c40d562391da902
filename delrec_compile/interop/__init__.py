"""Models of other frameworks as frozen networks, and networks as NIR graphs."""
