"""Published registration methods that IT-PR and IT-DPR are compared with, all behind one function."""
