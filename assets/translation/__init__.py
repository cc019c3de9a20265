"""Image translation from abnormal to normal lungs: CycleGAN, CUT, and a PCA reconstruction as the yardstick."""
