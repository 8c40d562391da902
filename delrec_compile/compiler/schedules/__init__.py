"""The choice of a build's schedule: tuned, shipped or the profile's own."""
