"""Lossless sound: predictors that learn from every sample, and the coder of what they get wrong."""
