"""Pictures of lists as tensors: reading, transforms, data set."""
