"""One page on a network or an artifact: its figures as data, and as HTML that loads nothing."""
