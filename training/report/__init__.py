"""The report of an experiment: what was asked, what came out, what did not run, and what speaks against us."""
