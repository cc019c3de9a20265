"""The trained lung segmenter: network, recipe for sick lungs, shape model and quality score."""
