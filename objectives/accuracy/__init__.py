"""How well an engine detects: data set, letterboxed images, heads, COCO mAP, its spread."""
