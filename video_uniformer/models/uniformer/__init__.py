"""The UniFormer networks: layers, blocks, stages, variants, network."""
