"""Files and arrays: what goes into a codec and comes out of it. Nothing here imports torch."""
