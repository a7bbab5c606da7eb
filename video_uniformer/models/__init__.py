"""Networks: layers, the UniFormer backbone, heads, foreign weights."""
