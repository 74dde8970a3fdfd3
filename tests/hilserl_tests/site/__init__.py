"""The site of the documentation: its pages, and the reference that is made from the code."""

__all__ = ['pages', 'reference']
