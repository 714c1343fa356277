"""Training: one loop, one recipe a codec. Nothing that decodes imports this package."""
