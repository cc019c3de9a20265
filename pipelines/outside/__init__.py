"""The store used without Dagster: data sets for torch, and exports."""
