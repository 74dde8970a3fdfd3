"""Films of recorded episodes: choose episodes, draw their images, write a file."""

__all__ = ['drawing', 'episodes', 'video_file']
