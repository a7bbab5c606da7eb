"""Lightning: the task, the data module, optimisers."""
