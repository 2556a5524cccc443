"""Index files: safetensors with digests, and folders of them with a manifest; docs/format.md describes both.

`manifest` lists the shards of a folder and `folder` changes it; `shard` writes and reads one of them. A shard
and an index of one file are the same columns: `column_writer` writes those and `column_file` reads them, by a
`header` that is checked before anything is allocated. `waiting_column` holds on the disk what comes later in
a file, `label_columns` turns labels into numbers and back, `regular_file` opens what can be read without
waiting, and `digests` tells whether a byte has changed.
"""
