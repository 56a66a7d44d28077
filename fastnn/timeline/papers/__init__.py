"""What the papers say: claims, dates, sources and printed numbers, in milestones.toml and nowhere else."""
