"""Videos as tensors: sampling, reading, transforms, the dataset."""
