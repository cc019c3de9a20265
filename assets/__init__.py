"""The method, a folder a stage: pure modules beside one thin adapter to Dagster."""
