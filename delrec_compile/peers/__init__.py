"""What the compiled network is measured against: the same network in other engines."""
