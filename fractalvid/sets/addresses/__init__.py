"""Sets behind addresses: `s3://`, `gs://` and whatever else fsspec knows."""
