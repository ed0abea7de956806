"""The study: its file, its storage, its sampler, its workers; the front; export and the command line."""
