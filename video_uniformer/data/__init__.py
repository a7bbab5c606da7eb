"""Videos to tensors: annotations, sampling, decoding, transforms, data sets."""
