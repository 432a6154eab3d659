"""What every package uses and none owns: locks, dtypes, cores, devices, random generators."""
