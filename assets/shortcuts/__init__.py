"""What separates the classes without seeing disease: border, outline, histogram, view, lung size and the like."""
