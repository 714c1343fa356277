"""Measuring codecs beside their peers: real bytes, the same files, the same run.

    peers.py    what nacre is compared with, declared as data
    metrics.py  how far a picture is from its original, and how far a curve is from another
    runner.py   every codec on every file, at several qualities
    report.py   records to a table and a picture
    lossless.py  the table of lossless codecs
    sets.py     archives of small pictures beside their peers
    latents.py  streams beside lossless WebP of the same latents
    memory.py   peak memory of an encode and of a decode

``docs/bench.md`` says what each number means and how to reproduce it. Nothing here is imported by
the rest of nacre but the command line; the packages that peers and metrics need come with the extra
``nacre[bench]``.
"""
