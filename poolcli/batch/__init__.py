"""Many pictures: which files, what they will be called, who does the work, and what is known to be done."""
