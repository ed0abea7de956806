"""What runs apart: work in child processes, and one timing at a time on one device."""
