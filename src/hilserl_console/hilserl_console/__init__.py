"""The console: a page in the browser that shows a cell, has its keys, and moves its leader."""
