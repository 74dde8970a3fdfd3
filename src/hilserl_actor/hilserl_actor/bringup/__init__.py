"""What a run consists of, as data, and what starts it."""
