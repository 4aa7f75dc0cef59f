"""The page at ``/``: static files that draw the public routes' own answers."""
