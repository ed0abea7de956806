"""How well an engine does its task: what it finds, held against what is true, and how sure that is."""
