"""Memory and disk of an artifact beside other engines."""
