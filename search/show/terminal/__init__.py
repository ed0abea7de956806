"""What a study and a candidate show on a terminal: results on stdout, progress on stderr."""
