"""The task contract: what is observed, done and rewarded, and the step that records it."""
