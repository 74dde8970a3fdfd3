"""What the tests of the console share."""
