"""Published results: tables and pictures from the results of runs."""
