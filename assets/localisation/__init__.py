"""Where anomaly maps point on the radiograph itself, against boxes and lesions, beside guesses that see no disease."""
