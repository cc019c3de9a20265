"""IT-PR: training-free alignment of both lungs to one reference lung."""
