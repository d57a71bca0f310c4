"""Transfer protocols as TOML files, and a run's plan made from one."""
