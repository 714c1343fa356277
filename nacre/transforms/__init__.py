"""Array <-> symbols or residuals. Nothing here knows about bytes."""
