"""What is scored on: data sets as people have them, read and checked, and their images as a model takes them."""
