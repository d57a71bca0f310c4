"""Quality figures of banks and generated sets: what their clips look like, how they move, how they are told apart.

`figures` are pure functions of clips, `separability` and `probe` tell classes apart, `source` gives the clips,
`measure` puts it together into `results`, and `page` shows them.
"""
