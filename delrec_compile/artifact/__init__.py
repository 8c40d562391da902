"""What a build leaves: the manifest, the C ABI, the package, and programs made of it."""
