"""LeRobot datasets: recorded steps become one, and one becomes demonstrations."""

__all__ = ['dataset', 'exporting', 'importing', 'units']
