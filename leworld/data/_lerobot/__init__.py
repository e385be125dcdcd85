"""LeRobot's data sets, versions 2.1 and 3.0: tables in parquet, cameras as videos or pictures."""
