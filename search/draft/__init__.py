"""A study file drafted from a model and its data, for somebody who has none yet."""
