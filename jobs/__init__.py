"""What `ray job submit … -- python -m jobs.NAME …` runs: parse, connect, call the package."""
