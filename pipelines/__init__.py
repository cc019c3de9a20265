"""How the stages are joined and run: definitions, jobs, schedules, the command line."""
