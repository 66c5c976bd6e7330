"""Many pictures: the plan of files and names, the workers that process them, and the journal of what is done."""
