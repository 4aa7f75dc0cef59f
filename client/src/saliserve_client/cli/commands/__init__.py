"""One file per command; each has ``run(options, console) -> exit code``."""
