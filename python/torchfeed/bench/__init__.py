"""``torchfeed bench``: whole epochs of torchfeed's loader beside other loaders, each in a process of its own.

    command  ->  run  ->  process | child  ->  peers
    arguments    rounds   one for each measurement

`tasks` says what there is to do, `peers` who does it, and `check` that the answers are the same; `report` sets out what
was measured.
"""
