"""Many workers at once: where they run, what they are pinned to, and who starts them again. It knows no study."""
