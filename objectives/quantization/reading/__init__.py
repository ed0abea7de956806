"""Reading a detector's file: the one place where what people have becomes what everything else takes."""

from .model_file import model_of_file

__all__ = ["model_of_file"]
