"""Which schedule a build takes: tuned, shipped or the profile's own."""
